//! Whether a peer has vanished without a word, takes nothing, or only takes its time.
//!
//! To `TCP_USER_TIMEOUT` the first two are the same: Linux ends a connection whose receive window has been shut for so long even
//! though the peer answers every probe of it (`tcp_probe_timer` in net/ipv4/tcp_timer.c). But the kernel knows the
//! difference, and tells it by `TCP_INFO` (tcp(7)): a peer that is there acknowledges what it is asked, and to a peer that takes
//! something the kernel sends something.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};

/// Questions in a row that a peer must have left unanswered to be gone: one answer may be lost, and the last question may
/// still be on its way.
const QUESTIONS: u32 = 3;

/// What the kernel has not heard of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Since the peer last acknowledged anything.
    pub lasts: Duration,
    /// What the peer was asked since and has not answered: segments that were sent again, and probes of a window that is
    /// shut. The kernel asks at least every two minutes while anything is left to send.
    pub unanswered: u32,
    /// For how long nothing that waits for the peer could be sent, new or again. Zero where nothing has waited long enough for the
    /// kernel to ask whether the window is still shut.
    pub stuck: Duration,
}

impl Silence {
    /// What the kernel says of a TCP socket. `None`: it says nothing.
    pub(crate) fn of(socket: &impl AsFd) -> Option<Self> {
        let info = getsockopt(&socket.as_fd(), TcpInfo).ok()?;
        let milliseconds = |offset: usize| {
            let number = info.get(offset..)?.first_chunk()?;
            Some(Duration::from_millis(u32::from_ne_bytes(*number).into()))
        };
        let is_asking = info[BACKOFF] > 0;
        Some(Self {
            lasts: milliseconds(LAST_ACK)?,
            unanswered: u32::from(info[RETRANSMITS]) + u32::from(info[PROBES]),
            stuck: if is_asking { milliseconds(LAST_DATA_SENT)? } else { Duration::ZERO },
        })
    }

    /// Whether the peer has vanished: nothing was heard of it for `timeout`, and not for want of asking.
    #[must_use]
    pub fn is_death(self, timeout: Duration) -> bool {
        self.lasts >= timeout && self.unanswered >= QUESTIONS
    }

    /// Whether the peer has taken nothing for `limit`, although something waits for it. `None`: it may for ever.
    #[must_use]
    pub fn is_stall(self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| self.stuck >= limit)
    }
}

sockopt_impl!(
    /// The first bytes of `struct tcp_info` (linux/tcp.h). Newer kernels have added fields at its end only.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u8; LAST_ACK + size_of::<u32>()]
);

/// Offset of `tcpi_retransmits`: timeouts of the oldest segment on its way since one was acknowledged.
const RETRANSMITS: usize = 2;
/// Offset of `tcpi_probes`: probes since anything was acknowledged.
const PROBES: usize = 3;
/// Offset of `tcpi_backoff`: how often the wait between two retransmissions, or two probes of a window that is shut, has been
/// doubled. Nought as soon as the peer takes what waits, and where nothing does.
const BACKOFF: usize = 4;
/// Offset of `tcpi_last_data_sent`, in milliseconds. A probe of a window that is shut carries no data.
const LAST_DATA_SENT: usize = 8 + 9 * size_of::<u32>();
/// Offset of `tcpi_last_ack_recv`, in milliseconds: eight bytes and twelve numbers stand before it.
const LAST_ACK: usize = 8 + 12 * size_of::<u32>();

#[cfg(test)]
mod tests {
    use socket2::{SockFilter, SockRef};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep, timeout};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    #[test]
    fn only_who_was_asked_again_and_again_in_vain_is_dead() {
        let minute = Duration::from_secs(60);
        let silence =
            |seconds, unanswered| Silence { lasts: Duration::from_secs(seconds), unanswered, stuck: Duration::ZERO };
        assert!(silence(60, 3).is_death(minute));
        assert!(!silence(59, 30).is_death(minute), "there is time left");
        assert!(!silence(1000, 2).is_death(minute), "the second answer may be on its way");
    }

    // Seen to fail with the offsets of retransmissions and of the last acknowledgement moved by one field. (That of the probes is
    // seen by the tests of sessions whose clients read nothing.)
    #[tokio::test]
    async fn the_kernel_counts_what_a_peer_does_not_answer_and_forgets_it_when_it_does() {
        let (mut client, mut server) = pair().await;
        let quiet = Silence::of(&server).unwrap();
        assert_eq!(quiet.unanswered, 0);
        assert!(quiet.lasts < Duration::from_secs(60), "{quiet:?}");
        // The client's kernel throws away whatever arrives (a program that returns 0: socket(7), SO_ATTACH_FILTER).
        SockRef::from(&client).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]).unwrap();
        server.write_all(b"is anybody there").await.unwrap();
        let asked_often = async {
            loop {
                sleep(Duration::from_millis(10)).await;
                let silence = Silence::of(&server).unwrap();
                // More than the state beside it, in the same structure, can be.
                if silence.unanswered >= 5 {
                    return silence;
                }
            }
        };
        let silent = timeout(Duration::from_secs(60), asked_often).await.expect("asked again and again");
        // The waits between questions grow, from a fifth of a second.
        assert!(silent.lasts > quiet.lasts + Duration::from_millis(500), "{quiet:?} {silent:?}");
        SockRef::from(&client).detach_filter().unwrap();
        let mut heard = [0; 16];
        client.read_exact(&mut heard).await.unwrap();
        while Silence::of(&server).unwrap().unanswered > 0 {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(Silence::of(&server).unwrap().lasts < silent.lasts);
    }
}
