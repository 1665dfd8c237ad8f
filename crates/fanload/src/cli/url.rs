//! URLs on the command line.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};

/// A URL taken apart, with its host looked up.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) login: Option<(String, String)>,
    /// Whether it is reached over TLS.
    pub(super) tls: bool,
}

impl Url {
    /// Reads a URL of `scheme`; the scheme may be left out. Where that is `http`, `https` may be said instead if `or_tls`.
    pub(super) fn read(url: &str, scheme: &str, or_tls: bool) -> Result<Self> {
        let tls = or_tls && scheme == "http" && url.starts_with("https://");
        let scheme = if tls { "https" } else { scheme };
        let rest = match url.split_once("://") {
            Some((found, rest)) if found == scheme => rest,
            Some((found @ ("https" | "rediss"), _)) => {
                bail!("{url}: {found} is not supported here; only --target is reached over TLS")
            }
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
        let port = match scheme {
            "redis" => 6379,
            "https" => 443,
            _ => 80,
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let found =
            with_port.to_socket_addrs().with_context(|| format!("{url}: the host {host} cannot be looked up"))?;
        // Several addresses of one name may be IPv4 and IPv6 of the same machine, of which only one may listen.
        let found: Vec<_> = found.collect();
        let v4: Vec<_> = found.iter().copied().filter(SocketAddr::is_ipv4).collect();
        let addresses = if v4.is_empty() { found } else { v4 };
        Ok(Self { addresses, host: host.to_owned(), path: path.to_owned(), login, tls })
    }

    /// The first of its addresses.
    pub(super) fn address(&self, url: &str) -> Result<SocketAddr> {
        self.addresses.first().copied().with_context(|| format!("{url}: the host has no address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, scheme: &str) -> String {
        Url::read(url, scheme, false).unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let http = Url::read("http://127.0.0.1:8080/sub/{channel}?x=1", "http", true).unwrap();
        assert_eq!(http.addresses, ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!((http.host.as_str(), http.path.as_str()), ("127.0.0.1:8080", "/sub/{channel}?x=1"));
        assert!(!http.tls);
        let https = Url::read("https://127.0.0.1", "http", true).unwrap();
        assert_eq!((https.addresses, https.tls), (vec!["127.0.0.1:443".parse().unwrap()], true));
        let redis = Url::read("redis://:secret@127.0.0.1", "redis", false).unwrap();
        assert_eq!(redis.addresses, ["127.0.0.1:6379".parse().unwrap()]);
        assert_eq!(redis.login, Some(("default".to_owned(), "secret".to_owned())));
        assert_eq!(Url::read("127.0.0.1:99", "feed", false).unwrap().addresses, ["127.0.0.1:99".parse().unwrap()]);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_the_reason() {
        assert!(refused("https://127.0.0.1", "http").contains("--target"));
        assert!(refused("redis://127.0.0.1", "http").contains("http is"));
        assert!(refused("http://nobody.invalid", "http").contains("nobody.invalid"));
    }
}
