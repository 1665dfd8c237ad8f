//! A browser that speaks HTTP/2 by prior knowledge: all its tabs share one connection to each node.
//!
//! The connection is lost after any byte, and with it all its streams. A tab that leaves resets its stream; one that does not read grants
//! no window. Where nodes ask for no tokens one tab sleeps on each connection for as long as that lives: it never grants any window, and its
//! neighbours have to see everything nevertheless. A node that drains says so, and gets no request after that.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::Request;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::CLIENT_ADDRESS;
use crate::http2_stream::Http2Stream;
use crate::rng::Rng;
use crate::torn_socket::TornSocket;
use crate::world::World;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met have no browser.
const APART: u64 = 0x00B2_02A2;

/// What a node may send on a connection beyond what was read, in bytes: more than all its streams together may.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes after which a connection may be lost, at most.
const LOST_AFTER: [usize; 3] = [300, 5_000, 60_000];

/// A browser.
pub(crate) struct Browser {
    /// The clients that are its tabs.
    tabs: Vec<usize>,
    /// What a node may send on a stream beyond what was read, in bytes.
    window: u32,
    /// Bytes on their way on a connection.
    room: usize,
    rng: RefCell<Rng>,
    /// By node. Tabs open a connection one after the other.
    connections: Mutex<BTreeMap<usize, SendRequest<Bytes>>>,
    drivers: RefCell<JoinSet<()>>,
    /// Streams of tabs that were opened.
    streams: Cell<usize>,
    /// Tabs that sleep.
    asleep: RefCell<Vec<Http2Stream>>,
}

impl Browser {
    /// The browser of a world, if it has one.
    pub(crate) fn of(seed: u64, clients: usize) -> Option<Self> {
        let mut rng = Rng::new(seed ^ APART);
        if !rng.chance(330) {
            return None;
        }
        let tabs: Vec<_> = (0..clients).filter(|_| rng.chance(600)).collect();
        let window = [40, 700, 20_000, 65_535][rng.below(4)];
        let room = [700, 65_536][rng.below(2)];
        let (connections, drivers, streams, asleep) = Default::default();
        Some(Self { tabs, window, room, rng: RefCell::new(rng), connections, drivers, streams, asleep })
    }

    /// Whether a client is one of its tabs.
    pub(crate) fn has(&self, client: usize) -> bool {
        self.tabs.contains(&client)
    }

    /// How many streams its tabs have opened.
    pub(crate) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Asks a node. `None`: it cannot be reached.
    pub(crate) async fn ask(&self, world: &World, node: usize, request: Request<()>) -> Option<Http2Stream> {
        let mut connections = self.connections.lock().await;
        let present = match connections.remove(&node) {
            // Fails where the connection is lost, and where the node has said that it takes no more.
            Some(present) => present.ready().await.ok(),
            None => None,
        };
        let mut connection = match present {
            Some(present) => present,
            None => self.connect(world, node).await?,
        };
        let (asked, _) = connection.send_request(request, true).ok()?;
        connections.insert(node, connection);
        self.streams.set(self.streams.get() + 1);
        Some(Http2Stream::new(asked, world.access.is_some()))
    }

    async fn connect(&self, world: &World, node: usize) -> Option<SendRequest<Bytes>> {
        let end = world.nodes[node].connect(self.room, CLIENT_ADDRESS)?;
        let lost_after = self.lost_after(world.is_calm());
        world.trace.note(|| format!("a browser connects to node {node}, for {lost_after} bytes"));
        let handshake = Builder::new()
            .initial_window_size(self.window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            // What was reset long ago is known by the machine's clock, which is not the world's.
            .reset_stream_duration(std::time::Duration::from_secs(3_600))
            .max_concurrent_reset_streams(10_000)
            .handshake(TornSocket::new(end, lost_after))
            .await;
        let (connection, driver) = handshake.ok()?;
        self.drivers.borrow_mut().spawn_local(async move {
            // However it ends, its streams say so.
            let _ = driver.await;
        });
        let mut connection = connection.ready().await.ok()?;
        if world.access.is_none() {
            let channels = world.channels.iter().map(|name| format!("channel={name}")).collect::<Vec<_>>().join("&");
            let request = Request::get(format!("http://sim/events?{channels}&last=19")).body(()).ok()?;
            let (asked, _) = connection.send_request(request, true).ok()?;
            self.asleep.borrow_mut().push(Http2Stream::new(asked, false));
            connection = connection.ready().await.ok()?;
        }
        Some(connection)
    }

    fn lost_after(&self, is_calm: bool) -> usize {
        let mut rng = self.rng.borrow_mut();
        let longest = LOST_AFTER[rng.below(LOST_AFTER.len())];
        if is_calm || rng.chance(300) { usize::MAX } else { 1 + rng.below(longest) }
    }
}
