use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_log::memory::MemoryStore;
use fanfare_log::occupancy::{NodeLife, OccupancyAnswer, Reporter};
use fanfare_log::{Options, Random};
use fanfare_protocol::Pattern;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::scene;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Takes nothing, as Redis at its `maxmemory`, and answers who asks when it may.
#[derive(Debug, Clone)]
struct Full {
    answers: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl Full {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn refused<T: Send + 'static>() -> OccupancyAnswer<T> {
    Box::pin(async { Err(OccupancyError::Denied("OOM".into())) })
}

impl OccupancyStore for Full {
    fn begin(&self, _: NodeLife, _: Option<NodeLife>) -> OccupancyAnswer<()> {
        refused()
    }

    fn renew(&self, _: NodeLife) -> OccupancyAnswer<bool> {
        refused()
    }

    fn write(&self, _: NodeLife, _: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        refused()
    }

    fn keep(&self, _: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        refused()
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            answers.acquire().await.unwrap().forget();
            Ok(vec![0; channels.len()])
        })
    }

    fn end(&self, _: NodeLife, _: Vec<ChannelName>) -> OccupancyAnswer<()> {
        refused()
    }
}

/// Counts of all channels over such a store, and what a thread counts of requests.
struct Scene {
    store: Full,
    counts: Counts,
    stats: HttpStats,
    occupancy: Occupancy,
}

impl Scene {
    /// With so many answers that the store may give.
    fn new(answers: usize) -> Arc<Self> {
        let store = Full { answers: Arc::new(Semaphore::new(answers)), asked: Arc::default() };
        let occupancy = Occupancy::new([(Pattern::parse("*").unwrap(), true)]);
        let options = OccupancyOptions { occupancy: occupancy.clone(), store: Arc::new(store.clone()) };
        let (counts, stats) = (Counts::new(options, Instant::now()), HttpStats::default());
        Arc::new(Self { store, counts, stats, occupancy })
    }

    async fn ask(&self, payer: u64, channel: &str) -> Result<Answer, Problem> {
        let (payer, channel) = (NonZeroU64::new(payer).unwrap(), ChannelName::parse(channel).unwrap());
        self.counts.answer(payer, channel, &self.stats).await
    }
}

// Seen to fail when the store is asked all the same: 0 for a channel that this node's own sessions read.
#[test]
fn what_the_store_does_not_take_is_not_answered_for_it() {
    scene::run(async {
        tokio::time::pause();
        let scene = Scene::new(1_000);
        let reporter = Reporter::new(scene.occupancy.clone(), Arc::new(scene.store.clone()), Random::seeded(1));
        scene::spawn(reporter.run(pending()));
        let options = Options { occupancy: scene.occupancy.clone(), ..Options::default() };
        let core = scene::core(&MemoryStore::default(), options);
        assert!(scene.ask(1, "chat:a").await.is_ok(), "nobody reads it here");
        let name = ChannelName::parse("chat:a").unwrap();
        let _open = core.log.open(&name, None, core.sessions.insert(), Payer::of(1)).unwrap();
        sleep(Duration::from_secs(3)).await;
        assert!(scene.ask(1, "chat:a").await.is_err());
    });
}

// Seen to fail when each has the store asked.
#[tokio::test(start_paused = true)]
async fn who_asks_for_the_same_at_the_same_time_is_answered_by_one_ask_and_only_that_one_pays() {
    let scene = Scene::new(200);
    for number in 0..OCCUPANCY_ASKS_AT_ONCE_MAX {
        assert!(scene.ask(2, &number.to_string()).await.is_ok());
    }
    let asked = scene.store.asked();
    assert_eq!(scene.ask(2, "a").await.unwrap_err().kind, Kind::TooManyCounts);
    let mut all = JoinSet::new();
    // More than there are places.
    for payer in [1].into_iter().chain([2; 1_000]) {
        let scene = Arc::clone(&scene);
        all.spawn(async move { scene.ask(payer, "a").await });
    }
    sleep(MILLISECOND).await;
    scene.store.answers.add_permits(1_000);
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!((scene.store.asked() - asked, scene.stats.refused_counts.get()), (1, 1));
}

// Seen to fail when those who wait are refused.
#[tokio::test(start_paused = true)]
async fn when_who_asked_has_gone_another_one_asks() {
    let scene = Scene::new(0);
    let mut first = Box::pin(scene.ask(1, "a"));
    let mut second = pin!(scene.ask(2, "a"));
    assert!(timeout(MILLISECOND, &mut first).await.is_err() && timeout(MILLISECOND, &mut second).await.is_err());
    assert_eq!(scene.store.asked(), 1);
    drop(first);
    scene.store.answers.add_permits(1);
    assert!(second.await.is_ok());
    assert_eq!(scene.store.asked(), 2);
}

// Seen to fail without the rate, and when it is everybody's.
#[tokio::test(start_paused = true)]
async fn a_payer_has_the_store_asked_as_often_as_comes_back_and_others_are_not_refused_for_it() {
    let scene = Scene::new(100_000);
    for number in 0..10_000 {
        drop(scene.ask(1, &number.to_string()).await);
    }
    let most = OCCUPANCY_ASKS_AT_ONCE_MAX as usize;
    assert_eq!((scene.store.asked(), scene.stats.refused_counts.get()), (most, 10_000 - most as u64));
    assert!(scene.ask(2, "a").await.is_ok());
    let refused = scene.ask(1, "a").await.unwrap_err();
    assert_eq!((refused.kind, refused.retry_after), (Kind::TooManyCounts, Some(Duration::from_secs(1))));
    sleep(OCCUPANCY_ASK_PAUSE).await;
    assert!(scene.ask(1, "a").await.is_ok());
}
