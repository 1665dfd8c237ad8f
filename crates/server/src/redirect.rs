//! A listener that sends clients to HTTPS and serves nothing else.

use std::fmt;
use std::str::FromStr;

use fanfare_protocol::limits;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Uri};

use crate::answer::Answer;
use crate::problem::{Kind, Problem};

/// What stands for the host that a client asked for.
const ASKED_FOR: &str = "{host}";
/// How long a client may send itself there without asking. A redirect without this is kept for good (RFC 9111, section 4.2.2), a wrong one, too.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=3600");

/// Where clients are sent: `https://{host}`, `https://{host}:8443` or `https://events.example.com`.
///
/// They are sent there by status 308 (RFC 9110, section 15.4.9), whatever the method: it is the permanent redirect that keeps method and body. Clients may
/// make a GET out of a POST that is answered 301, and an event would be lost without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `None`: the one that was asked for.
    host: Option<String>,
    port: Option<u16>,
}

impl Redirect {
    /// What a redirect looks like, for those who wrote another one.
    pub const EXPECTED: &'static str = "\"https://{host}\", which keeps the host that was asked for, or an origin such as \"https://events.example.com\", with a port if it needs one";

    /// The answer to this request, whose `Host` was checked: the same path and query at the other origin.
    ///
    /// # Errors
    /// The request names no host that one could be sent to.
    pub(crate) fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Result<Answer, Problem> {
        let host = match &self.host {
            Some(host) => host,
            None => asked_for(uri, headers)?,
        };
        // The target of `OPTIONS *` is no path.
        let target = uri.path_and_query().map(|target| target.as_str()).filter(|target| target.starts_with('/'));
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let location = HeaderValue::from_str(&format!("https://{host}{port}{}", target.unwrap_or("/")));
        let location = location.map_err(|_| Problem::new(Kind::InvalidRequest, "The URL cannot be redirected."))?;
        let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, KEPT)];
        Ok(Answer::empty(StatusCode::PERMANENT_REDIRECT).with(headers))
    }
}

/// The host of the request, without its port: of its target, if that is a whole URL (RFC 9112, section 3.2.2), else of `Host`.
fn asked_for<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let authority = authority.or_else(|| headers.get(header::HOST)?.to_str().ok());
    authority.and_then(split).map(|(host, _)| host).ok_or_else(|| {
        Problem::new(Kind::InvalidRequest, "This listener redirects to HTTPS, and `Host` names no host to go to.")
    })
}

/// A host, perhaps with its port. `None`: it is neither a name of letters, digits, `-`, `_` and `.`, nor an IPv6 address in brackets.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        _ => return None,
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')),
    };
    (is_host && (1..=limits::HOST_BYTES_MAX).contains(&host.len())).then_some((host, port))
}

impl FromStr for Redirect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = text.strip_prefix("https://").ok_or(Self::EXPECTED)?;
        let (host, rest) = match authority.strip_prefix(ASKED_FOR) {
            // Any name will do to read the port.
            Some(port) => (None, format!("host{port}")),
            None => (Some(()), authority.to_owned()),
        };
        let (name, port) = split(&rest).ok_or(Self::EXPECTED)?;
        if host.is_none() && name != "host" {
            return Err(Self::EXPECTED);
        }
        Ok(Self { host: host.map(|()| name.to_owned()), port })
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host.as_deref().unwrap_or(ASKED_FOR))?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests;
