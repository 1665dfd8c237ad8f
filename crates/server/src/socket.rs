//! What a session needs of its socket: the interface behind which a simulation puts one that is made of memory.
//!
//! Everything over it is generic, so that the compiled code for [`TcpStream`] is what it would be without the interface.
//! A session over either kind holds the socket and no word about its kind.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

use crate::silence::Silence;

/// A connected byte stream of which can be asked, without waiting, what it takes and has.
///
/// The methods with `try` fail with [`io::ErrorKind::WouldBlock`] when they would have to wait; after that, and only after
/// that, the `poll` method of the same direction registers the waker.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Waits until there may be something to read, the end included.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether there may be something to read, the end included. While it is `false`, the waker that
    /// [`Socket::poll_read_ready`] registered last is still registered.
    fn may_be_readable(&self) -> bool {
        true
    }

    /// Reads what is there. `Ok(0)`: the peer sends nothing more.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Waits until the socket may take more.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes as much as fits.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes as much of these as fits, in one system call. What was taken is on its way, or is held ([`Socket::poll_drain`]).
    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether it holds bytes that it has taken and that have not left: a part of a record. It takes no others until they have.
    fn holds(&self) -> bool {
        false
    }

    /// Writes what it holds. Ready when that is nothing.
    fn poll_drain(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// From now on this is the socket of a stream, whose client has said all that it has to say.
    fn begin_stream(&self) {}

    /// From now on the kernel leaves it to others to decide when a peer that acknowledges nothing is dead.
    fn lift_user_timeout(&self);

    /// How long the peer has been silent. `None`: the kernel does not say.
    fn silence(&self) -> Option<Silence>;

    /// The peer is a process of this machine: the kernel notices at once that it dies, and says nothing else of it. Whether it takes
    /// anything is known by what can be written.
    fn is_local(&self) -> bool {
        false
    }

    /// What was written and not received yet is thrown away when the socket is dropped, and the peer is told so, as far as sockets
    /// of this kind can.
    fn abandon(&self);

    /// Ends the sending side. It does not matter whether the peer has gone meanwhile.
    fn close_sending_side(&self);
}

/// What the runtime does for its sockets of either kind.
macro_rules! through_the_runtime {
    () => {
        fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Self::poll_read_ready(self, cx)
        }

        fn may_be_readable(&self) -> bool {
            // The runtime takes the waker out only when it sets what this looks at: no lock, no system call.
            self.try_io(Interest::READABLE, || Ok(())).is_ok()
        }

        fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            Self::try_read(self, buffer)
        }

        fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Self::poll_write_ready(self, cx)
        }

        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            Self::try_write(self, bytes)
        }

        fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            match slices {
                // The usual case is one frame. The kernel is then spared the copying of a message header and of the slices.
                [bytes] => Self::try_write(self, bytes),
                _ => {
                    let socket = socket2::SockRef::from(self);
                    self.try_io(Interest::WRITABLE, || socket.send_vectored(slices))
                }
            }
        }
    };
}

impl Socket for TcpStream {
    through_the_runtime!();

    fn lift_user_timeout(&self) {
        // The option exists since Linux 2.6.37; without it there is nothing to lift.
        let _ = socket2::SockRef::from(self).set_tcp_user_timeout(None);
    }

    fn silence(&self) -> Option<Silence> {
        Silence::of(self)
    }

    fn abandon(&self) {
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }

    fn close_sending_side(&self) {
        let _ = socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write);
    }
}

impl Socket for UnixStream {
    through_the_runtime!();

    fn lift_user_timeout(&self) {}

    fn silence(&self) -> Option<Silence> {
        None
    }

    fn is_local(&self) -> bool {
        true
    }

    /// What was written is in the peer's queue already, and stays there.
    fn abandon(&self) {}

    fn close_sending_side(&self) {
        let _ = socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write);
    }
}
