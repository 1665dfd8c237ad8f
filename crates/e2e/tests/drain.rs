//! Stopping a node hurts nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanfare_e2e::{
    Balancer, Client, ConnectionEnd, Crowd, Expect, Ledger, Node, PATIENCE, Publisher, RedisServer, Signal, Subscribe,
    Visit, check, eventually, eventually_within, pace,
};

const WINDOW: Duration = Duration::from_secs(3);
const CHANNELS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SESSIONS: usize = 500;
const ARRIVALS: usize = 60;

fn node(redis: &RedisServer) -> Node {
    Node::builder(redis).set("drain.window", "3s").set("drain.deadline", "20s").set("delivery.retry_ms", "300").launch()
}

/// Publishes to all channels about 15 times a second each until told to stop; then one last event each.
fn publish(redis: &RedisServer, ledger: &Ledger, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let mut publisher = Publisher::new(redis, ledger);
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        for number in 0.. {
            for channel in CHANNELS {
                publisher.fcall(channel, &format!("{channel} {number}"));
                pace(Duration::from_millis(13));
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        CHANNELS.iter().for_each(|channel| drop(publisher.fcall(channel, "the end")));
    })
}

/// Restarts a node as a rolling update does; returns when the signal was sent and how many sessions there were.
fn roll(node: &mut Node) -> (Instant, f64) {
    let sessions = node.metric("fanfare_sessions", "").expect("a metric");
    let begun = Instant::now();
    node.signal(Signal::Term);
    let status = node.wait_exit(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "a drained node exits with 0\n{}", node.log());
    node.restart();
    (begun, sessions)
}

// Seen to fail when sessions end all at once; the listener closes first; frames are torn; the last chunk is missing.
#[test]
fn a_rolling_restart_of_both_nodes_loses_doubles_and_resets_nothing() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let mut nodes = [node(&redis), node(&redis)];
    nodes.iter().for_each(Node::wait_ready);
    let balancer = Balancer::over(&[&nodes[0], &nodes[1]], Duration::from_millis(300));
    let mut crowd = Crowd::new(&balancer, Duration::from_secs(120));
    for index in 0..SESSIONS {
        crowd.join(Subscribe::to(CHANNELS[index % 5]));
    }
    eventually("every session to be primed", || (crowd.primed() == SESSIONS).then_some(()));
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = publish(&redis, &ledger, &stop);
    let rolling = std::thread::spawn(move || {
        let begun = [roll(&mut nodes[0]), roll(&mut nodes[1])];
        (begun, nodes)
    });
    // New clients keep arriving all the while.
    let mut arrived = 0;
    while !rolling.is_finished() {
        if arrived < ARRIVALS {
            crowd.join(Subscribe::to(CHANNELS[arrived % 5]));
            arrived += 1;
        }
        pace(Duration::from_millis(100));
    }
    let (begun, _nodes) = rolling.join().expect("both nodes restart");
    // Everybody is on some node again before the last event is published.
    let total = SESSIONS + arrived;
    eventually_within(PATIENCE, "every newcomer to be primed", || (crowd.primed() == total).then_some(()));
    stop.store(true, Ordering::Relaxed);
    publishing.join().expect("the publisher finishes");
    let members = crowd.finish("the end");
    for (client, _) in &members {
        check(client, &ledger, &client.channels()[0], &Expect::everything()).assert_kept();
    }
    let visits: Vec<&Visit> = members.iter().flat_map(|(_, visits)| visits).collect();
    let rude: Vec<&&Visit> = visits.iter().filter(|visit| visit.ending != ConnectionEnd::Clean).collect();
    assert!(rude.is_empty(), "{} connections did not end cleanly, the first: {:?}", rude.len(), rude.first());
    for (node, (begun, sessions)) in begun.into_iter().enumerate() {
        assert_spread(&visits, node, begun, sessions);
    }
}

/// The sessions of a node ended spread over the window: all of them, none before the signal and none long after it.
fn assert_spread(visits: &[&Visit], node: usize, begun: Instant, sessions: f64) {
    // A node ends nothing but by its drain; clients that left of their own accord are not among the visits.
    let ended: Vec<&&Visit> = visits.iter().filter(|visit| visit.node == node && visit.served).collect();
    let early = ended.iter().find(|visit| visit.until < begun);
    assert!(early.is_none(), "a session of node {node} ended before the signal: {early:?}");
    let mut after: Vec<Duration> = ended.iter().map(|visit| visit.until - begun).collect();
    after.sort();
    assert!(sessions >= SESSIONS as f64 / 4.0, "only {sessions} sessions on node {node}");
    assert!(after.len() as f64 >= sessions, "{} of {sessions} sessions of node {node} ended by the drain", after.len());
    let at = |percent: usize| after[after.len() * percent / 100];
    assert!(at(90) - at(10) > WINDOW / 2, "80 % of the sessions ended within {:?}", at(90) - at(10));
    let last = after[after.len() - 1];
    assert!(last < WINDOW + Duration::from_secs(3), "the last session ended after {last:?}");
}

// Seen to fail when the refusal has a blank line; the listener closes first.
#[test]
fn a_draining_node_says_so_goes_on_delivering_and_refuses_newcomers_politely() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let mut node = Node::builder(&redis).set("drain.window", "4s").set("drain.deadline", "10s").start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut clients: Vec<Client> = (0..20).map(|_| Client::open(node.address(), Subscribe::to("c"))).collect();
    node.signal(Signal::Term);
    node.wait_unready();
    publisher.fcall("c", "c 0");
    let mut newcomer = Client::remembering(Subscribe::to("c"), "77-7");
    newcomer.connect(node.address()).expect("a draining node accepts");
    assert_eq!(newcomer.read_ending(Duration::from_secs(5)), ConnectionEnd::Clean);
    assert_eq!(newcomer.last_event_id(), "77-7", "a refusal leaves the client its place");
    assert!(newcomer.retry().is_some_and(|retry| retry >= Duration::from_secs(5)), "{:?}", newcomer.retry());
    for client in &mut clients {
        assert_eq!(client.read_ending(Duration::from_secs(10)), ConnectionEnd::Clean);
        assert!(client.retry().is_some());
        check(client, &ledger, "c", &Expect::everything().so_far()).assert_kept();
    }
    assert!(clients.iter().any(|client| client.data() == ["c 0"]), "sessions that still live are served");
    assert_eq!(node.wait_exit(Duration::from_secs(10)).code(), Some(0));
}

// Seen to fail when there is no deadline.
#[test]
fn a_client_that_does_not_read_cannot_hold_up_a_drain_past_its_deadline() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let mut node = Node::builder(&redis).set("drain.window", "1s").set("drain.deadline", "3s").start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let _stalled = Client::open(node.address(), Subscribe::to("c").receive_buffer(4096));
    let filler = "x".repeat(10_000);
    let data: Vec<String> = (0..1000).map(|number| format!("c {number} {filler}")).collect();
    publisher.fcall_all("c", &data, &[]);
    node.signal(Signal::Term);
    assert_eq!(node.wait_exit(Duration::from_secs(8)).code(), Some(0));
}

// Seen to fail when a second signal is ignored.
#[test]
fn a_second_signal_ends_the_node_at_once() {
    let redis = RedisServer::start();
    let mut node = Node::builder(&redis).set("drain.window", "60s").set("drain.deadline", "90s").start();
    let _clients: Vec<Client> = (0..5).map(|_| Client::open(node.address(), Subscribe::to("c"))).collect();
    node.signal(Signal::Term);
    node.wait_unready();
    assert!(node.runs());
    node.signal(Signal::Term);
    node.wait_exit(Duration::from_secs(5));
}

// Seen to fail when the last chunk is missing.
#[test]
fn ctrl_c_drains_as_well() {
    let redis = RedisServer::start();
    let mut node = Node::builder(&redis).set("drain.window", "1s").set("drain.deadline", "5s").start();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    node.signal(Signal::Int);
    assert_eq!(client.read_ending(Duration::from_secs(8)), ConnectionEnd::Clean);
    assert_eq!(node.wait_exit(Duration::from_secs(8)).code(), Some(0));
}
