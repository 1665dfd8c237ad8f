//! A service that is asked: where it is, and how it is reached.

use fanfare_auth::AskError;
use http::Uri;

use super::dial::{PlainHttp, Reach};

/// Two addresses with the same one are asked over the same connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) reach: Reach,
}

impl Service {
    /// That of an address, of which a plain one reaches no further than `plain`.
    pub(super) fn of(uri: &Uri, plain: PlainHttp) -> Result<Self, AskError> {
        let host = uri.host().ok_or_else(|| AskError::Failed("the address has no host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (reach, usual_port) = match uri.scheme_str() {
            Some("https") => (Reach::Anywhere, 443),
            Some("http") => (Reach::Plain(plain), 80),
            _ => return Err(AskError::Failed("the address is not one of https".into())),
        };
        Ok(Self { host, port: uri.port_u16().unwrap_or(usual_port), reach })
    }
}
