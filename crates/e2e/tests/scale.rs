//! Many at once: channels, and clients that come back together.

use fanfare_e2e::{Client, Expect, Ledger, Node, Publisher, RedisServer, Subscribe, check, eventually};

// Seen to fail when only the first batch of subscriptions is sent.
#[test]
fn two_thousand_channels_are_followed_and_each_reader_hears_its_own() {
    let redis = RedisServer::start();
    let node = Node::start(&redis);
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let names = |client: usize| (0..50).map(move |index| format!("c{client}-{index}")).collect::<Vec<_>>();
    let mut clients: Vec<Client> = (0..40)
        .map(|client| {
            let names = names(client);
            Client::open(node.address(), Subscribe::to_all(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        })
        .collect();
    assert_eq!(node.metric("fanfare_channels", ""), Some(2000.0));
    for client in 0..40 {
        names(client).iter().for_each(|channel| drop(publisher.fcall(channel, &format!("{channel} 0"))));
    }
    for (index, client) in clients.iter_mut().enumerate() {
        client.read_until("an event of each channel", |client| client.events().count() == 50);
        for channel in names(index) {
            check(client, &ledger, &channel, &Expect::everything().starting_after(0)).assert_kept();
        }
    }
}

// Seen to fail when a page serves only those at its beginning.
#[test]
fn a_crowd_that_comes_back_together_is_caught_up_by_a_handful_of_reads() {
    let redis = RedisServer::start();
    let (near, far) = (Node::start(&redis), Node::start(&redis));
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut clients: Vec<Client> = (0..300).map(|_| Client::open(near.address(), Subscribe::to("c"))).collect();
    publisher.fcall_many("c", 0..10, &[]);
    for (index, client) in clients.iter_mut().enumerate() {
        // Each stops at another place.
        client.read_until("some events", |client| client.events().count() > index % 10);
        client.disconnect();
    }
    publisher.fcall_many("c", 10..110, &[]);
    for client in &mut clients {
        client.connect(far.address()).expect("the node accepts");
    }
    for client in &mut clients {
        client.read_data("c 109");
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
    let reads = eventually("the reads to be counted", || far.metric("fanfare_archive_reads_total", ""));
    assert!(reads <= 8.0, "{reads} reads of the archive for 300 clients that were at 10 places");
}

// Seen to fail when the size limit is off.
#[test]
fn an_event_of_the_largest_size_arrives_whole() {
    let redis = RedisServer::start();
    let node = Node::start(&redis);
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let largest = "é".repeat(512 * 1024);
    publisher.fcall("c", &largest);
    publisher.fcall("c", "after");
    client.read_data("after");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
    let id = publisher.on_key("XADD", "c", &["*", "data", &format!("{largest}x")]).text();
    ledger.record_too_large("c", &id);
    publisher.ring("c");
    publisher.fcall("c", "the end");
    client.read_data("the end");
    check(&client, &ledger, "c", &Expect::everything().with_gaps(&["too_large"])).assert_kept();
}
