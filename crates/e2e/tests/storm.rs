//! A storm of reconnects: everybody comes back at once, to a node that has nothing in memory.

use fanfare_e2e::{Client, Expect, Ledger, Node, Publisher, RedisServer, Subscribe, check};

const ENTRIES: usize = 1000;
const CLIENTS: usize = 300;

#[test]
fn a_crowd_that_resumes_at_scattered_places_is_served_by_a_handful_of_reads() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    // Nobody reads on it while the events are published, so that its tail will begin at the end of the stream.
    let node = Node::builder(&redis)
        .set("archive.page_bytes", "16KiB")
        .set("redis.probe_timeout", "30s")
        .set("admin.ready_probe_age", "60s")
        .set("redis.command_timeout", "30s")
        .set("delivery.subscribe_timeout", "30s")
        .start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let filler = "x".repeat(200);
    let data: Vec<String> = (0..ENTRIES).map(|number| format!("c {number} {filler}")).collect();
    let ids = publisher.fcall_all("c", &data, &[]);
    // While Redis stands still the channel cannot open. So all of them want to read at the same moment.
    redis.freeze();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|client| Client::remembering(Subscribe::to("c"), &ids[client * (ENTRIES - 10) / CLIENTS]))
        .collect();
    for client in &mut clients {
        client.connect(node.address()).expect("the node accepts");
    }
    redis.thaw();
    let last = &data[ENTRIES - 1];
    for (number, client) in clients.iter_mut().enumerate() {
        client.read_data(last);
        let verdict = check(client, &ledger, "c", &Expect::everything());
        verdict.assert_kept();
        assert_eq!(verdict.events, ENTRIES - 1 - number * (ENTRIES - 10) / CLIENTS);
    }
    // About 270 KiB in pages of 16 KiB; every client for itself would need some 2,600 reads.
    let reads = node.metric("fanfare_archive_reads_total", "purpose=\"page\"").expect("a metric");
    assert!((10.0..=40.0).contains(&reads), "{reads} reads of pages");
}
