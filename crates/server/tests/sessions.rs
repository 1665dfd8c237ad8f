//! Sessions on real sockets over the in-process backend, without the HTTP head: what goes out on the wire and when.
// In a test a surprise is a failure, and tasks end with the test's runtime.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::MemoryBackend;
use fanfare_log::{Desired, Hub, IngestStats, Options, PublishRequest, Registry, feed, ingest};
use fanfare_protocol::{ChannelName, EntryId, Event, LastEventId};
use fanfare_server::{Clock, Core, CoreStats, DeliveryOptions, Framing, SubscribeRequest, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, timeout};

struct Node {
    core: Rc<Core>,
    stats: Arc<CoreStats>,
    backend: MemoryBackend,
    listener: TcpListener,
    user_timeout: Duration,
}

impl Node {
    async fn start(backend: &MemoryBackend, options: Options, delivery: DeliveryOptions) -> Self {
        let hub = Arc::new(Hub::new(1));
        let desired = Desired::new();
        let (sink, source) = feed(1 << 20);
        tokio::task::spawn_local(backend.attach(desired.clone(), sink).run());
        let registry =
            Registry::new(options, Arc::clone(&hub), desired, Arc::new(IngestStats::default()), Instant::now());
        tokio::task::spawn_local(ingest::run(
            registry,
            Arc::clone(&hub),
            source,
            backend.clone(),
            std::future::pending(),
        ));
        let stats = Arc::new(CoreStats::default());
        let user_timeout = delivery.user_timeout;
        let core = Core::new(hub, 0, delivery, Arc::clone(&stats), Clock::system());
        tokio::task::spawn_local(Rc::clone(&core).run());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { core, stats, backend: backend.clone(), listener, user_timeout }
    }

    async fn connect(&self, channels: &[&str], change: impl FnOnce(&mut SubscribeRequest<()>)) -> Client {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let (client, server) =
            tokio::join!(socket.connect(self.listener.local_addr().unwrap()), self.listener.accept());
        let mut request = SubscribeRequest {
            channels: channels.iter().map(|name| channel(name)).collect(),
            resume: None,
            last: None,
            ready: false,
            framing: Framing::Plain,
            head: b"HEAD\n".to_vec(),
            refuse: Box::new(|refusal| format!("{refusal:?}").into_bytes()),
            permit: (),
        };
        change(&mut request);
        let server = server.unwrap().0;
        socket2::SockRef::from(&server).set_send_buffer_size(8192).unwrap();
        socket2::SockRef::from(&server).set_tcp_user_timeout(Some(self.user_timeout)).unwrap();
        start(&self.core, server, request);
        Client { socket: client.unwrap(), seen: String::new() }
    }

    fn publish(&self, name: &str, data: &str) -> EntryId {
        let event = Event { name: None, data: Bytes::copy_from_slice(data.as_bytes()) };
        let request = PublishRequest { channel: channel(name), event, dedup: None, max_len: None, ttl: None };
        self.backend.publish_now(&request).unwrap().id
    }
}

struct Client {
    socket: TcpStream,
    seen: String,
}

impl Client {
    /// Reads until the text is there, and returns everything up to its end.
    async fn until(&mut self, text: &str) -> String {
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

    /// Reads the priming id.
    async fn prime(&mut self) -> String {
        let prelude = self.until("\n\n").await;
        prelude.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

#[test]
fn a_session_is_primed_and_then_gets_what_is_published() {
    run(async {
        let backend = MemoryBackend::default();
        let node = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let before = node.publish("a", "before");
        let mut client = node.connect(&["a"], |_| {}).await;
        assert_eq!(client.prime().await, before.to_string());
        let id = node.publish("a", "after");
        assert_eq!(client.until("\n\n").await, format!("id: {id}\ndata: after\n\n"));
        backend.publish_ephemeral(&channel("a"), Bytes::from_static(b"passing"));
        assert_eq!(client.until("\n\n").await, "data: passing\n\n");
        assert_eq!(node.stats.deliveries.get(), 2);
    });
}

#[test]
fn a_session_that_was_primed_on_nothing_resumes_from_the_very_first_event_on_another_node() {
    run(async {
        let backend = MemoryBackend::default();
        let first = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let second = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let mut client = first.connect(&["a"], |_| {}).await;
        let position = client.prime().await;
        assert!(position.starts_with('~'), "{position}");
        drop(client);
        let id = second.publish("a", "first");
        let mut client = second.connect(&["a"], |r| r.resume = Some(LastEventId::parse(&position))).await;
        client.prime().await;
        assert_eq!(client.until("\n\n").await, format!("id: {id}\ndata: first\n\n"));
    });
}

#[test]
fn several_channels_carry_one_vector_that_resumes_all_of_them() {
    run(async {
        let backend = MemoryBackend::default();
        let node = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        for name in ["a", "b", "c"] {
            node.publish(name, "old");
        }
        let mut client = node.connect(&["a", "b", "c"], |r| r.framing = Framing::Chunked).await;
        client.until("\n\n").await;
        node.publish("b", "b1");
        let block = client.until("data: b1\n\n").await;
        let position = block.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
        drop(client);
        node.publish("a", "a1");
        node.publish("b", "b2");
        node.publish("c", "c1");
        let other = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let mut client = other.connect(&["c", "a", "b"], |r| r.resume = Some(LastEventId::parse(&position))).await;
        client.prime().await;
        let mut seen = String::new();
        for _ in 0..3 {
            seen += &client.until("\n\n").await;
        }
        assert!(["a1", "b2", "c1"].iter().all(|data| seen.contains(&format!("data: {data}\n"))), "{seen}");
        assert!(!seen.contains("old") && !seen.contains("b1"), "{seen}");
        assert!(!seen.contains("$gap"), "{seen}");
    });
}

#[test]
fn a_client_that_does_not_read_falls_behind_into_the_archive_and_then_gets_everything_in_order() {
    run(async {
        let backend = MemoryBackend::default();
        let options = Options { tail_entries: 4, page_bytes: 2048, ..Options::default() };
        let node = Node::start(&backend, options, DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        let body = "x".repeat(500);
        for n in 0..2000 {
            node.publish("a", &format!("{n} {body}"));
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        for n in 0..2000 {
            let block = client.until("\n\n").await;
            assert!(block.contains(&format!("data: {n} ")), "expected {n}, got {block}");
        }
        assert!(node.stats.blocked.get() > 0, "the socket was never full: the test proves nothing");
    });
}

#[test]
fn a_client_that_reads_nothing_for_longer_than_the_user_timeout_is_not_cut() {
    run(async {
        let backend = MemoryBackend::default();
        let delivery = DeliveryOptions {
            heartbeat: Duration::from_millis(300),
            user_timeout: Duration::from_secs(1),
            ..DeliveryOptions::default()
        };
        let node = Node::start(&backend, Options::default(), delivery).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        for n in 0..100 {
            node.publish("a", &format!("{n} {}", "x".repeat(1000)));
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(node.stats.blocked.get() > 0, "the socket was never full: the test proves nothing");
        for n in 0..100 {
            let block = client.until("data: ").await + &client.until("\n\n").await;
            assert!(block.contains(&format!("data: {n} ")), "expected {n}, got {block}");
        }
    });
}

#[test]
fn the_newest_events_come_first_if_asked_for() {
    run(async {
        let backend = MemoryBackend::default();
        let node = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        for n in 0..5 {
            node.publish("a", &format!("n{n}"));
        }
        for count in [2, 5, 50] {
            let mut client = node.connect(&["a"], |r| r.last = Some(count)).await;
            client.until("retry: ").await;
            let seen = client.until("data: n4\n\n").await;
            let first = 5usize.saturating_sub(count);
            assert_eq!(seen.matches("data: n").count(), 5 - first, "{seen}");
            assert!(seen.contains(&format!("data: n{first}\n")) && !seen.contains("$gap"), "{seen}");
        }
    });
}

#[test]
fn an_unknown_position_is_told_and_the_stream_starts_now() {
    run(async {
        let backend = MemoryBackend::default();
        let node = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let last = node.publish("a", "old");
        let mut client = node.connect(&["a"], |r| r.resume = Some(LastEventId::parse("what is this"))).await;
        let gap = client.until("\n\n").await;
        assert!(gap.contains(&format!("id: {last}\n")) && gap.contains("unknown_position"), "{gap}");
    });
}

#[test]
fn a_position_older_than_the_cursor_age_is_told_and_the_stream_starts_now() {
    run(async {
        let backend = MemoryBackend::default();
        let delivery = DeliveryOptions { cursor_age: Some(Duration::from_secs(60)), ..DeliveryOptions::default() };
        let node = Node::start(&backend, Options::default(), delivery).await;
        let last = node.publish("a", "retained");
        let old = EntryId { ms: last.ms - 61_000, seq: 0 };
        for (position, gap) in [(old, true), (last, false)] {
            let resume = LastEventId::parse(&position.to_string());
            let mut client = node.connect(&["a"], |r| r.resume = Some(resume)).await;
            let prelude = client.until("\n\n").await;
            assert_eq!(prelude.contains("unknown_position") && prelude.contains(&old.to_string()), gap, "{prelude}");
            assert!(prelude.contains(&format!("id: {last}\n")), "{prelude}");
        }
    });
}

#[test]
fn a_quiet_session_gets_heartbeats_and_one_that_is_drained_gets_a_retry_and_an_end() {
    run(async {
        let backend = MemoryBackend::default();
        let delivery = DeliveryOptions { heartbeat: Duration::from_millis(200), ..DeliveryOptions::default() };
        let node = Node::start(&backend, Options::default(), delivery).await;
        node.publish("a", "old");
        let mut client = node.connect(&["a"], |r| r.framing = Framing::Chunked).await;
        client.until("\n\n").await;
        client.until(":\n\n").await;
        node.core.drain(Duration::from_millis(10)).await;
        client.until("retry: ").await;
        client.until("\r\n0\r\n\r\n").await;
        assert_eq!(client.socket.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(node.core.sessions(), 0);
        assert_eq!(node.stats.ends.drain.get(), 1);
    });
}

#[test]
fn a_session_whose_channels_do_not_open_in_time_is_refused() {
    run(async {
        let backend = MemoryBackend::default();
        backend.set_offline(true);
        let delivery = DeliveryOptions { subscribe_timeout: Duration::from_millis(50), ..DeliveryOptions::default() };
        let node = Node::start(&backend, Options::default(), delivery).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.until("Timeout").await;
        assert_eq!(node.stats.ends.refused.get(), 1);
    });
}

// Seen to fail when a session that was registered once never looks at what its socket has again.
#[test]
fn a_client_that_hangs_up_is_noticed_at_once_and_what_it_says_is_ignored() {
    run(async {
        let backend = MemoryBackend::default();
        let node = Node::start(&backend, Options::default(), DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        client.socket.write_all(&[b'x'; 5000]).await.unwrap();
        node.publish("a", "still here");
        client.until("still here").await;
        drop(client);
        let gone = async {
            while node.core.sessions() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), gone).await.expect("noticed");
        assert_eq!(node.stats.subscriptions.get(), 0);
    });
}

#[test]
fn a_frame_whose_entry_is_retracted_while_it_is_half_written_ends_the_connection() {
    run(async {
        let backend = MemoryBackend::default();
        // Only the newest item of the node stays in memory.
        let options = Options { budget: 1, ..Options::default() };
        let node = Node::start(&backend, options, DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        let mut other = node.connect(&["b"], |_| {}).await;
        other.prime().await;
        node.publish("a", "before");
        client.until("data: before\n\n").await;
        let half_written = node.publish("a", &"x".repeat(500_000));
        while node.stats.blocked.get() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(node.backend.xdel(&channel("a"), half_written));
        node.publish("b", "evicts it");
        other.until("data: evicts it\n\n").await;
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(10), client.socket.read_to_end(&mut rest)).await;
        end.expect("half a frame, and then silence").unwrap();
        assert!(!rest.ends_with(b"\n"), "the frame was complete: the test proves nothing");
        assert_eq!(node.stats.ends.broken.get(), 1);
    });
}

#[test]
fn events_that_come_close_together_share_a_write_if_coalescing_is_on() {
    run(async {
        for (coalesce_ms, expected) in [(0, 9..=10), (400, 1..=2)] {
            let backend = MemoryBackend::default();
            let coalesce = Duration::from_millis(coalesce_ms);
            let delivery = DeliveryOptions { coalesce, ..DeliveryOptions::default() };
            let node = Node::start(&backend, Options::default(), delivery).await;
            let mut client = node.connect(&["a"], |_| {}).await;
            client.prime().await;
            let before = node.stats.writes.get();
            for n in 0..10 {
                node.publish("a", &format!("n{n}"));
                // Long enough to be taken in, and ten times much shorter than what is coalesced.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            client.until("data: n9\n\n").await;
            let writes = node.stats.writes.get() - before;
            assert!(expected.contains(&writes), "{writes} writes with {coalesce_ms} ms");
        }
    });
}
