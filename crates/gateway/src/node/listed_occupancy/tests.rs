use std::sync::{Mutex, MutexGuard};

use fanfare_log::{NodeLife, OccupancyAnswer};
use fanfare_protocol::Pattern;
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::*;

/// What a store does when it is asked, and what it was asked.
#[derive(Debug, Default)]
struct State {
    reads: Vec<Vec<String>>,
    takes: Duration,
    refuses: Option<OccupancyError>,
    readers: u64,
}

/// A store that says the same of each channel.
#[derive(Debug, Clone, Default)]
struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn reads(&self) -> Vec<Vec<String>> {
        self.state().reads.clone()
    }
}

impl OccupancyStore for Scripted {
    fn begin(&self, _: NodeLife, _: Option<NodeLife>) -> OccupancyAnswer<()> {
        unreachable!("the page writes nothing")
    }

    fn renew(&self, _: NodeLife) -> OccupancyAnswer<bool> {
        unreachable!("the page writes nothing")
    }

    fn write(&self, _: NodeLife, _: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        unreachable!("the page writes nothing")
    }

    fn keep(&self, _: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        unreachable!("the page writes nothing")
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        let mut state = self.state();
        state.reads.push(channels.iter().map(ToString::to_string).collect());
        let (takes, outcome) = (state.takes, state.refuses.clone().map_or(Ok(state.readers), Err));
        Box::pin(async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            outcome.map(|readers| vec![readers; channels.len()])
        })
    }

    fn end(&self, _: NodeLife, _: Vec<ChannelName>) -> OccupancyAnswer<()> {
        unreachable!("the page writes nothing")
    }
}

/// The list of a node that counts `chat:*`, over a store that says 7, on a clock that stands.
struct Scene {
    listed: Arc<ListedOccupancy>,
    store: Scripted,
}

impl Scene {
    fn new() -> Self {
        tokio::time::pause();
        let occupancy = Occupancy::new([(Pattern::parse("chat:*").unwrap(), true)]);
        let (listed, store) = (Arc::new(ListedOccupancy::new(occupancy)), Scripted::default());
        store.state().readers = 7;
        let (running, asked) = (Arc::clone(&listed), Arc::new(store.clone()));
        tokio::spawn(async move { running.run(asked).await });
        Self { listed, store }
    }

    /// What is listed of these channels, and whether it was waited for: never for longer than is allowed.
    async fn look(&self, channels: &[&str]) -> (Vec<ChannelOccupancy>, bool) {
        let one = |name: &&str| ChannelReaders { channel: ChannelName::parse(name).unwrap(), readers: 1 };
        // What is due on the store's thread happens first.
        for _ in 0..8 {
            yield_now().await;
        }
        let began = Instant::now();
        let listed = self.listed.list(channels.iter().map(one).collect()).await;
        let took = began.elapsed();
        // A timer's tick more.
        assert!(took <= OCCUPANCY_LISTED_WAIT + Duration::from_millis(1), "{took:?}");
        (listed.into_iter().map(|one| one.occupancy).collect(), !took.is_zero())
    }

    async fn occupancy(&self, channel: &str) -> ChannelOccupancy {
        self.look(&[channel]).await.0.remove(0)
    }
}

fn unknown(reason: &str) -> ChannelOccupancy {
    ChannelOccupancy::Unknown(reason.to_owned())
}

const KNOWN: ChannelOccupancy = ChannelOccupancy::Known(7);

// Seen to fail when each look asks, and when nobody is asked again.
#[tokio::test]
async fn the_store_is_asked_once_for_all_who_look_and_for_nobody_who_does_not() {
    let scene = Scene::new();
    advance(Duration::from_secs(60)).await;
    assert!(scene.store.reads().is_empty(), "nobody looks");
    let list = ["chat:1", "news", "chat:2"];
    let (one, other) = tokio::join!(scene.look(&list), scene.look(&list));
    assert_eq!(one, (vec![KNOWN, ChannelOccupancy::NotCounted, KNOWN], false));
    assert_eq!(other, one);
    advance(OCCUPANCY_LISTED_PAUSE / 2).await;
    scene.store.state().readers = 8;
    assert_eq!(scene.occupancy("chat:1").await, KNOWN);
    assert_eq!(scene.store.reads(), [["chat:1", "chat:2"]], "at once, and only those that are counted");
    advance(OCCUPANCY_LISTED_PAUSE / 2).await;
    assert_eq!(scene.occupancy("chat:1").await, ChannelOccupancy::Known(8));
    advance(Duration::from_secs(60)).await;
    assert_eq!(scene.store.reads().len(), 2, "nobody looks any more");
}

#[tokio::test]
async fn without_a_counted_channel_the_store_is_not_asked() {
    let scene = Scene::new();
    assert_eq!(scene.look(&["news"]).await.0, [ChannelOccupancy::NotCounted]);
    assert!(scene.look(&[]).await.0.is_empty() && scene.store.reads().is_empty());
}

#[tokio::test]
async fn a_channel_that_comes_into_the_list_is_unknown_until_the_store_is_asked_again() {
    let scene = Scene::new();
    assert_eq!(scene.occupancy("chat:1").await, KNOWN);
    let new = unknown("the store was asked before the channel was in the list");
    assert_eq!(scene.look(&["chat:1", "chat:2"]).await, (vec![KNOWN, new], false));
    advance(OCCUPANCY_LISTED_PAUSE).await;
    assert_eq!(scene.look(&["chat:1", "chat:2"]).await.0, [KNOWN, KNOWN]);
}

// Seen to fail when there is no bound on the wait, when it is waited for each time, and when an answer that is late is thrown away.
#[tokio::test]
async fn a_slow_store_keeps_the_page_waiting_once_and_briefly_and_its_numbers_are_shown_when_they_are_there() {
    let scene = Scene::new();
    scene.store.state().takes = Duration::from_secs(1);
    let late = (vec![unknown("the store has not answered yet")], true);
    assert_eq!(scene.look(&["chat:1"]).await, late);
    advance(Duration::from_secs(1)).await;
    assert_eq!(scene.look(&["chat:1"]).await, (vec![KNOWN], false));
    // Its number from before is shown while it is asked again.
    advance(OCCUPANCY_LISTED_PAUSE).await;
    for _ in 0..3 {
        assert_eq!(scene.look(&["chat:1"]).await, (vec![KNOWN], false));
    }
    assert_eq!(scene.store.reads().len(), 2);
}

// Seen to fail when a store that hangs is waited for each time, or without end, and with 0 in place of what is not known.
#[tokio::test]
async fn a_store_that_hangs_makes_the_number_unknown_and_the_page_no_later() {
    let scene = Scene::new();
    assert_eq!(scene.occupancy("chat:1").await, KNOWN);
    scene.store.state().takes = Duration::from_secs(3_600);
    advance(OCCUPANCY_LISTED_PAUSE).await;
    assert_eq!(scene.look(&["chat:1"]).await, (vec![KNOWN], true));
    advance(OCCUPANCY_LISTED_TIMEOUT).await;
    for _ in 0..10 {
        let hangs = unknown("the store is unavailable: no answer in 2 s");
        assert_eq!(scene.look(&["chat:1"]).await, (vec![hangs], false));
        advance(Duration::from_secs(1)).await;
    }
    scene.store.state().takes = Duration::ZERO;
    advance(OCCUPANCY_LISTED_TIMEOUT).await;
    scene.occupancy("chat:1").await;
    // Nobody waits for it; the next one has it.
    assert_eq!(scene.occupancy("chat:1").await, KNOWN);
}

#[tokio::test]
async fn what_the_store_refuses_is_told_in_its_own_words_until_it_does_not() {
    let scene = Scene::new();
    scene.store.state().refuses = Some(OccupancyError::Denied("NOPERM no hgetall".to_owned()));
    let refused = unknown("the store refuses: NOPERM no hgetall");
    assert_eq!(scene.look(&["chat:1"]).await, (vec![refused], false));
    scene.store.state().refuses = None;
    // Long afterwards: what was then says nothing of now.
    advance(Duration::from_secs(60)).await;
    assert_eq!(scene.look(&["chat:1"]).await, (vec![KNOWN], false));
}

// Seen to fail when any answer counts, however old.
#[tokio::test]
async fn a_number_of_an_hour_ago_is_not_shown() {
    let scene = Scene::new();
    assert_eq!(scene.occupancy("chat:1").await, KNOWN);
    scene.store.state().takes = Duration::from_secs(1);
    advance(Duration::from_secs(3_600)).await;
    assert_eq!(scene.occupancy("chat:1").await, unknown("the store has not answered yet"));
}
