//! The listening socket and the loop that accepts from it.
//!
//! One listener and one acceptor thread, without `SO_REUSEPORT`: with it a second process on the same port would
//! succeed without a word and take half of the connections. Without it the bind itself is the probe, and fails.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::{EMFILE, ENFILE, SOCK_CLOEXEC, SOCK_NONBLOCK};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info};

use crate::acceptor_stats::AcceptorStats;
use crate::admission::{Admission, SocketPermit};
use crate::options::SocketOptions;

/// Connections that are accepted one after the other before anybody looks whether the listener is to close.
const ACCEPTED_AT_ONCE: usize = 64;
/// Pause after an accept error that another attempt would only repeat (no file descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between two log lines about such errors, which come and go with every connection that closes.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// How long the acceptor waits for a place where even those for refusals are taken. Who is refused is gone in a moment, so that
/// a crowd that comes at once is told politely, one after the other.
const PLACE_PATIENCE: Duration = Duration::from_millis(50);
/// After it has waited in vain, the acceptor does not wait again for so long: those in the places ask for nothing.
const PLACE_PAUSE: Duration = Duration::from_secs(1);
/// How often it looks while it waits, for a place or for a core.
const LOOK: Duration = Duration::from_millis(1);

/// How long a handshake that was begun may take to complete when the listener closes: a round trip, generously.
const LAST_CALL: Duration = Duration::from_millis(500);

/// A socket with its place, on its way to a core.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    pub(crate) permit: SocketPermit,
}

/// Binds and listens.
///
/// # Errors
/// Those of the operating system; `AddrInUse` when anybody else listens there, with or without `SO_REUSEPORT`.
pub(crate) fn bind(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    // Admits a port whose old connections are in TIME_WAIT, never one with a listener.
    socket.set_reuse_address(true)?;
    set_options(&socket, options)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Set once on the listener: accepted sockets inherit these (Linux copies the whole socket), which saves half a dozen
/// system calls per connection.
fn set_options(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(options.keepalive).with_interval(options.keepalive / 4);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))?;
    socket.set_tcp_notsent_lowat(u32::try_from(options.unsent).unwrap_or(u32::MAX))?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// Accepts and hands over, until dropped.
pub(crate) struct Acceptor {
    listener: tokio::net::TcpListener,
    cores: Vec<mpsc::Sender<Accepted>>,
    admission: Arc<Admission>,
    stats: Arc<AcceptorStats>,
    /// When a failure was last logged.
    told: Option<Instant>,
    /// Until then nothing is waited for where every place is taken.
    impatient_until: Option<Instant>,
    spare: Spare,
}

impl Acceptor {
    pub(crate) fn new(
        listener: TcpListener,
        cores: Vec<mpsc::Sender<Accepted>>,
        admission: Arc<Admission>,
        stats: Arc<AcceptorStats>,
    ) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(Self { listener, cores, admission, stats, told: None, impatient_until: None, spare: Spare::new() })
    }

    /// Accepts until `last_call` resolves, then lets no handshake begin, accepts the connections in the queue, and closes.
    ///
    /// Closing a listener resets every connection in its queue. So at the last call it stops answering handshakes first:
    /// a client that comes then sends its SYN again after a second and is refused, as by a node that is gone, while the
    /// handshakes that were begun complete and the queue runs dry.
    pub(crate) async fn run(mut self, last_call: impl Future<Output = ()>) {
        let mut last_call = std::pin::pin!(last_call);
        loop {
            tokio::select! {
                biased;
                () = &mut last_call => break,
                accepted = self.listener.accept() => self.take(accepted).await,
            }
        }
        if let Err(error) = ignore_handshakes(&self.listener) {
            debug!(%error, "the listener closes without a last call");
        }
        let end = Instant::now() + LAST_CALL;
        while let Ok(accepted) = timeout_at(end, self.listener.accept()).await {
            self.take(accepted).await;
        }
    }

    async fn take(&mut self, accepted: io::Result<(tokio::net::TcpStream, SocketAddr)>) {
        match accepted {
            Ok((socket, peer)) => {
                // Leaves this thread's runtime; the core registers it with its own.
                match socket.into_std() {
                    Ok(socket) => self.hand_over(socket, peer).await,
                    Err(error) => debug!(%error, "dropped an accepted socket"),
                }
                self.take_those_behind().await;
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                self.stats.errors.add(1);
                if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                    self.told = Some(Instant::now());
                    error!(%error, "accepting connections fails; going on trying");
                }
                // A client whose connection is closed comes back; one whose connection is never accepted waits for ever.
                if is_about_descriptors(&error) && self.spare.drop_one(&self.listener) {
                    self.admission.count_overflow();
                } else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes the connections that wait behind one that was accepted. tokio registers each socket with this thread's runtime,
    /// only to take it out again: in a storm that is a good part of accepting.
    async fn take_those_behind(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            // The queue is empty, or there is an error that the next ordinary accept meets as well.
            let Ok((socket, peer)) = accept(&self.listener) else { return };
            if let Some(peer) = peer.as_socket() {
                self.hand_over(socket.into(), peer).await;
            }
        }
    }

    async fn hand_over(&mut self, socket: TcpStream, peer: SocketAddr) {
        self.wait_for_a_place().await;
        while self.cores.iter().all(|core| !takes(core)) && self.cores.iter().any(|core| !core.is_closed()) {
            // The kernel's queue holds the rest.
            tokio::time::sleep(LOOK).await;
        }
        // One core that is stuck with a full inbox, or has ended, keeps nobody from the others.
        let cores = &self.cores;
        let permit = match self.admission.open_on(peer.ip(), |core| cores.get(core).is_some_and(takes)) {
            Ok(permit) => permit,
            Err(reason) => {
                debug!(%peer, reason = reason.as_str(), "dropped a connection unread");
                return;
            }
        };
        let Some(core) = self.cores.get(permit.core()) else { return };
        match core.try_send(Accepted { socket, permit }) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => info!("a connection arrived after its core had ended"),
            // Only this thread sends, and there was room.
            Err(TrySendError::Full(_)) => debug!(%peer, "dropped a connection unread: its core takes no more"),
        }
    }

    /// Waits for a moment where every place is taken, those for refusals included.
    async fn wait_for_a_place(&mut self) {
        if self.admission.has_room() || self.impatient_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let end = Instant::now() + PLACE_PATIENCE;
        while Instant::now() < end {
            tokio::time::sleep(LOOK).await;
            if self.admission.has_room() {
                return;
            }
        }
        self.impatient_until = Some(Instant::now() + PLACE_PAUSE);
    }
}

/// Whether a core takes another socket.
fn takes(core: &mpsc::Sender<Accepted>) -> bool {
    core.capacity() > 0 && !core.is_closed()
}

/// Accepts without registering the socket anywhere.
fn accept(listener: &tokio::net::TcpListener) -> io::Result<(Socket, socket2::SockAddr)> {
    SockRef::from(listener).accept4(SOCK_NONBLOCK | SOCK_CLOEXEC)
}

/// A descriptor that is given up to accept, and close, a connection where the process has no other left. Otherwise those who
/// wait in the kernel's queue would wait for ever.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Accepts one connection and closes it. `false`: there was no spare descriptor, or none waits.
    fn drop_one(&mut self, listener: &tokio::net::TcpListener) -> bool {
        let had_one = self.0.take().is_some();
        let dropped = had_one && accept(listener).is_ok();
        *self = Self::new();
        dropped
    }
}

/// Makes the kernel drop every packet to the listener that has SYN set (byte 13 of the TCP header, bit 1), by a classic
/// BPF program (socket(7), `SO_ATTACH_FILTER`). Accepted sockets inherit it and never see such a packet.
fn ignore_handshakes(listener: &tokio::net::TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// The peer went away before it was accepted, or the network had a hiccup (accept(2), "Error handling").
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkDown | NetworkUnreachable
    )
}

/// The process, or the system, has no descriptor left. Only then does giving up the spare one help.
fn is_about_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    #[test]
    fn a_second_listener_on_the_same_port_fails_loudly_even_with_reuse_port() {
        let first = bind(any(), &SocketOptions::default()).unwrap();
        let taken = first.local_addr().unwrap();
        assert_eq!(bind(taken, &SocketOptions::default()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let sharing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        sharing.set_reuse_port(true).unwrap();
        sharing.set_reuse_address(true).unwrap();
        sharing.bind(&any().into()).unwrap();
        sharing.listen(1).unwrap();
        let shared = sharing.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(bind(shared, &SocketOptions::default()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    /// An acceptor whose inboxes hold so many sockets, and these inboxes.
    fn acceptor(inboxes: &[usize]) -> (Acceptor, Vec<mpsc::Receiver<Accepted>>) {
        let options = crate::options::AdmissionOptions::default();
        let random = fanfare_log::Random::seeded(1);
        let admission = Arc::new(Admission::new(options, inboxes.len(), random, Instant::now()));
        let (cores, inboxes) = inboxes.iter().map(|size| mpsc::channel(*size)).unzip();
        let listener = bind(any(), &SocketOptions::default()).unwrap();
        (Acceptor::new(listener, cores, admission, Arc::default()).unwrap(), inboxes)
    }

    // Seen to wait for ever when a socket is for one core whatever its inbox holds.
    #[tokio::test]
    async fn a_core_that_is_stuck_with_a_full_inbox_keeps_no_connection_from_the_others() {
        let (acceptor, mut inboxes) = acceptor(&[1, 10]);
        let address = acceptor.listener.local_addr().unwrap();
        let _clients: Vec<_> = (0..6).map(|_| TcpStream::connect(address).unwrap()).collect();
        let all_handed_over = async {
            while inboxes[1].len() < 5 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = acceptor.run(std::future::pending()) => {}
            handed_over = tokio::time::timeout(Duration::from_secs(10), all_handed_over) => handed_over.unwrap(),
        }
        assert_eq!(inboxes.iter_mut().map(|inbox| inbox.len()).collect::<Vec<_>>(), [1, 5]);
    }

    // Seen to fail where only its inbox says whether a core takes a socket: the core that has ended is always the emptiest.
    #[tokio::test]
    async fn a_core_that_has_ended_takes_no_connection() {
        let (mut acceptor, mut inboxes) = acceptor(&[10, 10]);
        drop(inboxes.remove(0));
        let address = acceptor.listener.local_addr().unwrap();
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        let accepted = acceptor.listener.accept().await;
        acceptor.take(accepted).await;
        assert_eq!(inboxes[0].len(), 3);
        inboxes.clear();
        let _late = TcpStream::connect(address).unwrap();
        let accepted = acceptor.listener.accept().await;
        tokio::time::timeout(Duration::from_secs(10), acceptor.take(accepted)).await.expect("no core is waited for");
    }

    // Seen to fail where the spare descriptor answers every error.
    #[tokio::test]
    async fn only_the_lack_of_descriptors_costs_somebody_the_connection() {
        let (mut acceptor, _inboxes) = acceptor(&[1]);
        let mut client = TcpStream::connect(acceptor.listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        acceptor.take(Err(io::Error::from_raw_os_error(nix::libc::ENOMEM))).await;
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        acceptor.take(Err(io::Error::from_raw_os_error(EMFILE))).await;
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        acceptor.take(Err(io::Error::from_raw_os_error(nix::libc::ECONNABORTED))).await;
        assert_eq!(acceptor.stats.errors.get(), 2, "a client that left is no error");
    }

    #[tokio::test]
    async fn without_a_descriptor_those_who_wait_are_closed_and_do_not_wait_for_ever() {
        let (mut acceptor, _inboxes) = acceptor(&[1]);
        let mut client = TcpStream::connect(acceptor.listener.local_addr().unwrap()).unwrap();
        assert!(acceptor.spare.drop_one(&acceptor.listener) && acceptor.spare.0.is_some());
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        assert!(!acceptor.spare.drop_one(&acceptor.listener), "nobody waits");
    }

    #[test]
    fn accepted_sockets_inherit_the_options_of_the_listener() {
        let options = SocketOptions { user_timeout: Duration::from_secs(7), ..SocketOptions::default() };
        let listener = bind(any(), &options).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(usize::try_from(socket.tcp_notsent_lowat().unwrap()).unwrap(), options.unsent);
        assert_eq!(socket.tcp_keepalive_time().unwrap(), options.keepalive);
    }
}
