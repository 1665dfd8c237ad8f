//! What one idle subscriber costs a node in memory, from the slope between two numbers of connections: what the
//! process needs anyway cancels out.
//!
//! `cargo run -p fanfare-e2e --release --bin idle-memory -- --from 2000 --to 12000 [--channels 1] [--seconds 120]`
//!
//! Opens connections to one node from several loopback addresses, waits until each is primed, and reads the node's
//! `VmRSS` from `/proc`. With `--channels 0` they ask for nothing: what a silent socket costs before its request. Both processes need a few more file descriptors than connections (`ulimit -n`).

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fanfare_e2e::{Node, RedisServer, eventually, pace};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that are opened before their answers are read.
const BATCH: usize = 200;
/// Source addresses 127.0.0.2 and up: 28,000 ports each are far more than enough.
const SOURCES: usize = 4;

struct Options {
    from: usize,
    to: usize,
    channels: usize,
    deadline: Instant,
}

fn main() {
    let options = options();
    let redis = RedisServer::start();
    let node = Node::builder(&redis);
    // Silent sockets are to stay for as long as it takes, and to be as many as there are.
    let patient =
        [("limits.head_timeout", "5m"), ("admission.max_silent", "1000000"), ("admission.silent_per_address", "off")];
    let node = patient.iter().fold(node, |node, (key, value)| node.set(key, value)).start();
    let mut connections = Vec::with_capacity(options.to);
    let mut samples = Vec::new();
    for target in [options.from, options.to] {
        let begun = Instant::now();
        let opened = target - connections.len();
        while connections.len() < target {
            open_batch(&node, &options, target, &mut connections);
        }
        let rate = opened as f64 / begun.elapsed().as_secs_f64();
        let rss = settled_rss_kib(&node, options.deadline);
        println!("{target:>7} connections: {rss:>8} KiB resident ({opened} opened at {rate:.0}/s)");
        samples.push((target, rss));
    }
    let (few, many) = (samples[0], samples[1]);
    let slope = (many.1 as f64 - few.1 as f64) / (many.0 - few.0) as f64;
    println!("{slope:.3} KiB resident per idle connection ({} channels)", options.channels);
}

fn options() -> Options {
    let mut options =
        Options { from: 2_000, to: 12_000, channels: 1, deadline: Instant::now() + Duration::from_secs(120) };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse::<usize>().ok());
        match (name.as_str(), value) {
            ("--from", Some(value)) => options.from = value,
            ("--to", Some(value)) => options.to = value,
            ("--channels", Some(value)) => options.channels = value,
            ("--seconds", Some(value)) => options.deadline = Instant::now() + Duration::from_secs(value as u64),
            _ => panic!("usage: idle-memory [--from N] [--to N] [--channels N] [--seconds N]"),
        }
    }
    assert!(options.from < options.to, "--from must be less than --to");
    options
}

fn open_batch(node: &Node, options: &Options, target: usize, connections: &mut Vec<TcpStream>) {
    assert!(Instant::now() < options.deadline, "out of time at {} connections", connections.len());
    let start = connections.len();
    for index in start..target.min(start + BATCH) {
        let source = Ipv4Addr::new(127, 0, 0, 2 + (index % SOURCES) as u8);
        let mut stream = connect(SocketAddr::new(IpAddr::V4(source), 0), node.address());
        if options.channels == 0 {
            connections.push(stream);
            continue;
        }
        let channel = index % options.channels;
        let request =
            format!("GET /events?channel=idle-{channel} HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the node reads");
        connections.push(stream);
    }
    if options.channels > 0 {
        connections[start..].iter_mut().for_each(wait_primed);
    } else {
        eventually("the silent sockets", || {
            (node.metric("fanfare_connections", "") == Some(connections.len() as f64)).then_some(())
        });
    }
}

fn connect(source: SocketAddr, target: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket (see ulimit -n)");
    socket.bind(&source.into()).expect("a loopback address");
    socket.connect_timeout(&target.into(), Duration::from_secs(5)).expect("the node accepts");
    socket.into()
}

fn wait_primed(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut received = Vec::new();
    while !received.windows(4).any(|window| window == b"\nid:") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).expect("the node answers");
        assert!(count > 0, "the node refused: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&buffer[..count]);
    }
}

/// Its resident memory in KiB once that has moved by less than 0.2 % in a second.
fn settled_rss_kib(node: &Node, deadline: Instant) -> u64 {
    let look = || node.resident_bytes() / 1024;
    let mut before = look();
    loop {
        pace(Duration::from_secs(1));
        let now = look();
        if now.abs_diff(before) * 500 <= now || Instant::now() >= deadline {
            return now;
        }
        before = now;
    }
}
