//! The way to a service.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fanfare_auth::AskError;
use fanfare_protocol::limits::ASK_ADDRESSES_MAX;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Whose addresses will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Anybody,
    /// What goes over a plain connection does not leave this machine, whatever a name means today.
    ThisMachine,
}

/// A connection to the first address of a host that answers. Each gets an equal part of `patience`, so that one which never answers leaves time
/// for the others. The look at the name is not part of it.
pub(super) async fn dial(host: &str, port: u16, reach: Reach, patience: Duration) -> Result<TcpStream, AskError> {
    let found = lookup_host((host, port)).await.map_err(|error| failed("its name cannot be resolved", &error))?;
    let addresses = usable(found, reach)?;
    let share = patience / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(failed("no connection", &last))
}

fn usable(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> Result<Vec<SocketAddr>, AskError> {
    let is_usable = |address: &SocketAddr| reach == Reach::Anybody || address.ip().is_loopback();
    let addresses: Vec<_> = found.filter(is_usable).take(ASK_ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        let why = match reach {
            Reach::Anybody => "its name has no address",
            Reach::ThisMachine => "its name is not this machine's, which is asked without TLS only",
        };
        return Err(AskError::Failed(why.into()));
    }
    Ok(addresses)
}

fn failed(what: &str, error: &io::Error) -> AskError {
    AskError::Failed(format!("{what}: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_means_somebody_else_now_is_not_asked_without_tls() {
        let here: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let there: SocketAddr = "192.0.2.1:80".parse().unwrap();
        assert_eq!(usable([there, here].into_iter(), Reach::ThisMachine), Ok(vec![here]));
        assert_eq!(usable([there, here].into_iter(), Reach::Anybody), Ok(vec![there, here]));
        assert!(usable([there].into_iter(), Reach::ThisMachine).is_err());
    }

    #[test]
    fn a_name_of_a_thousand_addresses_is_tried_at_a_few() {
        let here: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let all = std::iter::repeat_n(here, 1_000);
        assert_eq!(usable(all, Reach::Anybody).map(|all| all.len()), Ok(ASK_ADDRESSES_MAX));
    }
}
