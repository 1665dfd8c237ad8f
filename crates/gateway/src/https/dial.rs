//! The way to a service.

use std::io;
use std::net::{IpAddr, SocketAddr};

use fanfare_auth::{AskError, is_private};
use fanfare_protocol::limits::ASK_NEXT_ADDRESS;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::silent_addresses::SilentAddresses;

/// How far a question may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Over TLS.
    Anywhere,
    /// Over a plain connection, which leaves neither this machine nor, where that is allowed, a private network, whatever a name means today.
    Plain(PlainHttp),
}

/// Where questions may go over plain connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// This machine.
    ThisMachine,
    /// Addresses of private networks too (RFC 1918, and RFC 4193 for IPv6).
    PrivateNetworks,
}

impl Reach {
    fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Plain(PlainHttp::ThisMachine) => address.is_loopback(),
            Self::Plain(PlainHttp::PrivateNetworks) => address.is_loopback() || is_private(address),
        }
    }
}

/// The addresses of a service that may be asked, those last that did not answer lately.
pub(super) fn usable(
    found: &[IpAddr],
    port: u16,
    reach: Reach,
    silent: &SilentAddresses,
) -> Result<Vec<SocketAddr>, AskError> {
    let within = found.iter().filter(|address| reach.includes(**address));
    let mut addresses: Vec<_> = within.map(|address| SocketAddr::new(*address, port)).collect();
    if addresses.is_empty() {
        let why = match reach {
            Reach::Anywhere => "its name has no address",
            Reach::Plain(PlainHttp::ThisMachine) => "its name is not this machine's, which is asked without TLS only",
            Reach::Plain(PlainHttp::PrivateNetworks) => {
                "its name has no address of this machine or of a private network, which are asked without TLS only"
            }
        };
        return Err(AskError::Failed(why.into()));
    }
    silent.sort(&mut addresses);
    Ok(addresses)
}

/// A connection to one of these addresses: to the first, unless it does not answer at once; then the next is tried as well, and whichever answers
/// first is taken (as in RFC 8305, section 5). Dropping it ends all attempts.
pub(super) async fn dial(addresses: Vec<SocketAddr>, silent: &SilentAddresses) -> Result<TcpStream, AskError> {
    let (mut attempts, mut under_way) = (JoinSet::new(), Vec::new());
    let mut waiting = addresses.into_iter().peekable();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
            under_way.push(address);
        }
        let attempt = tokio::select! {
            attempt = attempts.join_next() => attempt,
            () = sleep(ASK_NEXT_ADDRESS), if waiting.peek().is_some() => continue,
        };
        match attempt {
            Some(Ok((address, Ok(socket)))) => {
                under_way.iter().filter(|other| **other != address).for_each(|other| silent.did_not_answer(*other));
                silent.answered(address);
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Some(Ok((address, Err(error)))) => {
                under_way.retain(|other| *other != address);
                silent.did_not_answer(address);
                last = error;
            }
            Some(Err(error)) => last = error.into(),
            None => return Err(AskError::Failed(format!("no connection: {last}").into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::{Instant, timeout};

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_not_encrypted_goes_no_further_than_it_may_whatever_a_name_means_today() {
        let found = ips(&[
            "203.0.113.1",
            "10.1.2.3",
            "172.32.0.1",
            "192.168.7.7",
            "fd00::1",
            "2001:db8::1",
            "127.0.0.1",
            "::1",
        ]);
        let reached = |reach| {
            let all = usable(&found, 80, reach, &SilentAddresses::default()).unwrap();
            all.into_iter().map(|address| address.ip()).collect::<Vec<_>>()
        };
        assert_eq!(reached(Reach::Plain(PlainHttp::ThisMachine)), ips(&["127.0.0.1", "::1"]));
        let private = ips(&["10.1.2.3", "192.168.7.7", "fd00::1", "127.0.0.1", "::1"]);
        assert_eq!(reached(Reach::Plain(PlainHttp::PrivateNetworks)), private);
        assert_eq!(reached(Reach::Anywhere), found);
        for plain in [PlainHttp::ThisMachine, PlainHttp::PrivateNetworks] {
            let public = ips(&["203.0.113.1", "2001:db8::1", "169.254.169.254"]);
            assert!(usable(&public, 80, Reach::Plain(plain), &SilentAddresses::default()).is_err());
        }
    }

    /// A listener whose queue is full: it answers no further connection, and does not refuse it either.
    async fn mute() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(client) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queue.push(client.unwrap());
            assert!(queue.len() < 16, "the queue of this listener is short");
        }
        (address, listener, queue)
    }

    // Fails when an address is waited for to the end before the next is tried, and when the next question waits for it as well.
    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_one_question_a_moment() {
        let (dead, _listener, _queue) = mute().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let silent = SilentAddresses::default();
        let begin = Instant::now();
        let socket = dial(vec![dead, here], &silent).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), here);
        assert!(begin.elapsed() >= ASK_NEXT_ADDRESS && begin.elapsed() < 4 * ASK_NEXT_ADDRESS, "{:?}", begin.elapsed());
        let mut order = [dead, here];
        silent.sort(&mut order);
        assert_eq!(order, [here, dead], "the next question begins with the other");
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_nothing_and_the_last_error_is_told() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let silent = SilentAddresses::default();
        let begin = Instant::now();
        assert_eq!(dial(vec![gone, here], &silent).await.unwrap().peer_addr().unwrap(), here);
        assert!(begin.elapsed() < ASK_NEXT_ADDRESS, "{:?}", begin.elapsed());
        let error = dial(vec![gone], &silent).await.unwrap_err().to_string();
        assert!(error.starts_with("no connection: "), "{error}");
    }
}
