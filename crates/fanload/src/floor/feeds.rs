//! Connections of publishers.

use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::feed;

/// Connections at a time; more are closed at once.
pub(super) const MOST: usize = 16;
/// Reads from one connection before the sockets have their turn.
const READS_IN_A_ROW: usize = 8;

/// The connections of all publishers.
pub(super) struct Feeds {
    listener: TcpListener,
    open: [Option<Feed>; MOST],
}

/// One publisher's connection.
pub(super) struct Feed {
    socket: TcpStream,
    /// A frame that has not come whole; at most one of those that `feed` accepts, and one read.
    partial: Vec<u8>,
    /// There may be more to read, although the poll will not say so again.
    unread: bool,
}

impl Feeds {
    /// Those of a listener that is being watched.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, open: [const { None }; MOST] }
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts all connections that wait; the connection in place `n` is watched as token `first + n`.
    pub(super) fn accept(&mut self, first: usize, registry: &Registry) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let Some(place) = self.open.iter().position(Option::is_none) else { continue };
            if registry.register(&mut socket, Token(first + place), Interest::READABLE).is_ok() {
                self.open[place] = Some(Feed { socket, partial: Vec::new(), unread: false });
            }
        }
    }

    /// The poll says that one can be read.
    pub(super) fn is_readable(&mut self, place: usize) {
        if let Some(feed) = &mut self.open[place] {
            feed.unread = true;
        }
    }

    /// Whether any has something to read.
    pub(super) fn are_unread(&self) -> bool {
        self.open.iter().flatten().any(|feed| feed.unread)
    }

    /// Takes one out of its place if it has something to read.
    pub(super) fn take_unread(&mut self, place: usize) -> Option<Feed> {
        self.open[place].take_if(|feed| feed.unread)
    }

    pub(super) fn put_back(&mut self, place: usize, feed: Feed) {
        self.open[place] = Some(feed);
    }
}

impl Feed {
    /// Reads some of what the publisher says, and calls `publish` with the channel and the data of each event; it says
    /// whether there is such a channel. `false`: the connection is over, or talks nonsense.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut publish: impl FnMut(u32, &[u8]) -> bool) -> bool {
        for _ in 0..READS_IN_A_ROW {
            let open = match self.socket.read(buffer) {
                Ok(0) => false,
                Ok(count) => self.take_frames(&buffer[..count], &mut publish),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unread = false;
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => true,
                Err(_) => false,
            };
            if !open {
                return false;
            }
        }
        true
    }

    fn take_frames(&mut self, bytes: &[u8], publish: &mut impl FnMut(u32, &[u8]) -> bool) -> bool {
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        while let Some(published) = feed::next(&mut rest) {
            let Ok(event) = published else { return false };
            if !publish(event.channel, event.data) {
                return false;
            }
        }
        self.partial.extend_from_slice(rest);
        true
    }
}
