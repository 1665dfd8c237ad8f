//! The loop of the floor: accept, answer, and write each event to every listener.

use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::channel::{Channel, Frame, Id, chunk};
use super::feed;
use super::request::Request;
use super::subscriber::{Gone, Heard, Membership, Subscriber};

const LISTENER: Token = Token(0);
const FEED_LISTENER: Token = Token(1);
const FIRST_FEED: usize = 2;
/// Feed connections at a time; more are closed at once.
const FEEDS_MAX: usize = 16;
const FIRST_SUBSCRIBER: usize = FIRST_FEED + FEEDS_MAX;
/// Channels that exist, from index 0.
const CHANNELS_MAX: u32 = 1_000_000;
/// Bytes of recent events that are kept for subscribers who come back, over all channels. The newest event of each
/// channel is kept in any case.
const RECENT_MAX: usize = 256 * 1024 * 1024;
/// Connections waiting to be accepted, as Fanfare asks for; the kernel may allow fewer.
const BACKLOG: i32 = 65_535;
/// What one read takes from a socket at most.
const READ_BYTES: usize = 256 * 1024;
/// Reads from one feed connection before the sockets have their turn.
const READS_IN_A_ROW: usize = 8;
/// Pause after an `accept` that fails for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Fanfare's own response head, byte for byte.
pub(super) const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n\
    X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A bound floor server.
pub(super) struct Server {
    poll: Poll,
    listener: TcpListener,
    feed_listener: TcpListener,
    /// An `accept` failed for a reason that passes: try again later.
    accept_again: bool,
    feeds: [Option<Feed>; FEEDS_MAX],
    subscribers: Slab<Subscriber>,
    channels: Vec<Channel>,
    recent_bytes: usize,
    start: Id,
    buffer: Vec<u8>,
}

/// One publisher's connection.
struct Feed {
    socket: TcpStream,
    /// A frame that has not come whole; at most one of those that `feed` accepts, and one read.
    partial: Vec<u8>,
    /// There may be more to read, although the poll will not say so again.
    unread: bool,
}

impl Server {
    /// Binds both listeners.
    ///
    /// # Errors
    /// Those of the operating system; they name the address.
    pub(super) fn bind(listen: SocketAddr, feed: SocketAddr) -> Result<Self> {
        let poll = Poll::new().context("no epoll")?;
        let mut listener = bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let mut feed_listener = bind(feed).with_context(|| format!("cannot listen on {feed}"))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut feed_listener, FEED_LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            feed_listener,
            accept_again: false,
            feeds: [const { None }; FEEDS_MAX],
            subscribers: Slab::new(),
            channels: Vec::new(),
            recent_bytes: 0,
            start: Id::at(now_ms()),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Where subscribers and publishers connect.
    pub(super) fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.listener.local_addr()?, self.feed_listener.local_addr()?))
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the poll itself fails.
    pub(super) fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let timeout = match (self.feeds.iter().flatten().any(|feed| feed.unread), self.accept_again) {
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
                    FEED_LISTENER => self.accept_feeds(),
                    Token(token) if token < FIRST_SUBSCRIBER => {
                        if let Some(feed) = &mut self.feeds[token - FIRST_FEED] {
                            feed.unread = true;
                        }
                    }
                    Token(token) => self.serve(token - FIRST_SUBSCRIBER, event.is_readable(), event.is_writable()),
                }
            }
            for index in 0..FEEDS_MAX {
                if self.feeds[index].as_ref().is_some_and(|feed| feed.unread) {
                    self.read_feed(index);
                }
            }
        }
    }

    fn accept(&mut self) {
        self.accept_again = false;
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    let entry = self.subscribers.vacant_entry();
                    let token = Token(FIRST_SUBSCRIBER + entry.key());
                    if let Ok(subscriber) = Subscriber::new(socket, token, self.poll.registry()) {
                        entry.insert(subscriber);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => {
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn accept_feeds(&mut self) {
        while let Ok((mut socket, _)) = self.feed_listener.accept() {
            let Some(index) = self.feeds.iter().position(Option::is_none) else { continue };
            let token = Token(FIRST_FEED + index);
            if self.poll.registry().register(&mut socket, token, Interest::READABLE).is_ok() {
                self.feeds[index] = Some(Feed { socket, partial: Vec::new(), unread: false });
            }
        }
    }

    /// Reads some of what a publisher says and writes it out. A publisher that talks nonsense is disconnected.
    fn read_feed(&mut self, index: usize) {
        let Some(mut feed) = self.feeds[index].take() else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut open = true;
        for _ in 0..READS_IN_A_ROW {
            match feed.socket.read(&mut buffer) {
                Ok(0) => open = false,
                Ok(count) => open = self.take_frames(&mut feed.partial, &buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    feed.unread = false;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => open = false,
            }
            if !open {
                break;
            }
        }
        self.buffer = buffer;
        if open {
            self.feeds[index] = Some(feed);
        }
    }

    fn take_frames(&mut self, partial: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let joined;
        let mut rest = if partial.is_empty() {
            bytes
        } else {
            partial.extend_from_slice(bytes);
            joined = std::mem::take(partial);
            &joined
        };
        while let Some(published) = feed::next(&mut rest) {
            match published {
                Ok(event) if event.channel < CHANNELS_MAX => self.publish(event.channel, event.data),
                Ok(_) | Err(feed::Malformed) => return false,
            }
        }
        partial.extend_from_slice(rest);
        true
    }

    /// One `write` for each listener, and nothing else.
    fn publish(&mut self, index: u32, data: &[u8]) {
        let now = now_ms();
        let frame = self.append(index, now, data);
        let registry = self.poll.registry();
        let mut gone = Vec::new();
        for &slot in &self.channels[index as usize].listeners {
            if let Some(subscriber) = self.subscribers.get_mut(slot as usize)
                && subscriber.send(&frame, registry).is_err()
            {
                gone.push(slot);
            }
        }
        for slot in gone {
            self.close(slot as usize);
        }
    }

    fn append(&mut self, index: u32, now: u64, data: &[u8]) -> Frame {
        let channel = self.channel(index);
        let frame = channel.append(now, data);
        self.recent_bytes += frame.len();
        while self.recent_bytes > RECENT_MAX {
            let channel = &mut self.channels[index as usize];
            let held = channel.recent_bytes();
            if !channel.forget_oldest() {
                break;
            }
            self.recent_bytes -= held - channel.recent_bytes();
        }
        frame
    }

    fn channel(&mut self, index: u32) -> &mut Channel {
        let index = index as usize;
        while self.channels.len() <= index {
            self.channels.push(Channel::new(self.start));
        }
        &mut self.channels[index]
    }

    fn serve(&mut self, slot: usize, readable: bool, writable: bool) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let mut alive = true;
        if readable {
            match subscriber.hear(&mut self.buffer) {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Subscription(request)) => alive = self.subscribe(slot, &request).is_ok(),
                Ok(Heard::Nonsense) => {
                    let _ = subscriber.open(NOT_FOUND, &Rc::from([]), self.poll.registry());
                    alive = false;
                }
                Err(Gone) => alive = false,
            }
        }
        if alive && writable {
            alive = self.subscribers.get_mut(slot).is_some_and(|subscriber| subscriber.resume().is_ok());
        }
        if !alive {
            self.close(slot);
        }
    }

    /// Answers with the head, the priming id and what was missed, in one write.
    fn subscribe(&mut self, slot: usize, request: &Request) -> Result<(), Gone> {
        if request.channels.iter().any(|&channel| channel >= CHANNELS_MAX) {
            return Err(Gone);
        }
        let mut memberships = Vec::with_capacity(request.channels.len());
        for &index in &request.channels {
            let listeners = &mut self.channel(index).listeners;
            memberships.push(Membership { channel: index, place: listeners.len() as u32 });
            listeners.push(slot as u32);
        }
        // A place is an id of one channel: streams of several start now.
        let resume = request.resume.as_deref().and_then(Id::parse).filter(|_| request.channels.len() == 1);
        let channel = self.channel(request.channels[0]);
        let (place, missed) = match resume {
            Some(position) => (position, channel.missed_after(position)),
            None => (channel.head, Rc::from([])),
        };
        let prelude = [HEAD, &chunk(format!("retry: 2000\nid: {place}\n\n").as_bytes())].concat();
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return Ok(()) };
        subscriber.memberships = memberships;
        subscriber.open(&prelude, &missed, self.poll.registry())
    }

    /// Forgets a connection. Dropping its socket closes it and ends its registration.
    fn close(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.try_remove(slot) else { return };
        for membership in subscriber.memberships {
            let listeners = &mut self.channels[membership.channel as usize].listeners;
            listeners.swap_remove(membership.place as usize);
            let Some(&moved) = listeners.get(membership.place as usize) else { continue };
            let last = listeners.len() as u32;
            let memberships = self.subscribers.get_mut(moved as usize).map(|subscriber| &mut subscriber.memberships);
            let theirs = memberships.into_iter().flatten();
            for theirs in theirs.filter(|each| each.channel == membership.channel && each.place == last) {
                theirs.place = membership.place;
            }
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
