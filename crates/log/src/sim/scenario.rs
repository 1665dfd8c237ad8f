//! Random scenarios and their end.

use std::time::Duration;

use super::world::{CALM, CHANNELS, Weather, World};

const STORM: Weather = Weather { faulty_pushes: 20, destruction: true, failing_reads: true, tiny_budget: true, ..CALM };
const STEPS: usize = 400;

/// Prints the seed when a run panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("\nrun it again with FANFARE_SEED={}", self.0);
        }
    }
}

/// Does something in as many worlds, each from its seed.
pub(super) fn run_with(seeds: u64, weather: Weather, act: impl Fn(&mut World)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = 0..seeds * number("FANFARE_SEEDS").unwrap_or(1);
    let seeds = number("FANFARE_SEED").map_or(seeds, |seed| seed..seed + 1);
    for seed in seeds {
        let _printed = Seed(seed);
        let mut world = World::new(seed, weather);
        act(&mut world);
    }
}

fn run(seeds: u64, weather: Weather, check: impl Fn(&World)) {
    run_with(seeds, weather, |world| {
        world.live();
        world.calm_down();
        check(world);
    });
}

impl World {
    fn live(&mut self) {
        // Every stream exists: a first entry without `prev` proves nothing to those who saw none.
        (0..CHANNELS).for_each(|channel| self.publish(channel));
        self.pass(Duration::from_millis(2));
        self.spoil_pushes();
        for _ in 0..STEPS {
            self.step();
        }
    }

    fn step(&mut self) {
        let channel = self.rng.below(CHANNELS);
        let client = self.rng.below(self.clients.len());
        let node = self.rng.below(self.nodes.len());
        match self.rng.below(100) {
            0..12 => self.publish(channel),
            12..16 if self.weather.plain => self.publish_plain(channel),
            12..18 => self.publish_ephemeral(channel),
            18..45 => self.run_node(node),
            45..70 => self.read(client),
            70..78 => self.connect(client),
            78..82 => self.disconnect(client),
            82..83 => self.restart_client(client),
            83..85 => self.beat(client),
            85..89 => {
                self.nodes[node].link.tend();
            }
            89..90 => self.nodes[node].link.disconnect(),
            90..94 => self.pass(Duration::from_millis(3)),
            94..95 => {
                let seconds = [5, 31, 70][self.rng.below(3)];
                self.pass(Duration::from_secs(seconds));
            }
            95..96 if self.weather.failing_reads => self.store.fail_reads(1 + channel),
            96..100 if self.weather.destruction => self.destroy(channel),
            96..98 if self.weather.evicting => self.evict(channel),
            _ => self.run_node(node),
        }
    }

    /// The trouble ends: every reader that is connected must get to the end of its stream, and then there is rest.
    fn calm_down(&mut self) {
        self.store.heal_pushes();
        self.store.fail_reads(0);
        (0..self.clients.len()).for_each(|client| self.connect(client));
        // Three intervals of the reconcile: the first finds what was lost, whatever it finds is repaired by the last.
        for _ in 0..110 {
            self.settle_down();
            self.pass(Duration::from_secs(1));
        }
        self.check_end();
        for channel in 0..CHANNELS {
            self.publish(channel);
        }
        self.settle_down();
        self.check_end();
        self.check_rest();
    }

    /// Everybody acts until nobody has anything to do.
    pub(super) fn settle_down(&mut self) {
        for _ in 0..200 {
            let mut busy = false;
            for node in 0..self.nodes.len() {
                self.nodes[node].link.tend();
                self.turn(node);
                while self.nodes[node].is_reading() {
                    busy = true;
                    self.work(node);
                }
                self.turn(node);
                (0..self.nodes[node].cores.len()).for_each(|core| self.sync(node, core));
            }
            for client in 0..self.readers.len() {
                busy |= self.readers[client].as_ref().is_some_and(|reader| reader.awake);
                self.read(client);
            }
            if !busy {
                return;
            }
        }
        panic!("somebody runs in circles");
    }

    fn check_end(&mut self) {
        for client in 0..self.readers.len() {
            self.beat(client);
            let Some(reader) = &mut self.readers[client] else { continue };
            let log = &self.nodes[reader.node].cores[reader.core];
            assert!(reader.is_live(log), "client {client} waits for ever: {:?}", reader.cursor);
            let truth = &self.truths[reader.channel];
            let client_saw = &self.clients[client].1;
            assert!(client_saw.has_all(truth), "client {client} believes to be live, {:?}", reader.cursor);
        }
    }

    /// Nothing happens any more, so the archive is asked for nothing but the regular comparison.
    fn check_rest(&mut self) {
        let reads = |world: &Self| {
            world.nodes.iter().map(|node| node.stats.page_reads.get() + node.stats.head_reads.get()).sum::<u64>()
        };
        let before = reads(self);
        for _ in 0..10 {
            self.pass(Duration::from_secs(4));
            self.settle_down();
        }
        assert_eq!(reads(self), before, "the archive is read though nothing happens");
    }

    fn gaps(&self) -> usize {
        self.clients.iter().map(|(_, client)| client.gaps()).sum()
    }
}

#[test]
fn without_destruction_nobody_ever_sees_a_gap() {
    let weather = Weather { faulty_pushes: 30, plain: true, failing_reads: true, tiny_budget: true, ..CALM };
    run(300, weather, |world| assert_eq!(world.gaps(), 0, "a false gap"));
}

#[test]
fn whatever_happens_a_reader_sees_a_contiguous_run_or_a_gap_and_gets_to_the_end() {
    run(300, Weather { plain: true, ..STORM }, |_| {});
    run(300, Weather { plain: true, tiny_budget: false, ..STORM }, |_| {});
    run(300, Weather { expiry: true, ..STORM }, |_| {});
    run(300, Weather { expiry: true, tiny_budget: false, ..STORM }, |_| {});
}

#[test]
fn on_a_store_that_evicts_nothing_is_lost_in_silence() {
    run(300, Weather { evicting: true, ..CALM }, |_| {});
}

#[test]
fn a_seed_repeats_to_the_letter() {
    let trace = || {
        let mut world = World::new(7, Weather { plain: true, ..STORM });
        world.trace = Some(Vec::new());
        world.live();
        world.calm_down();
        world.trace.take().unwrap()
    };
    assert_eq!(trace(), trace());
}
