//! The loop of the floor: accept, answer, and write each event to every listener.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::channel::Channel;
use super::feeds::{self, Feeds};
use super::frame::{Frame, chunk};
use super::id::Id;
use super::listen::listen;
use super::request::Request;
use super::subscriber::{Gone, Heard, Membership, Subscriber};

const LISTENER: Token = Token(0);
const FEED_LISTENER: Token = Token(1);
const FIRST_FEED: usize = 2;
const FIRST_SUBSCRIBER: usize = FIRST_FEED + feeds::MOST;
/// Channels that exist, from index 0.
const CHANNELS_MAX: u32 = 1_000_000;
/// Bytes of recent events that are kept for subscribers who come back, over all channels. The newest event of each
/// channel is kept in any case.
const RECENT_MAX: usize = 256 * 1024 * 1024;
/// What one read takes from a socket at most.
const READ_BYTES: usize = 256 * 1024;
/// Pause after an `accept` that fails for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Fanfare's own response head, byte for byte.
pub(super) const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store, no-transform\r\n\
    X-Accel-Buffering: no\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A bound floor server.
pub(super) struct Server {
    poll: Poll,
    listener: TcpListener,
    /// An `accept` failed for a reason that passes: try again later.
    accept_again: bool,
    feeds: Feeds,
    subscribers: Slab<Subscriber>,
    channels: Vec<Channel>,
    recent_bytes: usize,
    start: Id,
    buffer: Vec<u8>,
}

impl Server {
    /// Binds both listeners.
    ///
    /// # Errors
    /// Those of the operating system; they name the address.
    pub(super) fn bind(events: SocketAddr, feed: SocketAddr) -> Result<Self> {
        let poll = Poll::new().context("no epoll")?;
        let mut listener = listen(events).with_context(|| format!("cannot listen on {events}"))?;
        let mut feed_listener = listen(feed).with_context(|| format!("cannot listen on {feed}"))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut feed_listener, FEED_LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            accept_again: false,
            feeds: Feeds::new(feed_listener),
            subscribers: Slab::new(),
            channels: Vec::new(),
            recent_bytes: 0,
            start: Id::at(now_ms()),
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
                    Token(token) if token < FIRST_SUBSCRIBER => self.feeds.is_readable(token - FIRST_FEED),
                    Token(token) => self.serve(token - FIRST_SUBSCRIBER, event.is_readable(), event.is_writable()),
                }
            }
            (0..feeds::MOST).for_each(|place| self.read_feed(place));
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

    /// Reads some of what a publisher says and writes it out. A publisher that talks nonsense is disconnected.
    fn read_feed(&mut self, place: usize) {
        let Some(mut feed) = self.feeds.take_unread(place) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let open = feed.read(&mut buffer, |channel, data| {
            let exists = channel < CHANNELS_MAX;
            if exists {
                self.publish(channel, data);
            }
            exists
        });
        self.buffer = buffer;
        if open {
            self.feeds.put_back(place, feed);
        }
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
        let mut blocks = format!("retry: 2000\nid: {place}\n\n");
        if request.resume.is_none() {
            blocks += &ready(place, &request.names);
        }
        let prelude = [HEAD, &chunk(blocks.as_bytes())].concat();
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

/// What a node says to clients that bring no position. The names of this tool need no escapes.
fn ready(place: Id, names: &[String]) -> String {
    let names = names.join("\",\"");
    format!("event: $ready\ndata: {{\"position\":\"{place}\",\"channels\":[\"{names}\"]}}\nid: {place}\n\n")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
