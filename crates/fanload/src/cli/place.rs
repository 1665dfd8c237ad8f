//! Words of the command line that stand for a place or a time.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A URL taken apart, with its host looked up.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) login: Option<(String, String)>,
}

impl Place {
    /// Reads a URL of `scheme`; the scheme may be left out.
    pub(super) fn read(url: &str, scheme: &str) -> Result<Self> {
        let rest = match url.split_once("://") {
            Some((found, rest)) if found == scheme => rest,
            Some((found @ ("https" | "rediss"), _)) => bail!(
                "{url}: {found} is not supported; put load on the listener behind the TLS, or use the k6 scenarios"
            ),
            Some((found, _)) => bail!("{url}: {found} is not supported here, {scheme} is"),
            None => url,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => {
                let (user, password) = login.split_once(':').unwrap_or(("", login));
                let user = if user.is_empty() { "default" } else { user };
                (Some((user.to_owned(), password.to_owned())), host)
            }
            None => (None, authority),
        };
        let port = if scheme == "redis" { 6379 } else { 80 };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let found =
            with_port.to_socket_addrs().with_context(|| format!("{url}: the host {host} cannot be looked up"))?;
        // Several addresses of one name may be IPv4 and IPv6 of the same machine, of which only one may listen.
        let found: Vec<_> = found.collect();
        let v4: Vec<_> = found.iter().copied().filter(SocketAddr::is_ipv4).collect();
        let addresses = if v4.is_empty() { found } else { v4 };
        Ok(Self { addresses, host: host.to_owned(), path: path.to_owned(), login })
    }

    /// The first of its addresses.
    pub(super) fn address(&self, url: &str) -> Result<SocketAddr> {
        self.addresses.first().copied().with_context(|| format!("{url}: the host has no address"))
    }
}

/// Reads `90s`, `10m`, `1h`, `250ms`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time: 90s, 10m, 1h, 250ms"))?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time: ms, s, m, h")),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, scheme: &str) -> String {
        Place::read(url, scheme).unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let place = Place::read("http://127.0.0.1:8080/sub/{channel}?x=1", "http").unwrap();
        assert_eq!(place.addresses, ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!((place.host.as_str(), place.path.as_str()), ("127.0.0.1:8080", "/sub/{channel}?x=1"));
        let redis = Place::read("redis://:secret@127.0.0.1", "redis").unwrap();
        assert_eq!(redis.addresses, ["127.0.0.1:6379".parse().unwrap()]);
        assert_eq!(redis.login, Some(("default".to_owned(), "secret".to_owned())));
        assert_eq!(Place::read("127.0.0.1:99", "feed").unwrap().addresses, ["127.0.0.1:99".parse().unwrap()]);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_the_reason() {
        assert!(refused("https://127.0.0.1", "http").contains("k6"));
        assert!(refused("redis://127.0.0.1", "http").contains("http is"));
        assert!(refused("http://nobody.invalid", "http").contains("nobody.invalid"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        for text in ["", "soon", "5 days", "-1s", "1e400h"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
