//! A node with several listeners, of TCP and of Unix sockets, at their sockets.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fanfare_server::{ListenAddress, ListenOptions, Options, Reason, Server, StartError};
use support::{Client, Node};

/// A path in a directory of its own, which is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("fanfare-listeners-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.join("clients.sock")
    }

    fn listen(&self) -> ListenOptions {
        ListenAddress::Unix(self.path()).into()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn loopback() -> ListenOptions {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
}

fn connect(path: &Path) -> Client {
    Client::over(UnixStream::connect(path).unwrap())
}

fn request(lines: &str) -> String {
    format!("GET /events?channel=a HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{lines}\r\n")
}

/// Begins a stream, behind this position if it is one, and says where it begins.
fn subscribe(client: &mut Client, position: &str) -> String {
    client.send(request(&if position.is_empty() { String::new() } else { format!("Last-Event-ID: {position}\r\n") }));
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Transfer-Encoding: chunked"), "{head}");
    position_of(&client.chunk())
}

/// Whether a stream began; otherwise it was refused politely.
fn begins(client: &mut Client, bytes: impl AsRef<[u8]>) -> bool {
    client.send(bytes);
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    head.contains("Transfer-Encoding: chunked")
}

fn position_of(block: &str) -> String {
    block.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned()
}

/// Reads on to this event, and returns the position behind it.
fn event(client: &mut Client, data: &str) -> String {
    let block = loop {
        let block = client.chunk();
        if block.contains("data: ") && !block.contains("event: $") {
            break block;
        }
    };
    assert!(block.contains(&format!("data: {data}\n")), "{block}");
    position_of(&block)
}

#[test]
fn clients_of_either_listener_get_the_same_events_and_resume_at_the_other() {
    let scratch = Scratch::new("same");
    let node = Node::start(|options| options.listeners = vec![loopback(), scratch.listen()]);
    let (mut tcp, mut unix) = (node.connect(), connect(&scratch.path()));
    assert_eq!(subscribe(&mut tcp, ""), subscribe(&mut unix, ""));
    node.publish("a", "one");
    let position = event(&mut tcp, "one");
    assert_eq!(event(&mut unix, "one"), position);
    drop((tcp, unix));
    node.await_sessions(0);
    node.publish("a", "two");
    let (mut tcp, mut unix) = (node.connect(), connect(&scratch.path()));
    for client in [&mut tcp, &mut unix] {
        client.send(request(&format!("Last-Event-ID: {position}\r\n")));
        client.until("\r\n\r\n");
        client.until("data: two\n");
    }
    node.publish("a", "three");
    for client in [&mut tcp, &mut unix] {
        client.until("data: three\n");
    }
}

#[test]
fn a_unix_socket_answers_whatever_is_asked_and_stays_for_another_request() {
    let scratch = Scratch::new("answers");
    let node = Node::start(|options| options.listeners = vec![scratch.listen()]);
    assert_eq!(node.server().addresses(), [ListenAddress::Unix(scratch.path())]);
    let mode = std::fs::metadata(scratch.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut client = connect(&scratch.path());
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.response().0.starts_with("HTTP/1.1 200 "));
    subscribe(&mut client, "");
    let mut silent = connect(&scratch.path());
    silent.send("nonsense\r\n\r\n");
    assert!(silent.until("\r\n").starts_with("HTTP/1.1 400 "));
    let mut leaving = connect(&scratch.path());
    subscribe(&mut leaving, "");
    node.await_sessions(2);
    drop(leaving);
    node.await_sessions(1);
}

#[test]
fn a_listener_of_ipv6_serves_its_clients_and_all_addresses_are_those_of_ipv4_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("not tried: this machine has no IPv6");
        return;
    }
    let [one, all] = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED].map(|ip| SocketAddr::from((ip, 0)).into());
    let node = Node::start(|options| options.listeners = vec![one, all, loopback()]);
    let ports: Vec<_> = node.server().addresses().iter().map(|address| address.tcp().unwrap().port()).collect();
    let loopbacks = (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    for (mut address, port) in
        [(loopbacks.1, ports[0]), (loopbacks.1, ports[1]), (loopbacks.0, ports[1]), (loopbacks.0, ports[2])]
    {
        address.set_port(port);
        subscribe(&mut Client::over(TcpStream::connect(address).unwrap()), "");
    }
}

// Seen to fail where nobody removes the file of the socket.
#[test]
fn a_drain_ends_the_streams_of_every_listener_and_closes_them_all() {
    let scratch = Scratch::new("drain");
    let mut node = Node::start(|options| options.listeners = vec![scratch.listen(), loopback()]);
    let (mut tcp, mut unix) = (node.connect(), connect(&scratch.path()));
    subscribe(&mut tcp, "");
    subscribe(&mut unix, "");
    let address = node.address();
    node.server().drain();
    // Late arrivals are told to come back, here as there.
    let mut late = connect(&scratch.path());
    assert!(!begins(&mut late, request("")));
    assert!(late.rest().starts_with("retry: "));
    for client in [&mut tcp, &mut unix] {
        assert!(client.chunk().starts_with("retry: "));
        assert_eq!(client.until("\r\n\r\n"), "0\r\n\r\n");
        assert!(client.is_closed());
    }
    node.server.take().unwrap().join();
    assert!(TcpStream::connect(address).is_err());
    assert!(!scratch.path().exists(), "its file is gone");
}

#[test]
fn a_node_that_is_stopped_leaves_no_file() {
    let scratch = Scratch::new("stop");
    let node = Node::start(|options| options.listeners = vec![scratch.listen()]);
    let mut client = connect(&scratch.path());
    subscribe(&mut client, "");
    drop(node);
    assert!(client.is_closed() && !scratch.path().exists());
}

/// A node with room for one stream of each address, and this Unix socket.
fn one_each(listen: ListenOptions) -> Node {
    Node::start(|options| {
        options.admission.per_address = Some(1);
        options.listeners = vec![loopback(), listen];
        // No network of this list means a Unix socket.
        options.admission.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
    })
}

fn named(client: &str) -> String {
    request(&format!("X-Forwarded-For: {client}\r\n"))
}

// Seen to fail when every peer of a Unix socket is believed.
#[test]
fn the_peers_of_a_unix_socket_are_one_client_of_this_machine_whatever_they_say() {
    let scratch = Scratch::new("payer");
    let node = one_each(scratch.listen());
    let mut first = connect(&scratch.path());
    assert!(begins(&mut first, named("203.0.113.1")));
    assert!(!begins(&mut connect(&scratch.path()), named("203.0.113.2")));
    assert_eq!(node.server().admission().refused(Reason::Address), 1);
    assert!(begins(&mut node.connect(), named("203.0.113.2")), "the other listener's proxy is believed");
    assert!(!begins(&mut node.connect(), request("")), "this machine has its stream");
}

#[test]
fn the_peers_of_a_trusted_unix_socket_speak_for_their_clients() {
    let scratch = Scratch::new("trusted");
    let node = one_each(ListenOptions { trusted: true, ..scratch.listen() });
    let mut clients = [1, 2, 1].map(|_| connect(&scratch.path()));
    assert!(begins(&mut clients[0], named("203.0.113.1")) && begins(&mut clients[1], named("203.0.113.2")));
    assert!(!begins(&mut clients[2], named("203.0.113.1")), "the first client again");
    assert!(!begins(&mut node.connect(), named("203.0.113.1")), "and at the other listener");
}

// Seen to fail where the protocol is the node's and not the listener's.
#[test]
fn one_listener_begins_with_proxy_headers_and_the_other_does_not() {
    let scratch = Scratch::new("protocol");
    let node = one_each(ListenOptions { trusted: true, proxy_protocol: true, ..scratch.listen() });
    let v1 = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 1 2\r\n{}", request(""));
    let mut clients = [1, 2, 1].map(|_| connect(&scratch.path()));
    assert!(begins(&mut clients[0], v1("203.0.113.1")) && begins(&mut clients[1], v1("203.0.113.2")));
    assert!(!begins(&mut clients[2], v1("203.0.113.1")));
    let mut without = connect(&scratch.path());
    without.send(request(""));
    assert!(without.is_closed(), "without a header nothing is believed");
    assert!(begins(&mut node.connect(), named("203.0.113.3")));
    assert!(node.send(v1("203.0.113.4")).until("\r\n").starts_with("HTTP/1.1 400 "), "here it is no request");
}

#[test]
fn where_one_listener_cannot_be_had_nothing_is_left_of_the_others() {
    let scratch = Scratch::new("taken");
    let node = Node::start(|_| {});
    let taken = node.address();
    let options = Options { listeners: vec![scratch.listen(), taken.into()], ..Options::default() };
    let start = |options| {
        let store = fanfare_server::StoreHandles::new(node.store.clone(), node.store.clone());
        Server::start(options, store, fanfare_log::Random::seeded(1), |_| unreachable!("no thread is started"))
    };
    let error = start(options).unwrap_err();
    let StartError::Listen { address, .. } = &error else { panic!("{error}") };
    assert_eq!(*address, taken.into());
    assert!(!scratch.path().exists());
    let twice = Options { listeners: vec![scratch.listen(), scratch.listen()], ..Options::default() };
    let error = start(twice).unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on unix:{}: a process listens there", scratch.path().display()));
    assert!(!scratch.path().exists());
}

#[test]
fn who_takes_nothing_at_a_unix_socket_is_ended_and_others_get_everything() {
    let scratch = Scratch::new("stalled");
    let delivery = fanfare_server::DeliveryOptions {
        heartbeat: Duration::from_millis(300),
        stalled: Some(Duration::from_millis(1_500)),
        ..fanfare_server::DeliveryOptions::default()
    };
    let node = Node::with(|options| options.listeners = vec![loopback(), scratch.listen()], delivery);
    let stalled: Vec<_> = (0..8)
        .map(|_| {
            let mut client = connect(&scratch.path());
            subscribe(&mut client, "");
            client
        })
        .collect();
    let mut other = node.connect();
    subscribe(&mut other, "");
    let data = "x".repeat(10_000);
    for _ in 0..100 {
        node.publish("a", &data);
        event(&mut other, &data);
    }
    node.await_sessions(1);
    drop(stalled);
}

#[test]
fn a_listener_that_redirects_serves_nothing_and_leaves_the_others_alone() {
    let node = Node::start(|options| {
        options.publish_key = fanfare_server::Secret::new("k");
        options.listeners = vec![loopback(), loopback(), loopback()];
        options.listeners[1].redirect = "https://{host}:8443".parse().ok();
        options.listeners[2].redirect = "https://events.example.com".parse().ok();
    });
    let ask = |listener: usize, request: &str| {
        let address = node.server().addresses()[listener].tcp().unwrap();
        let mut client = Client::over(TcpStream::connect(address).unwrap());
        client.send(request);
        client.until("\r\n\r\n")
    };
    let stream = "GET /events?channel=a HTTP/1.1\r\nHost: A.example:8080\r\nAccept: text/event-stream\r\n\r\n";
    assert!(ask(0, stream).starts_with("HTTP/1.1 200 "));
    let went = |head: String, location: &str| {
        assert!(head.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{head}");
        assert_eq!(support::header(&head, "location"), Some(location), "{head}");
    };
    went(ask(1, stream), "https://A.example:8443/events?channel=a");
    went(ask(2, stream), "https://events.example.com/events?channel=a");
    for (method, path) in [("HEAD", "/events?channel=a"), ("GET", "/"), ("GET", "/nowhere"), ("OPTIONS", "/events")] {
        went(ask(1, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")), &format!("https://x:8443{path}"));
    }
    let publish =
        "POST /channels/a/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 1\r\n\r\nx";
    went(ask(1, publish), "https://x:8443/channels/a/events");
    assert!(ask(1, "GET / HTTP/1.1\r\nHost: a!b\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(ask(1, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(node.server().stats().iter().map(|stats| stats.subscriptions.get()).sum::<u64>(), 1);
}
