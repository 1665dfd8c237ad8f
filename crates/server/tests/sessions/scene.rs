//! A connection thread over the in-process store, and a client on a real socket with small buffers.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::Grant;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Archive, Options, Payer, PublishRequest, Random, assemble};
use fanfare_protocol::{ChannelName, EntryId, Event};
use fanfare_server::{
    Answer, Clock, Core, CoreStats, DeliveryOptions, Framing, Refusal, Socket, Subscribe, Subscription, start,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, timeout};

use crate::sips::{Peer, Sips};

/// What a client asks for, and in which version of HTTP.
pub(crate) struct Ask {
    pub(crate) subscription: Subscription,
    pub(crate) framing: Framing,
    pub(crate) grant: Option<Box<Grant>>,
}

pub(crate) struct Node {
    pub(crate) core: Rc<Core>,
    pub(crate) stats: Arc<CoreStats>,
    pub(crate) store: MemoryStore,
    pub(crate) listener: TcpListener,
    pub(crate) user_timeout: Duration,
    /// What the kernel takes for each client, in bytes.
    pub(crate) send_buffer: usize,
    /// The time of day goes with the time that a test may skip.
    pub(crate) clock: Clock,
}

impl Node {
    pub(crate) async fn start(store: &MemoryStore, options: Options, delivery: DeliveryOptions) -> Self {
        Self::with(store, store.clone(), options, delivery).await
    }

    /// A node whose feed is the store's and whose archive is another.
    pub(crate) async fn with(
        store: &MemoryStore,
        archive: impl Archive,
        options: Options,
        delivery: DeliveryOptions,
    ) -> Self {
        let log = assemble(options, 1, Random::seeded(1));
        tokio::task::spawn_local(store.attach(log.desired, log.sink).run());
        tokio::task::spawn_local(log.ingest.run(archive, std::future::pending()));
        let stats = Arc::new(CoreStats::default());
        let user_timeout = delivery.user_timeout;
        let (began, wall) = (Instant::now(), Clock::system().wall_ms());
        let clock = Clock::from_fn(move || wall + u64::try_from(began.elapsed().as_millis()).unwrap());
        let core = Core::new(log.hub, 0, delivery, Arc::clone(&stats), clock.clone(), Random::seeded(2));
        tokio::task::spawn_local(Rc::clone(&core).run());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { core, stats, store: store.clone(), listener, user_timeout, send_buffer: 8192, clock }
    }

    pub(crate) async fn connect(&self, channels: &[&str], change: impl FnOnce(&mut Ask)) -> Client {
        let (client, server) = self.accept().await;
        self.begin(server, channels, change);
        client
    }

    /// A client and the node's end of its connection.
    pub(crate) async fn accept(&self) -> (Client, TcpStream) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let (client, server) =
            tokio::join!(socket.connect(self.listener.local_addr().unwrap()), self.listener.accept());
        let server = server.unwrap().0;
        socket2::SockRef::from(&server).set_send_buffer_size(self.send_buffer).unwrap();
        socket2::SockRef::from(&server).set_tcp_user_timeout(Some(self.user_timeout)).unwrap();
        (Client { socket: client.unwrap(), seen: String::new() }, server)
    }

    /// A client that takes this number of bytes, and more when the test says so.
    pub(crate) fn sip(&self, channels: &[&str], room: usize, change: impl FnOnce(&mut Ask)) -> Rc<Peer> {
        let peer = Peer::new(room);
        self.begin(Sips(Rc::clone(&peer)), channels, change);
        peer
    }

    pub(crate) fn begin(&self, server: impl Socket, channels: &[&str], change: impl FnOnce(&mut Ask)) {
        let channels = channels.iter().map(|name| channel(name)).collect();
        let subscription = Subscription { channels, ..Subscription::default() };
        let mut ask = Ask { subscription, framing: Framing::Plain, grant: None };
        change(&mut ask);
        let refuse = |refusal| match refusal {
            Refusal::Draining => Answer::text("Draining"),
            Refusal::Expired => Answer::text("Expired"),
            Refusal::Revoked => Answer::text("Revoked"),
            Refusal::Timeout => Answer::text("Timeout"),
            Refusal::Channel(_) => Answer::text("Channel"),
            Refusal::WrongType(_) => Answer::text("WrongType"),
        };
        let (subscription, head, refuse) = (ask.subscription, Answer::stream(), Box::new(refuse));
        let (payer, grant) = (Payer::NODE, ask.grant);
        start(&self.core, server, (), ask.framing, Subscribe { subscription, payer, head, refuse, grant, permit: () });
    }

    /// Waits until no session is left.
    pub(crate) async fn is_left_alone(&self) {
        let gone = async {
            while self.core.sessions() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(30), gone).await.expect("a session that nobody needs any more");
        assert_eq!(self.stats.subscriptions.get(), 0);
    }

    pub(crate) fn publish(&self, name: &str, data: &str) -> EntryId {
        let event = Event { name: None, data: Bytes::copy_from_slice(data.as_bytes()) };
        let request = PublishRequest { channel: channel(name), event, dedup: None, max_len: None, ttl: None };
        self.store.publish_now(&request).unwrap().id
    }
}

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) seen: String,
}

impl Client {
    /// Reads until the text is there, and returns everything up to its end.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let read = timeout(Duration::from_secs(10), self.socket.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.seen)).unwrap();
            assert!(read > 0, "closed before {text:?}, after {:?}", self.seen);
            self.seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }

    /// Acknowledges nothing any more and says no word about it, as if its cable had been pulled out: a program that returns
    /// 0 makes the kernel throw away whatever arrives (socket(7), `SO_ATTACH_FILTER`).
    pub(crate) fn vanish(&self) {
        let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
        socket2::SockRef::from(&self.socket).attach_filter(&[nothing]).unwrap();
    }

    /// Reads the priming id.
    pub(crate) async fn prime(&mut self) -> String {
        let prelude = self.until("\n\n").await;
        prelude.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}
