//! Where a listener is: an address of a network, or a path of this machine.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fanfare_protocol::limits::SOCKET_PATH_BYTES_MAX;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port. Port 0 picks a free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket, from the root. Abstract sockets, which have no path, are not supported: they have no
    /// permissions either.
    Unix(PathBuf),
}

/// Neither an IP address with a port nor `unix:` with an absolute path that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an IP address and a port, such as 127.0.0.1:8080 or [::]:8080, or a Unix socket, such as \
     unix:/run/fanfare/fanfare.sock, whose path has at most {SOCKET_PATH_BYTES_MAX} bytes"
)]
pub struct ListenAddressError;

impl ListenAddress {
    /// The IP address and port, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Whether no two listeners can be at these: they are the same, or one is all addresses of the other's port. (`[::]` is those of
    /// IPv4, too.) One path that is written in two ways is not seen here, but when the second one is bound.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => (one, other),
            (Self::Unix(one), Self::Unix(other)) => return one == other,
            _ => return false,
        };
        let is_all_of = |all: &SocketAddr, one: &SocketAddr| {
            all.ip().is_unspecified() && (all.is_ipv6() || one.ip().to_canonical().is_ipv4())
        };
        one.port() == other.port()
            && one.port() != 0
            && (one.ip().to_canonical() == other.ip().to_canonical() || is_all_of(one, other) || is_all_of(other, one))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp).map_err(|_| ListenAddressError);
        };
        let fits = path.len() <= SOCKET_PATH_BYTES_MAX && !path.contains('\0');
        let is_file = path.starts_with('/') && !path.ends_with('/');
        if fits && is_file { Ok(Self::Unix(path.into())) } else { Err(ListenAddressError) }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_prints_as_it_is_read_and_what_is_none_is_refused() {
        for text in ["127.0.0.1:80", "[::1]:0", "[::]:65535", "unix:/run/fanfare.sock", "unix:/a b/ü"] {
            assert_eq!(parse(text).to_string(), text);
        }
        let longest = format!("unix:/{}", "x".repeat(SOCKET_PATH_BYTES_MAX - 1));
        assert!(parse(&longest).path().is_some());
        let too_long = format!("{longest}x");
        for wrong in ["", "8080", "localhost:80", "::1:80", "unix:", "unix:run", "unix:/", "unix:/run/", "unix:@name"] {
            assert_eq!(wrong.parse::<ListenAddress>(), Err(ListenAddressError), "{wrong}");
        }
        for wrong in ["unix:/a\0", &too_long] {
            assert_eq!(wrong.parse::<ListenAddress>(), Err(ListenAddressError), "{wrong}");
        }
    }

    #[test]
    fn all_addresses_of_a_port_are_each_of_them() {
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "[::]:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("unix:/a", "unix:/a"),
        ] {
            assert!(parse(one).overlaps(&parse(other)) && parse(other).overlaps(&parse(one)), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("0.0.0.0:80", "[::1]:80"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("unix:/a", "unix:/b"),
            ("unix:/a", "127.0.0.1:80"),
        ] {
            assert!(!parse(one).overlaps(&parse(other)) && !parse(other).overlaps(&parse(one)), "{one} {other}");
        }
    }
}
