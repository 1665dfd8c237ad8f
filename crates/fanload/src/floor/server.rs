//! The loop of the floor: accept, answer, and write each event to every listener.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::audience::{Audience, CHANNELS_MAX};
use super::feeds::{self, Feeds};
use super::frame::Framing;
use super::gone::Gone;
use super::id::Id;
use super::listen::listen;
use super::session::Session;
use super::socket_outlet::SocketOutlet;
use super::stream_outlet::StreamOutlet;
use super::subscriber::Subscriber;
use crate::transport::bell::Bells;
use crate::transport::identity::Identity;
use crate::transport::socket::Socket;

const LISTENER: Token = Token(0);
const FEED_LISTENER: Token = Token(1);
const FIRST_FEED: usize = 2;
/// Tokens from here on are sockets of subscribers: slots of the audience, or of the connections that it shares.
const FIRST_SOCKET: usize = FIRST_FEED + feeds::MOST;
/// What one read takes from a socket at most.
const READ_BYTES: usize = 256 * 1024;
/// Pause after an `accept` that fails for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the floor speaks.
#[derive(Default)]
pub(super) struct Speech {
    /// TLS, as whom; `None`: cleartext.
    pub(super) tls: Option<Identity>,
    /// HTTP/2 and nothing else; otherwise HTTP/1.1 and nothing else.
    pub(super) http2: bool,
}

/// What a future of the HTTP/2 library was woken for.
#[derive(Clone, Copy)]
enum Woken {
    /// A connection has something to write.
    Session(usize),
    /// The subscriber in this slot has room in its window.
    Stream(usize),
}

/// A bound floor server.
pub(super) struct Server {
    poll: Poll,
    listener: TcpListener,
    /// An `accept` failed for a reason that passes: try again later.
    accept_again: bool,
    feeds: Feeds,
    speech: Speech,
    audience: Audience,
    /// Connections of HTTP/2.
    sessions: Slab<Session>,
    bells: Bells<Woken>,
    buffer: Vec<u8>,
}

impl Server {
    /// Binds both listeners.
    ///
    /// # Errors
    /// Those of the operating system; they name the address.
    pub(super) fn bind(events: SocketAddr, feed: SocketAddr, speech: Speech) -> Result<Self> {
        let poll = Poll::new().context("no epoll")?;
        let mut listener = listen(events).with_context(|| format!("cannot listen on {events}"))?;
        let mut feed_listener = listen(feed).with_context(|| format!("cannot listen on {feed}"))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut feed_listener, FEED_LISTENER, Interest::READABLE)?;
        let framing = if speech.http2 { Framing::Bare } else { Framing::Chunk };
        Ok(Self {
            poll,
            listener,
            accept_again: false,
            feeds: Feeds::new(feed_listener),
            speech,
            audience: Audience::new(Id::at(now_ms()), framing),
            sessions: Slab::new(),
            bells: Bells::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Where subscribers and publishers connect.
    pub(super) fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.listener.local_addr()?, self.feeds.address()?))
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the poll itself fails.
    pub(super) fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let timeout = match (self.feeds.are_unread(), self.accept_again) {
                (true, _) => Some(Duration::ZERO),
                (false, true) => Some(ACCEPT_PAUSE),
                (false, false) => None,
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => bail!("epoll fails: {error}"),
            }
            if self.accept_again {
                self.accept();
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    FEED_LISTENER => self.feeds.accept(FIRST_FEED, self.poll.registry()),
                    Token(token) if token < FIRST_SOCKET => self.feeds.is_readable(token - FIRST_FEED),
                    Token(token) if self.speech.http2 => self.advance(token - FIRST_SOCKET),
                    Token(token) => self.serve(token - FIRST_SOCKET, event.is_readable(), event.is_writable()),
                }
            }
            self.attend();
            (0..feeds::MOST).for_each(|place| self.read_feed(place));
        }
    }

    fn accept(&mut self) {
        self.accept_again = false;
        loop {
            match self.listener.accept() {
                // A socket that cannot be watched or protected is closed.
                Ok((socket, _)) => drop(self.admit(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => {
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn admit(&mut self, socket: TcpStream) -> Result<()> {
        let mut socket = match &self.speech.tls {
            Some(identity) => identity.secure(socket)?,
            None => Socket::Plain(socket),
        };
        let registry = self.poll.registry();
        if self.speech.http2 {
            let entry = self.sessions.vacant_entry();
            let token = Token(FIRST_SOCKET + entry.key());
            registry.register(socket.source(), token, Interest::READABLE | Interest::WRITABLE)?;
            let waker = self.bells.waker(Woken::Session(entry.key()));
            entry.insert(Session::new(socket, waker));
        } else {
            let entry = self.audience.subscribers.vacant_entry();
            let token = Token(FIRST_SOCKET + entry.key());
            entry.insert(Subscriber::with_socket(SocketOutlet::new(socket, token, registry)?));
        }
        Ok(())
    }

    /// Reads some of what a publisher says and writes it out. A publisher that talks nonsense is disconnected.
    fn read_feed(&mut self, place: usize) {
        let Some(mut feed) = self.feeds.take_unread(place) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let open = feed.read(&mut buffer, |channel, data| {
            let exists = channel < CHANNELS_MAX;
            if exists {
                self.audience.publish(channel, data, now_ms(), self.poll.registry());
                // Each event is written before the next one is looked at.
                self.attend();
            }
            exists
        });
        self.buffer = buffer;
        if open {
            self.feeds.put_back(place, feed);
        }
    }

    fn serve(&mut self, slot: usize, readable: bool, writable: bool) {
        let Some(subscriber) = self.audience.subscribers.get_mut(slot) else { return };
        let registry = self.poll.registry();
        let mut alive = true;
        if readable {
            alive = match subscriber.hear(&mut self.buffer, registry) {
                Ok(None) => true,
                Ok(Some(request)) => self.audience.subscribe(slot, &request, registry).is_ok(),
                Err(Gone) => false,
            };
        }
        if alive && writable {
            alive = self.audience.subscribers.get_mut(slot).is_some_and(|subscriber| subscriber.resume().is_ok());
        }
        if !alive {
            self.audience.close(slot);
        }
    }

    /// Polls everything of HTTP/2 that was woken, until all of it waits for something else. Nothing, without HTTP/2.
    fn attend(&mut self) {
        while self.speech.http2 {
            let woken = self.bells.take();
            if woken.is_empty() {
                return;
            }
            for woken in woken {
                match woken {
                    Woken::Session(key) => self.advance(key),
                    Woken::Stream(slot) => self.resume(slot),
                }
            }
        }
    }

    /// Reads and writes what a connection of HTTP/2 can, and answers its requests.
    fn advance(&mut self, key: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Ok(requests) = session.advance() else {
            self.sessions.remove(key);
            self.audience.close_session(key);
            return;
        };
        for asked in requests {
            let Ok((request, stream)) = asked.answer() else { continue };
            let entry = self.audience.subscribers.vacant_entry();
            let slot = entry.key();
            let waker = self.bells.waker(Woken::Stream(slot));
            entry.insert(Subscriber::with_stream(StreamOutlet::new(stream, key, waker)));
            if self.audience.subscribe(slot, &request, self.poll.registry()).is_err() {
                self.audience.close(slot);
            }
        }
    }

    fn resume(&mut self, slot: usize) {
        if let Some(subscriber) = self.audience.subscribers.get_mut(slot)
            && subscriber.resume().is_err()
        {
            self.audience.close(slot);
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
