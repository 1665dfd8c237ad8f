//! Where a service outside answers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use fanfare_protocol::limits::ASK_URL_BYTES_MAX;
use http::Uri;

/// An address of `https`, or of `http` on this machine, where nobody is in between.
#[derive(Clone, PartialEq, Eq)]
pub struct SafeUrl(Uri);

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SafeUrlError {
    /// It is no URL, or one with a user's name in it.
    #[error("it is no URL with a host and without a user")]
    NotAUrl,
    /// It is too long.
    #[error("it has {0} bytes; expected at most {ASK_URL_BYTES_MAX}")]
    TooLong(usize),
    /// What comes over a plain connection is whoever's who stands in between.
    #[error("it is not `https`, which only an address of this machine need not be")]
    NotSafe,
}

impl SafeUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, or not a safe one.
    pub fn parse(text: &str) -> Result<Self, SafeUrlError> {
        if text.len() > ASK_URL_BYTES_MAX {
            return Err(SafeUrlError::TooLong(text.len()));
        }
        let uri = Uri::from_str(text).map_err(|_| SafeUrlError::NotAUrl)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host =
            authority.map(|authority| authority.host()).filter(|host| !host.is_empty()).ok_or(SafeUrlError::NotAUrl)?;
        match uri.scheme_str() {
            Some("https") => Ok(Self(uri)),
            Some("http") if is_this_machine(host) => Ok(Self(uri)),
            Some(_) => Err(SafeUrlError::NotSafe),
            None => Err(SafeUrlError::NotAUrl),
        }
    }

    /// The address.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

/// A query may hold a key of its own.
impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeUrl({self})")
    }
}

impl fmt::Display for SafeUrl {
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
            assert!(SafeUrl::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["http://id.example/keys", "http://127.0.0.1.example/", "ftp://127.0.0.1/", "http://localhost.example/"]
        {
            assert_eq!(SafeUrl::parse(bad), Err(SafeUrlError::NotSafe), "{bad}");
        }
        for none in ["", "keys", "/keys", "https://", "https://user:secret@id.example/", "https://user@id.example/"] {
            assert_eq!(SafeUrl::parse(none), Err(SafeUrlError::NotAUrl), "{none}");
        }
    }

    #[test]
    fn what_is_printed_leaves_the_query_out() {
        let url = SafeUrl::parse("https://id.example/keys?code=secret").unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://id.example/keys SafeUrl(https://id.example/keys)");
    }
}
