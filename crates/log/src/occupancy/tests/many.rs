//! What a hundred thousand channels cost the store and the reporter: nothing where they are not counted, and a known number of commands
//! where they are and nobody asks.

use std::sync::Mutex;

use fanfare_protocol::limits::{OCCUPANCY_BATCH_MAX, OCCUPANCY_KEEP_SECONDS};

use super::*;

const CHANNELS: usize = 100_000;
const BATCHES: usize = CHANNELS.div_ceil(OCCUPANCY_BATCH_MAX);

/// What a store was asked: calls about lives, and channels that were named in the others, with the calls that named them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Asked {
    lives: u32,
    renewals: u32,
    written: (usize, usize),
    kept: (usize, usize),
    read: (usize, usize),
}

/// A store that counts what it is asked, and answers as the in-process one.
#[derive(Debug, Default, Clone)]
struct CountingStore {
    store: MemoryStore,
    asked: Arc<Mutex<Asked>>,
}

impl CountingStore {
    /// Since the last call.
    fn take(&self) -> Asked {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn note(&self, note: impl FnOnce(&mut Asked)) {
        note(&mut self.asked.lock().unwrap());
    }
}

fn one_more((channels, calls): &mut (usize, usize), named: usize) {
    assert!(named <= OCCUPANCY_BATCH_MAX, "{named} channels in a call");
    *channels += named;
    *calls += 1;
}

impl OccupancyStore for CountingStore {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.note(|asked| asked.lives += 1);
        self.store.begin(life, former)
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.note(|asked| asked.renewals += 1);
        self.store.renew(life)
    }

    fn write(&self, life: NodeLife, readers: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        self.note(|asked| one_more(&mut asked.written, readers.len()));
        self.store.write(life, readers)
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.note(|asked| one_more(&mut asked.kept, channels.len()));
        self.store.keep(channels)
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.note(|asked| one_more(&mut asked.read, channels.len()));
        OccupancyStore::read(&self.store, channels)
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.note(|asked| asked.lives += 1);
        self.store.end(life, channels)
    }
}

/// A node that counts `chat:*`, and has a reader on each of a hundred thousand channels with this beginning.
struct Crowd {
    log: CoreLog,
    occupancy: Occupancy,
    readers: Vec<(ViewKey, Cursor)>,
    stop: oneshot::Sender<()>,
    reporting: JoinHandle<()>,
}

impl Crowd {
    #[expect(clippy::disallowed_methods, reason = "a test's own tasks")]
    fn open(store: &CountingStore, beginning: &str) -> Self {
        let occupancy = counted(&[("chat:*", true)]);
        let log = CoreLog::new(Arc::new(Hub::with_places(1, 2 * CHANNELS).counting(occupancy.clone())), 0);
        let (stop, stopped) = oneshot::channel();
        let reporter = Reporter::new(occupancy.clone(), Arc::new(store.clone()), Random::seeded(1));
        let reporting = tokio::spawn(reporter.run(async { drop(stopped.await) }));
        let open = |number| log.open(name(&format!("{beginning}{number}")), None, 0, Payer::of(1)).unwrap();
        let readers = (0..CHANNELS).map(open).collect();
        Self { log, occupancy, readers, stop, reporting }
    }

    fn close(&mut self) {
        for (view, cursor) in self.readers.drain(..) {
            self.log.close(view, &cursor);
        }
    }

    /// What the reporter has to look at or to keep: places for tallies and names, changes, and channels that are watched.
    fn kept(&self) -> (usize, usize, usize) {
        let tallies = self.occupancy.lock();
        (tallies.reserved(), tallies.changed_len(), tallies.watched_len())
    }
}

// Seen to fail when a channel that matches no pattern is counted.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_channels_that_are_not_counted_cost_nothing() {
    let store = CountingStore::default();
    let mut crowd = Crowd::open(&store, "news:");
    assert!(crowd.readers.iter().all(|(view, _)| crowd.log.tally(*view).is_none()), "a view has something to count");
    sleep(200 * SECOND).await;
    assert_eq!((store.take(), crowd.kept()), (Asked::default(), (0, 0, 0)), "while they are read");
    crowd.close();
    sleep(200 * SECOND).await;
    drop(crowd.stop);
    crowd.reporting.await.unwrap();
    let stats = crowd.occupancy.stats();
    assert_eq!(store.take(), Asked::default(), "when they are left, and when the node stops");
    assert_eq!((stats.lives.get(), stats.rounds.get(), stats.written.get(), stats.asked.get()), (0, 0, 0, 0));
}

// Seen to fail when channels are renewed twice as often.
#[tokio::test(start_paused = true)]
async fn counted_channels_of_which_nobody_asks_are_written_once_and_looked_at_every_forty_seconds() {
    let store = CountingStore::default();
    let crowd = Crowd::open(&store, "chat:");
    sleep(2 * SECOND).await;
    let first = store.take();
    assert_eq!((first.lives, first.written), (1, (CHANNELS, BATCHES)), "each is written once");
    // In each second a fortieth of the channels, in pieces of 256: 2,500 in ten.
    let (period, pieces) = (OCCUPANCY_KEEP_SECONDS as usize, 10);
    sleep(Duration::from_secs(2 * OCCUPANCY_KEEP_SECONDS)).await;
    let then = store.take();
    assert_eq!((then.lives, then.written), (0, (0, 0)), "nothing has changed");
    assert_eq!((then.kept, then.read), ((2 * CHANNELS, 2 * period * pieces), (2 * CHANNELS, 2 * period * pieces)));
    // One for the life in 0.45 s.
    assert!((150..=180).contains(&then.renewals), "{} renewals in 80 s", then.renewals);
    assert_eq!((crowd.occupancy.stats().asked.get(), crowd.occupancy.channels()), (0, (CHANNELS, 0)));
}
