//! A whole node over the in-process store, and a client that sends and reads raw bytes.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test file uses its part; in a test a surprise is a failure.

pub mod authority;
pub mod by_certificate;

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Archive, Assembly, Hub, PublishRequest, Random, assemble};
use fanfare_protocol::{ChannelName, EntryId, Event};
use fanfare_server::{Clock, Core, CoreStats, DeliveryOptions, Options, Server, StoreHandles};
use socket2::Socket;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Node {
    pub server: Option<Server>,
    pub store: MemoryStore,
    stop: Option<oneshot::Sender<()>>,
    ingest: Option<JoinHandle<()>>,
}

impl Node {
    pub fn start(change: impl FnOnce(&mut Options)) -> Self {
        Self::with(change, DeliveryOptions::default())
    }

    pub fn with(change: impl FnOnce(&mut Options), delivery: DeliveryOptions) -> Self {
        Self::on(MemoryStore::default(), change, delivery, |_, _| {})
    }

    /// A node on a store, whose options may know of its logs.
    pub fn on(
        store: MemoryStore,
        change: impl FnOnce(&mut Options),
        delivery: DeliveryOptions,
        wire: impl FnOnce(&mut Options, &Arc<Hub>),
    ) -> Self {
        let history = store.clone();
        Self::with_history(store, history, change, delivery, wire)
    }

    /// The same, and history is read from this archive.
    pub fn with_history(
        store: MemoryStore,
        history: impl Archive,
        change: impl FnOnce(&mut Options),
        delivery: DeliveryOptions,
        wire: impl FnOnce(&mut Options, &Arc<Hub>),
    ) -> Self {
        Self::with_log(fanfare_log::Options::default(), (store, history), change, delivery, wire)
    }

    /// The same, with other bounds of the log.
    pub fn with_log(
        bounds: fanfare_log::Options,
        (store, history): (MemoryStore, impl Archive),
        change: impl FnOnce(&mut Options),
        delivery: DeliveryOptions,
        wire: impl FnOnce(&mut Options, &Arc<Hub>),
    ) -> Self {
        let mut options =
            Options { listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], cores: 2, ..Options::default() };
        options.drain.window = Duration::from_millis(200);
        options.drain.quiet = Duration::from_millis(100);
        change(&mut options);
        let log = assemble(bounds, options.core_count(), Random::from_entropy());
        let hub = Arc::clone(&log.hub);
        wire(&mut options, &hub);
        let (stop, stopped) = oneshot::channel::<()>();
        let ingest = std::thread::spawn({
            let store = store.clone();
            move || run_ingest(store, log, stopped)
        });
        let make_core = move |core| {
            let (stats, random) = (Arc::new(CoreStats::default()), Random::from_entropy());
            Core::new(Arc::clone(&hub), core, delivery.clone(), stats, Clock::system(), random)
        };
        let handles = StoreHandles::new(history, store.clone());
        let server = Server::start(options, handles, Random::from_entropy(), make_core).unwrap();
        Self { server: Some(server), store, stop: Some(stop), ingest: Some(ingest) }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.server().tcp_address().unwrap()
    }

    pub fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address()).unwrap())
    }

    /// Connects and sends.
    pub fn send(&self, request: impl AsRef<[u8]>) -> Client {
        let mut client = self.connect();
        client.send(request);
        client
    }

    pub fn publish(&self, name: &str, data: &str) -> EntryId {
        let event = Event { name: None, data: Bytes::copy_from_slice(data.as_bytes()) };
        let channel = ChannelName::parse(name).unwrap();
        let request = PublishRequest { channel, event, dedup: None, max_len: None, ttl: None };
        self.store.publish_now(&request).unwrap().id
    }

    /// Waits until so many sessions are open.
    pub fn await_sessions(&self, wanted: usize) {
        let admission = self.server().admission();
        eventually(&format!("{wanted} sessions"), || admission.sessions() == wanted);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.server.take());
        drop(self.stop.take());
        self.ingest.take().map(JoinHandle::join);
    }
}

fn run_ingest(store: MemoryStore, log: Assembly, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let attachment = store.attach(log.desired, log.sink);
        tokio::select! {
            () = log.ingest.run(store, async { drop(stopped.await) }) => {}
            () = attachment.run() => {}
        }
    });
}

/// Compares with a file that is kept in the repository. Its path is relative to this crate.
pub fn assert_golden(path: &str, actual: &str) {
    if std::env::var_os("FANFARE_UPDATE_GOLDEN").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(expected, actual, "{path} is stale; run the tests with FANFARE_UPDATE_GOLDEN=1 and review the change");
}

/// Polls until the condition holds; fails with what was awaited.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub struct Client {
    socket: Socket,
    seen: Vec<u8>,
}

impl Client {
    /// A client of TCP, or of a Unix socket.
    pub fn over(socket: impl Into<Socket>) -> Self {
        let socket = socket.into();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        if socket.local_addr().unwrap().as_socket().is_some() {
            socket.set_tcp_nodelay(true).unwrap();
        }
        Self { socket, seen: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends nothing more.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads up to and including `end`.
    pub fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|window| window == end.as_bytes()) {
                let rest = self.seen.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            assert!(self.more(), "closed before {end:?}: {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// The same for much that nobody looks at.
    pub fn skip_past(&mut self, end: &str) {
        while !self.seen.windows(end.len()).any(|window| window == end.as_bytes()) {
            self.seen.drain(..self.seen.len().saturating_sub(end.len()));
            assert!(self.more(), "closed before {end:?}");
        }
        self.seen.clear();
    }

    /// A response with `Content-Length`: its head, and its body as text.
    pub fn response(&mut self) -> (String, String) {
        let head = self.until("\r\n\r\n");
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while self.seen.len() < length {
            assert!(self.more(), "closed within a body: {head}");
        }
        let rest = self.seen.split_off(length);
        (head, String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap())
    }

    /// The next chunk of a chunked body.
    pub fn chunk(&mut self) -> String {
        let size = self.until("\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        while self.seen.len() < size + 2 {
            assert!(self.more(), "closed within a chunk");
        }
        let rest = self.seen.split_off(size + 2);
        let chunk = String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
        chunk.strip_suffix("\r\n").unwrap().to_owned()
    }

    /// Everything up to the end of the connection, which must be orderly.
    pub fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.seen)).unwrap()
    }

    /// Waits for the end; whether it came without a byte. A reset is an end, too.
    pub fn is_closed(&mut self) -> bool {
        let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        matches!(self.socket.read(&mut [0; 1]).or_else(|error| if closed(&error) { Ok(0) } else { Err(error) }), Ok(0))
    }

    /// Whether something comes in time.
    pub fn answers_within(&mut self, time: Duration) -> bool {
        !self.is_quiet_for(time)
    }

    /// Reads up to the end of the connection. Whether that was orderly, and not a reset.
    pub fn reads_to_an_orderly_end(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Whether nothing more has come so far.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let outcome = self.socket.peek(&mut [MaybeUninit::uninit()]);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.seen.is_empty() && outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Takes what has come so far. Whether the connection has ended; then [`Self::rest`] has all that came.
    pub fn has_ended(&mut self) -> bool {
        while !self.is_quiet_so_far() {
            if !self.more() {
                return true;
            }
        }
        false
    }

    fn is_quiet_so_far(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let outcome = self.socket.peek(&mut [MaybeUninit::uninit()]);
        self.socket.set_nonblocking(false).unwrap();
        outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        let read = self.socket.read(&mut buffer);
        let read = read.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&self.seen)));
        self.seen.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

/// The value of a header, whatever the case of its name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Replaces every run of digits by `#`, for what is jittered or a clock.
pub fn without_digits(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if !character.is_ascii_digit() {
            out.push(character);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}
