//! Where a service outside answers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use fanfare_protocol::limits::ASK_URL_BYTES_MAX;
use http::Uri;

/// An address of `https`; or of `http`, which is for this machine and, where that is allowed, for private networks. What a name means is
/// only known when it is asked: whoever asks sees to it that a plain connection goes no further.
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
    /// Over a plain connection, everybody on the way could read what is sent and change what is answered.
    #[error("it is not `https`, which only an address of this machine or of a private network need not be")]
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
            Some("http") if may_be_near(host) => Ok(Self(uri)),
            Some(_) => Err(SafeUrlError::NotSafe),
            None => Err(SafeUrlError::NotAUrl),
        }
    }

    /// Whether a plain connection to it may leave this machine.
    #[must_use]
    pub fn is_plain_beyond_this_machine(&self) -> bool {
        let host = self.0.authority().map_or("", |authority| authority.host());
        self.0.scheme_str() == Some("http") && !is_this_machine(host)
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
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// Whether a host may be one of this machine or of a private network. A name may be.
fn may_be_near(host: &str) -> bool {
    address(host).is_none_or(|address| address.is_loopback() || is_private(address))
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is one of a private network (RFC 1918; for IPv6, RFC 4193).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a plain connection may go to an address of anybody's.
    #[test]
    fn without_encryption_only_this_machine_is_asked_and_what_may_be_in_a_private_network() {
        for (good, leaves) in [
            ("https://id.example/keys?a=b", false),
            ("https://192.0.2.1/", false),
            ("http://127.0.0.1:8000/jwks", false),
            ("http://[::1]/", false),
            ("http://LOCALHOST/x", false),
            ("http://app:3000/fanfare", true),
            ("http://id.example/keys", true),
            ("http://127.0.0.1.example/", true),
            ("http://10.1.2.3/", true),
            ("http://[fd00::7]:3000/", true),
        ] {
            let url = SafeUrl::parse(good).unwrap_or_else(|error| panic!("{good}: {error}"));
            assert_eq!(url.is_plain_beyond_this_machine(), leaves, "{good}");
        }
        for bad in ["http://192.0.2.1/", "http://[2001:db8::1]/", "http://169.254.169.254/", "ftp://127.0.0.1/"] {
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
