//! A client that was away for a day from a channel without a stream, which is what its position says.

use fanfare_e2e::{Client, Ledger, Node, Publisher, RedisServer, Subscribe};

const DAY_MS: u64 = 86_400_000;

/// What such a client holds, made older by a day: `~`, a time, `.` and the epoch.
fn a_day_ago(position: &str) -> String {
    let parts = position.strip_prefix('~').and_then(|position| position.split_once('.'));
    let (at_ms, epoch) = parts.unwrap_or_else(|| panic!("no absence: {position}"));
    format!("~{}.{epoch}", at_ms.parse::<u64>().expect("a time") - DAY_MS)
}

/// The events and the gaps that it gets from a node that is started with a file; one event is published when it is back.
fn comes_back(configuration: &str) -> (Vec<String>, Vec<String>) {
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), configuration).expect("written");
    let argument = format!("--config={}", file.path().display());
    let node = Node::builder(&redis).argument(&argument).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut first = Client::open(node.address(), Subscribe::to("user:1"));
    first.read_until("a place", |client| !client.last_event_id().is_empty());
    let position = a_day_ago(first.last_event_id());
    first.disconnect();
    let mut client = Client::remembering(Subscribe::to("user:1"), &position);
    client.connect(node.address()).expect("connected");
    publisher.fcall_many("user:1", 0..1, &[]);
    client.read_data("user:1 0");
    let gaps = client.gaps().iter().map(|gap| gap.reason.clone()).collect();
    (client.data().iter().map(|data| (*data).to_owned()).collect(), gaps)
}

// Seen to fail before there was a promise: each laptop that woke got a gap.
#[test]
fn hears_of_no_gap_where_the_operator_promises_a_longer_life() {
    let (events, gaps) = comes_back("[[channels]]\nmatch = \"user:*\"\nmin_life = \"7d\"\n");
    assert_eq!((events, gaps), (vec!["user:1 0".to_owned()], Vec::<String>::new()));
}

#[test]
fn hears_of_one_where_nothing_is_promised() {
    let (events, gaps) = comes_back("[[channels]]\nmatch = \"order:*\"\nmin_life = \"7d\"\n");
    assert_eq!((events, gaps), (vec!["user:1 0".to_owned()], vec!["reset".to_owned()]));
}
