//! Everything at once: clients that are cut at random, slow ones, several kinds of producers, trimming, killed
//! connections, two nodes. Whatever happens, each client's story holds together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanfare_e2e::{Client, Expect, Ledger, Node, Publisher, RedisServer, Subscribe, check, pace};

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const LENGTH: Duration = Duration::from_secs(8);

/// A small generator: no test needs better (Marsaglia, "Xorshift RNGs", 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Publishes with a short memory, by the function and by plain commands in turn.
fn produce(redis: &RedisServer, ledger: &Ledger, stop: &Arc<AtomicBool>, producer: u64) -> std::thread::JoinHandle<()> {
    let mut publisher = Publisher::new(redis, ledger);
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let mut dice = Dice(producer * 7919 + 1);
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let channel = CHANNELS[dice.below(3) as usize];
            let data = format!("{channel} {producer} {number}");
            if producer.is_multiple_of(2) {
                publisher.fcall_with(channel, &data, &["MAXLEN", "150"]);
            } else {
                publisher.multi(channel, &data);
            }
            pace(Duration::from_micros(500 + dice.below(3000)));
        }
    })
}

/// Reads, hangs up or resets, stays away, comes back on either node.
fn wander(mut client: Client, nodes: [std::net::SocketAddr; 2], until: Instant, seed: u64) -> Client {
    let mut dice = Dice(seed);
    while Instant::now() < until {
        let wanted = dice.below(60) as usize;
        let goal = client.seen().len() + wanted;
        let deadline = Instant::now() + Duration::from_millis(300);
        while client.connected() && client.seen().len() < goal && Instant::now() < deadline {
            client.next(Duration::from_millis(50));
        }
        match dice.below(3) {
            0 => client.abort(),
            _ => client.disconnect(),
        }
        // Mostly a moment; sometimes so long that its place is trimmed meanwhile.
        let away = if dice.below(6) == 0 { dice.below(900) } else { dice.below(30) };
        pace(Duration::from_millis(away));
        client.connect(nodes[dice.below(2) as usize]).expect("the node accepts");
    }
    client
}

// Seen to fail when a page is served without its proof.
#[test]
fn clients_that_are_cut_at_random_see_contiguous_runs_or_are_told_of_gaps() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let small = || {
        Node::builder(&redis)
            .set("tail.channel_entries", "32")
            .set("channel.linger", "0s")
            .set("redis.probe_interval", "200ms")
            .set("redis.probe_timeout", "500ms")
            .launch()
    };
    let nodes = [small(), small()];
    nodes.iter().for_each(Node::wait_ready);
    let addresses = [nodes[0].address(), nodes[1].address()];
    let clients: Vec<Client> = (0..24)
        .map(|index| match index % 4 {
            0 => Client::open(addresses[0], Subscribe::to_all(&CHANNELS)),
            kind => Client::open(addresses[0], Subscribe::to(CHANNELS[kind - 1])),
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..4).map(|producer| produce(&redis, &ledger, &stop, producer)).collect();
    let until = Instant::now() + LENGTH;
    let wanderers: Vec<_> = clients
        .into_iter()
        .zip(1u64..)
        .map(|(client, seed)| std::thread::spawn(move || wander(client, addresses, until, seed * 104_729)))
        .collect();
    let mut control = redis.connection();
    while Instant::now() < until {
        pace(Duration::from_millis(700));
        control.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
    }
    let clients: Vec<Client> = wanderers.into_iter().map(|thread| thread.join().expect("a client")).collect();
    stop.store(true, Ordering::Relaxed);
    producers.into_iter().for_each(|producer| producer.join().expect("a producer finishes"));
    judge(&redis, &ledger, clients);
}

fn judge(redis: &RedisServer, ledger: &Ledger, clients: Vec<Client>) {
    let mut publisher = Publisher::new(redis, ledger);
    for channel in CHANNELS {
        publisher.fcall_with(channel, &format!("{channel} end"), &["MAXLEN", "150"]);
        let kept = publisher.on_key("XLEN", channel, &[]).integer();
        let kept = usize::try_from(kept).expect("a length");
        ledger.trim_oldest(channel, ledger.entries(channel).len() - kept);
    }
    let (mut events, mut gaps) = (0, 0);
    for mut client in clients {
        let channels = client.channels().to_vec();
        let ends: Vec<String> = channels.iter().map(|channel| format!("{channel} end")).collect();
        client.read_until("the last event of each channel", |client| {
            let data = client.data();
            ends.iter().all(|end| data.contains(&end.as_str()))
        });
        for channel in &channels {
            let expect = Expect::everything().with_justified_gaps();
            let expect = if channels.len() > 1 { expect.starting_after(0) } else { expect };
            let verdict = check(&client, ledger, channel, &expect);
            verdict.assert_kept();
            events += verdict.events;
            gaps += verdict.gaps.len();
        }
    }
    assert!(events > 10_000, "only {events} events were seen: this run proves little");
    assert!(gaps > 0, "nobody was away for long enough to miss anything: this run proves little");
    println!("{events} events and {gaps} gaps were judged");
}
