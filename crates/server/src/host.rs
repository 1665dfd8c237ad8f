//! The `Host` of a request (RFC 9112 section 3.2). Over HTTP/2 it is `:authority` (RFC 9113 section 8.3.1).

use http::Version;
use http::header::{self, HeaderMap};

use crate::problem::{Kind, Problem};

/// Refuses a request that names several hosts, none in HTTP/1.1 and HTTP/2, or what cannot be one: a proxy in front might have taken it for
/// another host's.
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Err(wrong("An HTTP/1.1 request has a `Host` header.")),
        (None, _) if version == Version::HTTP_2 => Err(wrong("An HTTP/2 request has an `:authority`.")),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(wrong("A request has one `Host` header.")),
        (Some(host), None) if host.as_bytes().iter().copied().all(may_stand_in_a_host) => Ok(()),
        (Some(_), None) => Err(wrong("`Host` is a host, with a port if it needs one.")),
    }
}

fn wrong(detail: &'static str) -> Problem {
    Problem::new(Kind::InvalidRequest, detail)
}

/// The characters of `uri-host [ ":" port ]` (RFC 3986 section 3.2.2): unreserved ones, escapes, sub-delimiters, brackets, `:`.
const fn may_stand_in_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'[' | b']' | b':')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_good(version: Version, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        check(version, &headers).is_ok()
    }

    #[test]
    fn http_1_1_names_one_host_and_http_1_0_at_most_one() {
        for host in ["", "a", "a.example:8080", "192.0.2.1", "[2001:db8::1]:80", "my_service", "%C3%A9.example"] {
            assert!(is_good(Version::HTTP_11, &[host]) && is_good(Version::HTTP_10, &[host]), "{host}");
        }
        assert!(is_good(Version::HTTP_10, &[]) && !is_good(Version::HTTP_11, &[]));
        for hosts in [&["a", "a"][..], &["a", "b"], &["a", ""]] {
            assert!(!is_good(Version::HTTP_11, hosts) && !is_good(Version::HTTP_10, hosts), "{hosts:?}");
        }
        for wrong in ["a b", "a, b", "a/b", "me@a", "http://a", "a?b", "a#b", "a\tb"] {
            assert!(!is_good(Version::HTTP_11, &[wrong]), "{wrong}");
        }
    }
}
