//! A whole node over the in-process store, for the targets that need one.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fanfare_log::memory::MemoryStore;
use fanfare_log::{Assembly, Random, assemble};
use fanfare_server::{Clock, Core, CoreStats, Cors, DeliveryOptions, Options, Secret, Server, StoreHandles};
use tokio::sync::oneshot;

/// The publish key, which the dictionary offers.
pub(crate) const KEY: &str = "fuzz-publish-key";
/// Longer than the node needs for any answer; a connection that is not closed by then hangs.
const PATIENCE: Duration = Duration::from_secs(8);

/// A running node. Everything ends when it is dropped.
pub(crate) struct Node {
    server: Option<Server>,
    stop: Option<oneshot::Sender<()>>,
    ingest: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn start() -> Self {
        let mut options = Options {
            listeners: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()],
            cores: 1,
            ..Options::default()
        };
        options.publish_key = Secret::new(KEY);
        options.history.enabled = true;
        options.cors = Cors::parse(&["https://app.example.com"]).expect("an origin");
        options.admission.per_address = None;
        options.admission.connects_per_second = NonZeroU32::new(1_000_000);
        let store = MemoryStore::default();
        let lingering = fanfare_log::Options { linger: Duration::ZERO, ..fanfare_log::Options::default() };
        let log = assemble(lingering, 1, Random::seeded(1));
        let hub = Arc::clone(&log.hub);
        let (stop, stopped) = oneshot::channel();
        let ingest = std::thread::spawn({
            let store = store.clone();
            move || run_ingest(store, log, stopped)
        });
        let make_core = move |core| {
            let stats = Arc::new(CoreStats::default());
            Core::new(Arc::clone(&hub), core, DeliveryOptions::default(), stats, Clock::system(), Random::seeded(2))
        };
        let server = Server::start(options, StoreHandles::new(store.clone(), store), Random::seeded(3), make_core);
        Self { server: Some(server.expect("a node starts")), stop: Some(stop), ingest: Some(ingest) }
    }

    /// Sends bytes and nothing after them; returns all that comes back until the node closes.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let address = self.server.as_ref().and_then(Server::tcp_address).expect("it is there until dropped");
        let mut socket = TcpStream::connect(address).expect("the node accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        // The node may have answered and closed already.
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        if let Err(error) = socket.read_to_end(&mut answer) {
            let reset = error.kind() == std::io::ErrorKind::ConnectionReset;
            assert!(reset, "{error} after {:?}", String::from_utf8_lossy(&answer));
        }
        answer
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async move {
        let attachment = store.attach(log.desired, log.sink);
        tokio::select! {
            () = log.ingest.run(store, async { drop(stopped.await) }) => {}
            () = attachment.run() => {}
        }
    });
}
