//! A node with several listeners, as an operator configures it.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use fanfare_gateway::config::{self, Config, Sources};
use fanfare_gateway::metrics::{Samples, Source};
use fanfare_gateway::node::{Node, memory};
use fanfare_gateway::process::Process as Own;
use fanfare_log::PublishRequest;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::{ChannelName, Event};
use support::{Process, eventually, get, read_past};

/// A file with a listener on a free port and a Unix socket at this path.
fn file(directory: &Path, rest: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (file, socket) = (directory.join("fanfare.toml"), directory.join("clients.sock"));
    let tables = format!(
        "[[server.listen]]\naddress = \"127.0.0.1:0\"\n[[server.listen]]\naddress = \"unix:{}\"\n",
        socket.display()
    );
    std::fs::write(&file, format!("{rest}\n{tables}")).unwrap();
    (file, socket)
}

/// Opens a stream, behind this position if it is one.
fn subscribe<S: Read + Write>(mut socket: S, position: &str) -> BufReader<S> {
    let resume = if position.is_empty() { String::new() } else { format!("Last-Event-ID: {position}\r\n") };
    write!(socket, "GET /events?channel=a HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{resume}\r\n")
        .unwrap();
    BufReader::new(socket)
}

fn unix(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn publish(store: &MemoryStore, data: &str) -> String {
    let event = Event { name: None, data: Bytes::from(data.to_owned()) };
    let channel = ChannelName::parse("a").unwrap();
    let request = PublishRequest { channel, event, dedup: None, max_len: None, ttl: None };
    store.publish_now(&request).unwrap().id.to_string()
}

fn config(file: &Path) -> Config {
    config::load(&Sources { file: Some(file.to_owned()), ..Sources::default() }).unwrap().config
}

#[test]
fn a_client_of_one_listener_resumes_at_the_other_and_a_drain_closes_both() {
    let directory = tempfile::tempdir().unwrap();
    let (file, socket) = file(directory.path(), "[drain]\nwindow = \"100ms\"");
    let store = MemoryStore::default();
    let node =
        Node::start(&config(&file), &Own::default(), |desired, sink, _| Ok(memory(&store, desired, sink))).unwrap();
    let address = node.server().tcp_address().unwrap();
    let tcp = || TcpStream::connect(address).unwrap();
    let (mut here, mut there) = (subscribe(tcp(), ""), subscribe(unix(&socket), ""));
    read_past(&mut here, "id: ");
    read_past(&mut there, "id: ");
    let position = publish(&store, "one");
    read_past(&mut here, "data: one");
    read_past(&mut there, "data: one");
    drop((here, there));
    publish(&store, "two");
    let (mut here, mut there) = (subscribe(tcp(), &position), subscribe(unix(&socket), &position));
    read_past(&mut here, "data: two");
    read_past(&mut there, "data: two");

    let mut samples = Samples::default();
    node.view().collect(&mut samples);
    let accepted = &samples.to_json()["fanfare_accepted_connections_total"];
    for listener in [address.to_string(), format!("unix:{}", socket.display())] {
        assert_eq!(accepted[&listener], 2.0, "{accepted}");
    }

    node.server().drain();
    for end in [here.read_to_end(&mut Vec::new()), there.read_to_end(&mut Vec::new())] {
        end.expect("an orderly end");
    }
    eventually("the end of both listeners", || {
        (!socket.exists() && TcpStream::connect(address).is_err()).then_some(())
    });
    node.shut_down();
}

#[test]
fn a_process_says_where_it_listens_and_takes_its_socket_along() {
    let directory = tempfile::tempdir().unwrap();
    let (file, socket) = file(directory.path(), "[redis]\nurl = \"redis://127.0.0.1:1\"");
    let serve = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.env_clear().args(["serve", "--admin-listen", "127.0.0.1:0", "--config"]).arg(&file);
        command
    };
    let mut node = Process::start(&mut serve());
    let admin = node.address("listening for operators");
    node.logged(&format!("address=unix:{}", socket.display()));
    let status: serde_json::Value = serde_json::from_str(&get(admin, "/status").1).unwrap();
    let listeners = &status["node"]["listeners"];
    assert_eq!(listeners[0], status["node"]["listen"]);
    assert_eq!(listeners[1], format!("unix:{}", socket.display()));

    let mut second = Process::start(&mut serve());
    second.logged(&format!("fanfare: cannot listen on unix:{}: a process listens there", socket.display()));
    assert_eq!(second.ended().code(), Some(1));
    assert!(unix(&socket).write_all(b"GET / HTTP/1.1\r\n").is_ok(), "the first one still has it");

    node.signal("KILL");
    node.ended();
    assert!(socket.exists(), "nobody has removed it");
    let mut node = Process::start(&mut serve());
    node.logged("listening for operators");
    assert!(unix(&socket).write_all(b"GET / HTTP/1.1\r\n").is_ok(), "what the dead one left is in nobody's way");
    node.signal("TERM");
    assert_eq!(node.ended().code(), Some(0), "{}", node.log());
    assert!(!socket.exists());
}
