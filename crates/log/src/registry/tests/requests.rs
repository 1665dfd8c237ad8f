//! How often a registry asks, driven by hand under made-up instants.

use std::time::Duration;

use fanfare_protocol::{ChannelName, EntryId, Epoch, GapReason, LogName, Position};

use super::super::*;
use crate::archive::{ArchiveError, Tip};
use crate::core_log::CoreLog;
use crate::feed::{FeedBatch, FeedEvent, FeedId};
use crate::payer::Payer;
use crate::tail::Item;
use crate::view::Next;

const INTERVAL: Duration = Duration::from_secs(30);
const EPOCH: Epoch = Epoch::from_bits(7);

struct Scene {
    registry: Registry,
    hub: Arc<Hub>,
    began: Instant,
    now: Instant,
    /// Whether the streams exist.
    present: bool,
    /// What the archive answers instead.
    failure: Option<ArchiveError>,
    /// Requests so far.
    requests: usize,
}

impl Scene {
    /// Follows so many channels, acknowledged and primed.
    fn of(channels: usize, present: bool) -> (Self, CoreLog) {
        Self::with(&Options::default(), channels, present)
    }

    fn with(options: &Options, channels: usize, present: bool) -> (Self, CoreLog) {
        let now = Instant::now();
        let hub = Arc::new(Hub::new(1));
        let options = Options { reconcile_interval: INTERVAL, ..options.clone() };
        let registry =
            Registry::new(options, Arc::clone(&hub), vec![Desired::new()], Arc::default(), Random::seeded(1), now);
        let core = CoreLog::new(Arc::clone(&hub), 0);
        let names: Vec<_> =
            (0..channels).map(|n| LogName::from(ChannelName::parse(&format!("c{n}")).unwrap())).collect();
        for name in &names {
            core.open(name, None, 0, Payer::NODE).unwrap();
        }
        let mut scene = Self { registry, hub, began: now, now, present, failure: None, requests: 0 };
        let mut touched = Vec::new();
        scene.hub.take_touched(&mut touched);
        scene.registry.on_touched(&touched, now);
        let events = [FeedEvent::Connected, FeedEvent::Subscribed(names)];
        scene.registry.on_feed(FeedBatch::of(FeedId::FIRST, events), now);
        assert_eq!(scene.turn(), channels, "each is primed by one tip");
        (scene, core)
    }

    /// Ends a turn and answers what was asked. Returns the number of channels asked about.
    fn turn(&mut self) -> usize {
        let mut asked = 0;
        for command in self.registry.end_turn(self.now) {
            let Command::Tips { keys, .. } = command else { panic!("nothing but tips is needed: {command:?}") };
            asked += keys.len();
            self.requests += 1;
            let now_ms = 1_000_000 + u64::try_from((self.now - self.began).as_millis()).unwrap_or_default();
            let position = match self.present {
                true => Position::At(EntryId { ms: 1, seq: 0 }),
                false => Position::Absent { at_ms: now_ms, epoch: EPOCH },
            };
            let tip = Tip { position, now_ms, epoch: EPOCH, evicts: false, min_life: crate::MinLife::LEAST };
            let tip = self.failure.clone().map_or(Ok(tip), Err);
            self.registry.on_tips(&keys, Ok(keys.iter().map(|_| tip.clone()).collect()), self.now);
        }
        asked
    }

    /// Lets time pass in small steps. Returns the number of channels asked about.
    fn pass(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut asked = 0;
        while self.now < end {
            self.now += Duration::from_millis(200);
            self.registry.on_time(self.now);
            asked += self.turn();
        }
        asked
    }

    /// The same, from one deadline of the registry to the next, as the ingest does; a timer is a millisecond late.
    fn pass_by_deadlines(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut asked = 0;
        while self.registry.deadline() < end {
            self.now = self.now.max(self.registry.deadline() + Duration::from_millis(1));
            self.registry.on_time(self.now);
            asked += self.turn();
        }
        asked
    }
}

#[test]
fn every_channel_is_compared_once_in_an_interval_however_few_there_are() {
    for channels in [1, 3, 33, 200] {
        let (mut scene, _core) = Scene::of(channels, true);
        let asked = scene.pass(INTERVAL * 10);
        assert!(
            (8 * channels..=13 * channels).contains(&asked),
            "{channels} channels were asked {asked} times in 10 intervals"
        );
    }
}

/// Seen to fail without the seam, and with one for every failed read.
#[test]
fn readers_are_told_once_when_the_key_turns_into_another_type_and_again_after_it_was_a_stream() {
    let (mut scene, core) = Scene::of(1, true);
    let (view, mut cursor) = core.open(LogName::from(ChannelName::parse("c0").unwrap()), None, 0, Payer::NODE).unwrap();
    core.sync(|_, _| {}, |_| {});
    assert!(core.resolve_start(view, &mut cursor));
    let told = |scene: &Scene| scene.registry.resources.stats.seams.of(GapReason::Reset).get();
    scene.pass(INTERVAL * 2);
    assert_eq!(told(&scene), 0);

    scene.failure = Some(ArchiveError::WrongType);
    scene.pass(INTERVAL * 4);
    assert_eq!(told(&scene), 1);
    core.sync(|_, _| {}, |_| {});
    let head = Position::At(EntryId { ms: 1, seq: 0 });
    let is_told = core.next(view, &mut cursor, |cursor, _, next| match next {
        Next::Tail(tail, index) => match tail.get(index) {
            Some(Item::Seam(seam)) => (seam.reason, seam.after, seam.resume) == (GapReason::Reset, head, head),
            other => panic!("{other:?} at {cursor:?}"),
        },
        other => panic!("{other:?}"),
    });
    assert!(is_told);

    scene.failure = None;
    scene.pass(INTERVAL * 2);
    assert_eq!(told(&scene), 1, "the same stream is back: nothing was missed");
    scene.failure = Some(ArchiveError::WrongType);
    scene.pass(INTERVAL * 2);
    assert_eq!(told(&scene), 2);
}

#[test]
fn an_absence_is_renewed_long_before_it_is_too_old_to_prove_anything() {
    let (mut scene, _core) = Scene::of(1, false);
    let asked = scene.pass(Duration::from_secs(300));
    assert!((24..=50).contains(&asked), "asked {asked} times in 300 s");
}

// Seen to fail when each absence is renewed at a moment of its own.
#[test]
fn many_absences_are_renewed_at_common_moments_by_a_few_requests() {
    let (mut scene, _core) = Scene::of(500, false);
    let before = scene.requests;
    let asked = scene.pass_by_deadlines(Duration::from_secs(60));
    let requests = scene.requests - before;
    assert!(asked >= 4 * 500, "each of 500 absences was renewed {} times in 60 s", asked / 500);
    // 32 moments in ten seconds, and 32 sweeps in an interval.
    assert!((60..=300).contains(&requests), "{requests} requests for {asked} comparisons");
}

// Seen to fail when only the retry timer ends a rest: nothing is asked for seconds after the store is back.
#[test]
fn a_channel_rests_no_longer_when_its_subscription_is_acknowledged() {
    let (mut scene, _core) = Scene::of(3, true);
    let names: Vec<_> = (0..3).map(|n| LogName::from(ChannelName::parse(&format!("c{n}")).unwrap())).collect();
    scene.failure = Some(ArchiveError::Timeout);
    scene.pass(INTERVAL * 2);
    scene.failure = None;
    let back = [FeedEvent::Disconnected, FeedEvent::Connected, FeedEvent::Subscribed(names)];
    scene.registry.on_feed(FeedBatch::of(FeedId::FIRST, back), scene.now);
    assert_eq!(scene.turn(), 3, "each is compared at once");
}

// Seen to fail when any two probes that come back count, and when the answer alone is believed: the doorbell comes too late then, and what it tells of is lost without a gap.
#[test]
fn an_expiry_is_believed_when_the_feed_has_proven_to_be_past_it() {
    let (mut scene, core) = Scene::with(&Options { feed_lags: true, ..Options::default() }, 1, true);
    let name = LogName::from(ChannelName::parse("c0").unwrap());
    let feed = |scene: &mut Scene, event| scene.registry.on_feed(FeedBatch::of(FeedId::FIRST, [event]), scene.now);
    let head = |core: &CoreLog| {
        core.take_over(|_, _| {});
        core.head(0).unwrap()
    };
    scene.present = false;
    while scene.pass(Duration::from_millis(200)) == 0 {}
    let looked_at = scene.now;
    assert_eq!(head(&core), Position::At(EntryId { ms: 1, seq: 0 }), "a message may be on the way");
    // Each of these had left Redis before the message did.
    for before in [INTERVAL, INTERVAL / 2, Duration::ZERO] {
        let began = looked_at - before;
        feed(&mut scene, FeedEvent::Probe { began });
        assert_eq!(scene.turn(), 0, "that probe began before");
        assert!(!head(&core).is_absent());
    }
    let began = looked_at + Duration::from_millis(1);
    feed(&mut scene, FeedEvent::Probe { began });
    assert_eq!(scene.turn(), 1, "now it is looked at again");
    assert!(head(&core).is_absent());

    let (mut scene, _core) = Scene::with(&Options { feed_lags: true, ..Options::default() }, 1, true);
    scene.present = false;
    scene.pass(INTERVAL * 5 / 4);
    feed(&mut scene, FeedEvent::Push { channel: name, push: Push::Doorbell });
    let commands = scene.registry.end_turn(scene.now);
    assert!(
        matches!(commands[..], [Command::Head { .. }]),
        "the event was on the way: the head is read, and sealed: {commands:?}"
    );
}
