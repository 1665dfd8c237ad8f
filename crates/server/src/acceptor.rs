//! The loop that accepts from all listeners, on a thread of its own: one thread, whatever their number.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fanfare_tls::Identity;
use nix::libc::{EMFILE, ENFILE};
use socket2::Socket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info};

use crate::acceptor_stats::AcceptorStats;
use crate::admission::{Admission, SocketPermit};
use crate::listener::{Bound, Connected, Connection, Listener};

/// Connections of one listener that are accepted one after the other before anybody looks at the other listeners, or whether they
/// are to close.
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

/// How long a handshake that was begun may take to complete when the listeners close: a round trip, generously.
const LAST_CALL: Duration = Duration::from_millis(500);

/// A socket with its place, on its way to a core.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: Connected,
    pub(crate) permit: SocketPermit,
    /// What its listener shows to clients, if they speak TLS there.
    pub(crate) identity: Option<Arc<Identity>>,
}

/// Owns the listeners; accepts and hands over, until dropped.
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    /// Whose turn it is.
    next: usize,
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
        listeners: Vec<Bound>,
        cores: Vec<mpsc::Sender<Accepted>>,
        admission: Arc<Admission>,
        stats: Arc<AcceptorStats>,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(Bound::registered).collect::<io::Result<_>>()?;
        let (told, impatient_until) = (None, None);
        Ok(Self { listeners, next: 0, cores, admission, stats, told, impatient_until, spare: Spare::new() })
    }

    /// Accepts until `last_call` resolves, then lets no connection begin, accepts those in the queues, and closes.
    ///
    /// Closing a listener resets every connection in its queue. So at the last call it stops answering handshakes first:
    /// a client that comes then sends its SYN again after a second and is refused, as by a node that is gone, while the
    /// handshakes that were begun complete and the queue runs dry. A Unix socket is out of reach at once, by the removal of its file.
    pub(crate) async fn run(mut self, last_call: impl Future<Output = ()>) {
        let mut last_call = std::pin::pin!(last_call);
        loop {
            tokio::select! {
                biased;
                () = &mut last_call => break,
                (listener, accepted) = self.accept() => self.take(listener, accepted).await,
            }
        }
        for listener in &self.listeners {
            if let Err(error) = listener.turn_newcomers_away() {
                debug!(address = %listener.address(), %error, "a listener closes without a last call");
            }
        }
        let end = Instant::now() + LAST_CALL;
        while let Ok((listener, accepted)) = timeout_at(end, self.accept()).await {
            self.take(listener, accepted).await;
        }
    }

    /// The next connection, and the number of its listener.
    async fn accept(&mut self) -> (usize, io::Result<Connection>) {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Listeners take turns: a crowd at one of them keeps nobody at another waiting.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(usize, io::Result<Connection>)> {
        let count = self.listeners.len();
        for number in (self.next..count).chain(0..self.next) {
            if let Poll::Ready(accepted) = self.listeners[number].poll_accept(cx) {
                self.next = (number + 1) % count;
                return Poll::Ready((number, accepted));
            }
        }
        Poll::Pending
    }

    async fn take(&mut self, listener: usize, accepted: io::Result<Connection>) {
        match accepted {
            Ok((socket, peer)) => {
                self.hand_over(listener, socket, peer).await;
                self.take_those_behind(listener).await;
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                let listener = &self.listeners[listener];
                self.stats.errors.add(1);
                if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                    self.told = Some(Instant::now());
                    error!(address = %listener.address(), %error, "accepting connections fails; going on trying");
                }
                // A client whose connection is closed comes back; one whose connection is never accepted waits for ever.
                if is_about_descriptors(&error) && self.spare.drop_one(listener) {
                    self.admission.count_overflow();
                } else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes the connections that wait behind one that was accepted.
    async fn take_those_behind(&mut self, listener: usize) {
        for _ in 0..ACCEPTED_AT_ONCE {
            // The queue is empty, or there is an error that the next ordinary accept meets as well.
            let Ok((socket, peer)) = self.listeners[listener].accept() else { return };
            self.hand_over(listener, socket, peer).await;
        }
    }

    async fn hand_over(&mut self, listener: usize, socket: Socket, peer: Option<SocketAddr>) {
        if let Some(accepted) = self.stats.accepted.get(listener) {
            accepted.add(1);
        }
        let listener = &self.listeners[listener];
        let Some(source) = listener.source(peer, &self.admission) else { return };
        let socket = listener.connected(socket);
        let identity = listener.identity().cloned();
        self.wait_for_a_place().await;
        while self.cores.iter().all(|core| !takes(core)) && self.cores.iter().any(|core| !core.is_closed()) {
            // The kernel's queue holds the rest.
            tokio::time::sleep(LOOK).await;
        }
        // One core that is stuck with a full inbox, or has ended, keeps nobody from the others.
        let cores = &self.cores;
        let permit = match self.admission.open_on(source, |core| cores.get(core).is_some_and(takes)) {
            Ok(permit) => permit,
            Err(reason) => {
                debug!(peer = %source.address, reason = reason.as_str(), "dropped a connection unread");
                return;
            }
        };
        let Some(core) = self.cores.get(permit.core()) else { return };
        match core.try_send(Accepted { socket, permit, identity }) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => info!("a connection arrived after its core had ended"),
            // Only this thread sends, and there was room.
            Err(TrySendError::Full(_)) => {
                debug!(peer = %source.address, "dropped a connection unread: its core takes no more");
            }
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

/// A descriptor that is given up to accept, and close, a connection where the process has no other left. Otherwise those who
/// wait in the kernel's queue would wait for ever.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Accepts one connection and closes it. `false`: there was no spare descriptor, or none waits.
    fn drop_one(&mut self, listener: &Listener) -> bool {
        let had_one = self.0.take().is_some();
        let dropped = had_one && listener.accept().is_ok();
        *self = Self::new();
        dropped
    }
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
mod tests;
