//! Decisions about subscriptions that wait, on real sockets and through hyper.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::Refusal;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Options as LogOptions, Random};
use fanfare_protocol::ChannelName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::admission::Admission;
use crate::authorizer::{Authorized, Authorizer, Question};
use crate::denied::Denied;
use crate::http_stats::HttpStats;
use crate::node_state::NodeState;
use crate::options::Options;
use crate::phase::{Phase, PhaseSwitch};
use crate::scene;
use crate::store::StoreHandles;

const SUBSCRIBE: &str = "GET /events?channel=a HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
const INDEX: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Lets everybody wait until the test says who may.
#[derive(Debug)]
struct AskTheTest(watch::Receiver<Option<bool>>);

impl Authorizer for AskTheTest {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        assert_eq!(question.channels, [ChannelName::parse("a").unwrap()]);
        let mut said = self.0.clone();
        Soon::later(async move {
            let may = said.wait_for(Option::is_some).await.is_ok_and(|may| *may == Some(true));
            if may { Ok(None) } else { Err(Denied::By(Refusal::Missing)) }
        })
    }

    fn still(&self, _: &fanfare_auth::Grant, _: fanfare_auth::Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

/// A node of one thread whose decisions about subscriptions are the test's.
struct Node {
    handler: Handler,
    core: Rc<Core>,
    store: MemoryStore,
    phase: PhaseSwitch,
    say: watch::Sender<Option<bool>>,
    listener: TcpListener,
}

impl Node {
    async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let admission = Arc::new(Admission::new(options.admission.clone(), 1, Random::seeded(1), Instant::now()));
        let store = MemoryStore::default();
        let (say, said) = watch::channel(None);
        options.authorizer = Some(Arc::new(AskTheTest(said)));
        let node = NodeState::new(options, admission, StoreHandles::new(store.clone(), store.clone()));
        let handler = Handler { node: Arc::new(node), stats: Arc::new(vec![HttpStats::default()]), core: 0 };
        let core = scene::core(&store, LogOptions::default());
        let (phase, _) = crate::phase::phase();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { handler, core, store, phase, say, listener }
    }

    fn admission(&self) -> &Admission {
        &self.handler.node.admission
    }

    /// Connects and sends.
    async fn send(&self, request: &str) -> Client {
        let (client, server) =
            tokio::join!(TcpStream::connect(self.listener.local_addr().unwrap()), self.listener.accept());
        let (socket, peer) = server.unwrap();
        let permit = self.admission().open(peer.ip()).unwrap();
        scene::spawn(serve(self.handler.clone(), Rc::clone(&self.core), self.phase.watch(), socket, permit, None));
        let mut client = Client { socket: client.unwrap(), seen: String::new() };
        client.socket.write_all(request.as_bytes()).await.unwrap();
        client
    }

    /// Waits until so many decisions are awaited.
    async fn await_waiting(&self, wanted: usize) {
        let all = self.handler.node.options.requests.decisions;
        until(|| all - self.handler.node.decision_slots.available_permits() == wanted).await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), met).await.expect("what the test waits for");
}

struct Client {
    socket: TcpStream,
    seen: String,
}

impl Client {
    /// Reads up to and including the text.
    async fn until(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let read = tokio::time::timeout(Duration::from_secs(10), self.socket.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.seen)).unwrap();
            assert!(read > 0, "closed before {text:?}, after {:?}", self.seen);
            self.seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }

    /// Everything up to the end.
    async fn rest(&mut self) -> String {
        let rest = tokio::time::timeout(Duration::from_secs(10), self.socket.read_to_string(&mut self.seen)).await;
        rest.expect("the end of the connection").unwrap();
        std::mem::take(&mut self.seen)
    }
}

// Seen to fail when a decision that waited is not handed over.
#[test]
fn a_decision_that_waits_ends_in_a_stream_that_has_left_hyper() {
    scene::run(async {
        let node = Node::start(|_| {}).await;
        let mut client = node.send(&format!("{INDEX}{SUBSCRIBE}")).await;
        assert!(client.until("NAME").await.starts_with("HTTP/1.1 200 OK\r\n"));
        node.await_waiting(1).await;
        assert_eq!((node.core.sessions(), node.admission().sessions()), (0, 1), "it has its place, and no session yet");
        node.say.send_replace(Some(true));
        let head = client.until("\r\n\r\n").await;
        assert!(head.contains("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"), "{head}");
        client.until("\n\n").await;
        assert_eq!((node.core.sessions(), node.handler.stats().subscriptions.get()), (1, 1));
        let channel = ChannelName::parse("a").unwrap();
        scene::publish(&node.store, &channel, "after".to_owned());
        client.until("data: after\n").await;
        node.await_waiting(0).await;
        drop(client);
        until(|| node.admission().sockets() == 0 && node.admission().sessions() == 0).await;
    });
}

#[test]
fn a_decision_that_waits_may_be_a_no_and_the_connection_goes_on() {
    scene::run(async {
        let node = Node::start(|_| {}).await;
        let mut client = node.send(SUBSCRIBE).await;
        node.await_waiting(1).await;
        node.say.send_replace(Some(false));
        assert!(client.until("Send a token").await.starts_with("HTTP/1.1 401 "));
        client.socket.write_all(INDEX.as_bytes()).await.unwrap();
        client.until("HTTP/1.1 200 OK\r\n").await;
        assert_eq!(node.admission().sessions(), 0);
    });
}

fn is_polite_refusal(all: &str) -> bool {
    all.starts_with("HTTP/1.1 200 OK\r\n") && all.contains("\r\n\r\nretry: ") && !all.contains("\nid:")
}

// Seen to fail when a decision waits for its slot.
#[test]
fn where_as_many_wait_as_may_one_more_is_refused_politely_and_at_once() {
    scene::run(async {
        let node = Node::start(|options| options.requests.decisions = 1).await;
        let mut first = node.send(SUBSCRIBE).await;
        node.await_waiting(1).await;
        let all = node.send(SUBSCRIBE).await.rest().await;
        assert!(is_polite_refusal(&all), "{all}");
        assert_eq!((node.admission().refused(Reason::Unavailable), node.admission().sessions()), (1, 1));
        node.say.send_replace(Some(true));
        first.until("\nid: ").await;
    });
}

// Seen to fail without a deadline.
#[test]
fn a_decision_that_does_not_come_in_time_is_a_polite_refusal() {
    scene::run(async {
        let node = Node::start(|options| options.requests.decision_timeout = Duration::from_millis(50)).await;
        let all = node.send(SUBSCRIBE).await.rest().await;
        assert!(is_polite_refusal(&all), "{all}");
        node.await_waiting(0).await;
        assert_eq!((node.admission().refused(Reason::Unavailable), node.admission().sessions()), (1, 0));
    });
}

#[test]
fn a_node_that_drains_refuses_who_was_still_waiting() {
    scene::run(async {
        let node = Node::start(|_| {}).await;
        let mut client = node.send(SUBSCRIBE).await;
        node.await_waiting(1).await;
        node.admission().begin_drain();
        node.phase.advance(Phase::Draining);
        node.core.drain(Duration::from_millis(1)).await;
        node.say.send_replace(Some(true));
        let all = client.rest().await;
        assert!(all.contains("retry: ") && all.ends_with("\n\n") && !all.contains("\nid:"), "{all}");
        assert_eq!(node.admission().refused(Reason::Draining), 1);
    });
}

/// What a socket costs until its first byte, beside what tokio has for every task and socket.
#[test]
fn a_socket_that_has_said_nothing_is_a_small_task() {
    scene::run(async {
        let node = Node::start(|_| {}).await;
        let (client, server) =
            tokio::join!(TcpStream::connect(node.listener.local_addr().unwrap()), node.listener.accept());
        let (socket, peer) = server.unwrap();
        let permit = node.admission().open(peer.ip()).unwrap();
        let task = serve(node.handler.clone(), Rc::clone(&node.core), node.phase.watch(), socket, permit, None);
        let bytes = size_of_val(&task);
        assert!(bytes <= 768, "{bytes} bytes");
        drop((client, task));
    });
}

/// What a listener shows that speaks TLS.
fn identity() -> Arc<fanfare_tls::Identity> {
    let shown = fanfare_tls::testing::SelfSigned::new("a.example");
    Arc::new(fanfare_tls::Identity::new(shown.server()))
}

// The sockets here have left TLS behind, if there was any: what counts is the listener's.
#[test]
fn every_answer_of_a_listener_with_tls_says_that_browsers_are_to_come_by_https_and_none_of_a_plain_one() {
    const HSTS: &str = "\r\nstrict-transport-security: max-age=31536000; includesubdomains\r\n";
    scene::run(async {
        for is_encrypted in [true, false] {
            let node = Node::start(|options| {
                options.strict_transport = "max-age=31536000; includeSubDomains".parse().ok();
                options.requests.head_timeout = Duration::from_millis(100);
                options.requests.decisions = 1;
                options.listeners[0].tls = is_encrypted.then(identity);
            })
            .await;
            let says = |head: String, what: &str| {
                assert_eq!(head.to_lowercase().contains(HSTS), is_encrypted, "{what}: {head}");
            };
            let mut stream = node.send(SUBSCRIBE).await;
            node.await_waiting(1).await;
            says(node.send(SUBSCRIBE).await.rest().await, "a refusal");
            node.say.send_replace(Some(true));
            says(stream.until("\r\n\r\n").await, "a stream");
            says(node.send(INDEX).await.until("\r\n\r\n").await, "the index");
            says(node.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await.until("\r\n\r\n").await, "a problem");
            says(node.send("GET / HTTP/1.1\r\nHost").await.rest().await, "a request that does not come in time");
            node.core.drain(Duration::from_millis(1)).await;
        }
    });
}

// Seen to fail when a PROXY header makes the socket another listener's.
#[test]
fn a_client_that_a_proxy_header_names_came_by_the_same_listener() {
    let admission = Admission::new(Options::default().admission, 1, Random::seeded(1), Instant::now());
    let source = crate::client_address::Source { listener: 3, ..admission.source([192, 0, 2, 1].into()) };
    let mut permit = admission.open_on(source, |_| true).unwrap();
    for client in [Some([198, 51, 100, 7].into()), None] {
        admission.introduce(&mut permit, client).unwrap();
        assert_eq!(permit.source().listener, 3, "{client:?}");
    }
}
