//! Where an issuer publishes its keys.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use fanfare_protocol::limits::KEY_URL_BYTES_MAX;
use http::Uri;

/// An address of `https`, or of `http` on this machine, where nobody is in between.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyUrl(Uri);

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyUrlError {
    /// It is no URL, or one with a user's name in it.
    #[error("it is no URL with a host and without a user")]
    NotAUrl,
    /// It is too long.
    #[error("it has {0} bytes; expected at most {KEY_URL_BYTES_MAX}")]
    TooLong(usize),
    /// Keys that come over a plain connection are whoever's who stands in between.
    #[error("it is not `https`, which only an address of this machine need not be")]
    NotSafe,
}

impl KeyUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, or not a safe one.
    pub fn parse(text: &str) -> Result<Self, KeyUrlError> {
        if text.len() > KEY_URL_BYTES_MAX {
            return Err(KeyUrlError::TooLong(text.len()));
        }
        let uri = Uri::from_str(text).map_err(|_| KeyUrlError::NotAUrl)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host =
            authority.map(|authority| authority.host()).filter(|host| !host.is_empty()).ok_or(KeyUrlError::NotAUrl)?;
        match uri.scheme_str() {
            Some("https") => Ok(Self(uri)),
            Some("http") if is_this_machine(host) => Ok(Self(uri)),
            Some(_) => Err(KeyUrlError::NotSafe),
            None => Err(KeyUrlError::NotAUrl),
        }
    }

    /// The address.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

/// A query may hold a key of its own.
impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUrl({self})")
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme_str().unwrap_or_default(), self.0.authority().map_or("", |at| at.as_str()));
        write!(f, "{scheme}://{host}{}", self.0.path())
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_encryption() {
        for good in ["https://id.example/keys?a=b", "http://127.0.0.1:8000/jwks", "http://[::1]/", "http://localhost/x"]
        {
            assert!(KeyUrl::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["http://id.example/keys", "http://127.0.0.1.example/", "ftp://127.0.0.1/", "http://localhost.example/"]
        {
            assert_eq!(KeyUrl::parse(bad), Err(KeyUrlError::NotSafe), "{bad}");
        }
        for none in ["", "keys", "/keys", "https://", "https://user:secret@id.example/", "https://user@id.example/"] {
            assert_eq!(KeyUrl::parse(none), Err(KeyUrlError::NotAUrl), "{none}");
        }
    }

    #[test]
    fn what_is_printed_leaves_the_query_out() {
        let url = KeyUrl::parse("https://id.example/keys?code=secret").unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://id.example/keys KeyUrl(https://id.example/keys)");
    }
}
