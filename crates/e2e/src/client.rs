//! An `EventSource`, but for two things: it reconnects only when told, and it remembers everything it saw.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fanfare_oracle::{ConnectionEnd, Dispatch, Gap, Head, Observed, Parsed};

use crate::byte_stream::Origin;
use crate::link::{Link, Next};
use crate::subscribe::Subscribe;
use crate::wait::{PATIENCE, eventually};

/// A connection whose client has vanished.
#[derive(Debug)]
pub struct Vanished(#[allow(dead_code)] Link);

/// One subscriber across any number of connections.
#[derive(Debug)]
pub struct Client {
    subscribe: Subscribe,
    link: Option<Link>,
    last_event_id: String,
    retry: Option<Duration>,
    comments: usize,
    seen: Vec<Observed>,
    /// The stream that ended last was whole, and its connection was closed without a word of TLS.
    ended_unannounced: bool,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(subscribe: Subscribe) -> Self {
        let (last_event_id, seen) = (String::new(), Vec::new());
        Self { subscribe, link: None, last_event_id, retry: None, comments: 0, seen, ended_unannounced: false }
    }

    /// A client that remembers `last_event_id` from an earlier life.
    pub fn remembering(subscribe: Subscribe, last_event_id: &str) -> Self {
        Self { last_event_id: last_event_id.to_owned(), ..Self::new(subscribe) }
    }

    /// Connects and waits for the priming id, from which on the guarantee holds.
    #[track_caller]
    pub fn open(address: SocketAddr, subscribe: Subscribe) -> Self {
        let mut client = Self::new(subscribe);
        client.connect(address).expect("the node accepts");
        client.read_until("the priming id", |client| !client.last_event_id.is_empty());
        client
    }

    /// Occupies the sweeps with which `node` compares the channels that it follows with their streams: a channel opened
    /// after this one waits for its turn for about `redis.reconcile_interval`, where alone it would wait for a 32nd of it.
    /// So that what is seen to arrive earlier came by the way under test.
    #[track_caller]
    pub fn occupying_sweeps(address: SocketAddr) -> Self {
        let names: Vec<String> = (0..64).map(|number| format!("filler-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self::open(address, Subscribe::to_all(&names))
    }

    /// Asks for this from the next connection on.
    pub fn ask(&mut self, subscribe: Subscribe) {
        self.subscribe = subscribe;
    }

    /// Connects, or reconnects with its last event ID, and sends the request. Reads nothing, so that over TLS the handshake is still to come.
    pub fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.disconnect();
        let request = self.subscribe.request(address, &self.last_event_id);
        let origin = Origin {
            source: self.subscribe.source.map(|ip| SocketAddr::new(ip, 0)),
            receive_buffer: self.subscribe.receive_buffer,
            writes_within: None,
            // Whoever asks for a socket of its own kind has it for itself.
            may_share: self.subscribe.source.is_none() && self.subscribe.receive_buffer.is_none(),
        };
        self.link = Some(Link::open(&self.subscribe.transport, origin, address, request.as_bytes())?);
        self.seen.push(Observed::Connected(self.last_event_id.clone()));
        Ok(())
    }

    /// Hangs up, if connected: over HTTP/2 it resets its stream.
    pub fn disconnect(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
            self.seen.push(Observed::Ended(ConnectionEnd::Left));
        }
    }

    /// Hangs up with a TCP reset. Streams of HTTP/2 that share the connection end with it.
    pub fn abort(&mut self) {
        if let Some(link) = self.link.take() {
            link.abort();
            self.seen.push(Observed::Ended(ConnectionEnd::Left));
        }
    }

    /// The channels it subscribes to.
    pub fn channels(&self) -> &[String] {
        &self.subscribe.channels
    }

    /// Whether a stream is open.
    pub fn connected(&self) -> bool {
        self.link.is_some()
    }

    /// What it would send as `Last-Event-ID`.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The reconnection time, if the server has set one.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// How many comments it has received.
    pub fn comments(&self) -> usize {
        self.comments
    }

    /// Everything it saw, in order.
    pub fn seen(&self) -> &[Observed] {
        &self.seen
    }

    /// Forgets what it has seen, for a client that lives long. Its place stays.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// Loses its connection without the server being told: the socket stays open, unread, until the result is dropped. A shared connection
    /// of HTTP/2 goes on, and this stream gives no window.
    pub fn vanish(&mut self) -> Option<Vanished> {
        let link = self.link.take()?;
        self.seen.push(Observed::Ended(ConnectionEnd::Left));
        Some(Vanished(link))
    }

    /// The head of the current response, once it has been read.
    pub fn head(&self) -> Option<&Head> {
        self.link.as_ref()?.head()
    }

    /// Whether the stream that ended last came whole over TLS, and its connection was closed without a `close_notify`. No breach: the last
    /// chunk has told that nothing is missing.
    pub fn ended_unannounced(&self) -> bool {
        self.ended_unannounced
    }

    /// Bytes read on the current connection.
    pub fn bytes(&self) -> u64 {
        self.link.as_ref().map_or(0, |link| link.bytes)
    }

    /// Limits one read of the current connection to so many bytes.
    pub fn limit_reads(&mut self, bytes: usize) {
        self.link.as_mut().expect("connected").read_size = bytes;
    }

    /// Waits until the kernel holds bytes for this client that satisfy `enough`, without reading them. Not over TLS, where they say nothing.
    #[track_caller]
    pub fn wait_unread(&self, what: &str, enough: impl Fn(&[u8]) -> bool) {
        let link = self.link.as_ref().expect("connected");
        eventually(what, || link.peek(Duration::from_secs(1)).ok().filter(|bytes| enough(bytes)));
    }

    /// Events of publishers seen so far.
    pub fn events(&self) -> impl Iterator<Item = &Dispatch> {
        self.seen.iter().filter_map(|observed| if let Observed::Event(event) = observed { Some(event) } else { None })
    }

    /// Data of the events seen so far.
    pub fn data(&self) -> Vec<&str> {
        self.events().map(|event| event.data.as_str()).collect()
    }

    /// Gaps seen so far.
    pub fn gaps(&self) -> Vec<&Gap> {
        self.seen
            .iter()
            .filter_map(|observed| if let Observed::Gap(gap) = observed { Some(gap) } else { None })
            .collect()
    }

    /// The next thing to see; `None` if nothing came `within` the time. Panics when not connected.
    #[track_caller]
    pub fn next(&mut self, within: Duration) -> Option<Observed> {
        let deadline = Instant::now() + within;
        loop {
            let link = self.link.as_mut().expect("connected");
            let observed = match link.next(deadline) {
                Next::Deadline => return None,
                Next::Item(Parsed::Comment(_)) => {
                    self.comments += 1;
                    // Not remembered: an idle hour is not worth a list of heartbeats.
                    return Some(Observed::Comment);
                }
                Next::Item(Parsed::Retry(milliseconds)) => {
                    self.retry = Some(Duration::from_millis(milliseconds));
                    continue;
                }
                Next::Item(Parsed::Place(id)) => {
                    // The blank line after a comment repeats the place; only a change is worth remembering.
                    if id == self.last_event_id {
                        continue;
                    }
                    self.last_event_id.clone_from(&id);
                    Observed::Place(id)
                }
                Next::Item(Parsed::Event(event)) => {
                    self.last_event_id.clone_from(&event.last_event_id);
                    Observed::try_from(event).expect("a $gap that can be read")
                }
                Next::Ended(ending) => {
                    let transport = &self.subscribe.transport;
                    // The end of a stream of HTTP/2 is not that of its connection.
                    let is_whole = ending == ConnectionEnd::Clean && transport.is_tls() && !transport.is_http2();
                    self.ended_unannounced = is_whole && link.ends_unannounced();
                    self.link = None;
                    Observed::Ended(ending)
                }
            };
            self.seen.push(observed.clone());
            return Some(observed);
        }
    }

    /// Reads until `enough`; panics at the deadline or when the stream ends first.
    #[track_caller]
    pub fn read_until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        self.read_until_within(PATIENCE, what, enough);
    }

    /// Like [`read_until`](Self::read_until) with a deadline of the caller's choice.
    #[track_caller]
    pub fn read_until_within(&mut self, within: Duration, what: &str, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + within;
        while !enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(left) {
                Some(Observed::Ended(ending)) => {
                    panic!("the stream ended ({ending:?}) before: {what}\n{}", self.recent())
                }
                Some(_) => {}
                None => panic!("waited {within:?} in vain for: {what}\n{}", self.recent()),
            }
        }
    }

    /// Reads until an event with exactly this data has been seen.
    #[track_caller]
    pub fn read_data(&mut self, data: &str) {
        let from = self.seen.len();
        let is = |observed: &Observed| matches!(observed, Observed::Event(event) if event.data == data);
        self.read_until(&format!("an event with data {data:?}"), |client| client.seen[from..].iter().any(is));
    }

    /// Reads until the server ends the stream and says how.
    #[track_caller]
    pub fn read_ending(&mut self, within: Duration) -> ConnectionEnd {
        let deadline = Instant::now() + within;
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now())) {
                Some(Observed::Ended(ending)) => return ending,
                Some(_) => {}
                None => panic!("the stream did not end within {within:?}\n{}", self.recent()),
            }
        }
    }

    /// The last things seen, for messages.
    pub fn recent(&self) -> String {
        let start = self.seen.len().saturating_sub(8);
        let lines = self.seen[start..].iter().map(|observed| {
            let mut line = format!("  {observed:?}");
            line.truncate(line.floor_char_boundary(300));
            line
        });
        format!("seen {} things, the last of them:\n{}", self.seen.len(), lines.collect::<Vec<_>>().join("\n"))
    }
}
