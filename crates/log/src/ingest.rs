//! The ingest: the one task of the node that owns the registry and speaks with the feed and the archive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits::TURN_AT_LEAST;
use tokio::task::{JoinError, JoinSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::archive::{Archive, ArchiveError, NewestRead, Snapshot, Tip};
use crate::channel::Hub;
use crate::feed::FeedSource;
use crate::registry::{Command, Registry};

/// The longest turn is told of this time, and of as much before it.
const LONGEST_TURN_OF: Duration = Duration::from_secs(60);

enum Answer {
    Tips(Vec<usize>, Result<Vec<Result<Tip, ArchiveError>>, ArchiveError>),
    Head(usize, Result<Snapshot, ArchiveError>),
    Page(usize, Result<Snapshot, ArchiveError>),
    Newest(usize, Result<NewestRead, ArchiveError>),
}

/// The ingest of one node.
#[derive(Debug)]
pub struct Ingest {
    registry: Registry,
    hub: Arc<Hub>,
    feed: FeedSource,
}

impl Ingest {
    pub(crate) fn new(registry: Registry, hub: Arc<Hub>, feed: FeedSource) -> Self {
        Self { registry, hub, feed }
    }

    /// Runs until `stop` resolves. What the feed brought is taken in before reads are started, so that doorbells of one turn cost
    /// one read; but no more of it in a turn than leaves time for everything else.
    pub async fn run<A: Archive>(self, archive: A, stop: impl Future<Output = ()>) {
        let Self { mut registry, hub, mut feed } = self;
        let mut stop = std::pin::pin!(stop);
        let mut reads: JoinSet<Answer> = JoinSet::new();
        let mut answers = Answers::default();
        let mut touched = Vec::new();
        let stats = Arc::clone(registry.stats());
        let mut turns = interval(TURN_AT_LEAST);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut longest = LongestTurn::default();
        loop {
            let deadline = registry.deadline();
            let mut batch = None;
            tokio::select! {
                // The order decides nothing: whatever is ready is taken in below, whichever of these ended the wait.
                biased;
                () = &mut stop => break,
                brought = feed.recv() => batch = Some(brought),
                () = hub.touched() => {}
                Some(answer) = reads.join_next() => answers.add(answer, feed.arrived()),
                () = sleep_until(deadline) => {}
                // Operators see by the count of turns that the loop is not stuck.
                _ = turns.tick() => {}
            }
            stats.turns.add(1);
            let now = Instant::now();
            if let Some(batch) = batch {
                registry.on_feed(batch, now);
            }
            hub.take_touched(&mut touched);
            registry.on_touched(&touched, now);
            touched.clear();
            while let Some(answer) = reads.try_join_next() {
                answers.add(answer, feed.arrived());
            }
            while let Some(answer) = answers.next(feed.told()) {
                take_answer(&mut registry, answer);
            }
            registry.on_time(now);
            for command in registry.end_turn(now) {
                start(&mut reads, &archive, command);
            }
            let took = now.elapsed();
            stats.turn_lengths.record(took);
            stats.longest_turn_us.set(longest.note(took, now));
            // A feed that never falls silent is always ready, and the reads are tasks of this thread.
            if feed.told() < feed.arrived() {
                yield_now().await;
            }
        }
        reads.shutdown().await;
    }
}

/// The longest turn of this minute and the one before.
#[derive(Default)]
struct LongestTurn {
    /// When this minute began.
    since: Option<Instant>,
    now: Duration,
    before: Duration,
}

impl LongestTurn {
    /// A turn that began then took so long. Returns the longest, in microseconds.
    fn note(&mut self, took: Duration, began: Instant) -> u64 {
        if began.saturating_duration_since(*self.since.get_or_insert(began)) >= LONGEST_TURN_OF {
            (self.since, self.before, self.now) = (Some(began), self.now, Duration::ZERO);
        }
        self.now = self.now.max(took);
        u64::try_from(self.now.max(self.before).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Answers that wait for their turn. One is looked at only after all messages that had arrived before it: an answer "there is no
/// stream" passes for the natural end of one whose last message still waits. They are few, since each counts as in flight until
/// it was looked at.
#[derive(Default)]
struct Answers(VecDeque<(u64, Result<Answer, JoinError>)>);

impl Answers {
    /// An answer came when the feed had sent so many events.
    fn add(&mut self, answer: Result<Answer, JoinError>, arrived: u64) {
        self.0.push_back((arrived, answer));
    }

    /// The next one whose turn has come when the registry has been told of so many.
    fn next(&mut self, told: u64) -> Option<Result<Answer, JoinError>> {
        self.0.pop_front_if(|(arrived, _)| *arrived <= told).map(|(_, answer)| answer)
    }
}

fn take_answer(registry: &mut Registry, answer: Result<Answer, JoinError>) {
    let now = Instant::now();
    match answer {
        Ok(Answer::Tips(keys, answer)) => registry.on_tips(&keys, answer, now),
        Ok(Answer::Head(key, answer)) => registry.on_head(key, answer, now),
        Ok(Answer::Page(key, answer)) => registry.on_page(key, answer, now),
        Ok(Answer::Newest(key, answer)) => registry.on_newest(key, answer, now),
        // A read that panicked is a bug that must not pass for an answer.
        Err(error) => {
            if error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

fn start<A: Archive>(reads: &mut JoinSet<Answer>, archive: &A, command: Command) {
    let archive = archive.clone();
    match command {
        Command::Tips { keys, names } => {
            reads.spawn(async move { Answer::Tips(keys, archive.tips(names).await) });
        }
        Command::Head { key, request } => {
            reads.spawn(async move { Answer::Head(key, archive.read(request).await) });
        }
        Command::Page { key, request } => {
            reads.spawn(async move { Answer::Page(key, archive.read(request).await) });
        }
        Command::Newest { key, name, count } => {
            reads.spawn(async move { Answer::Newest(key, archive.newest(name, count).await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_turn_is_forgotten_after_a_minute_or_two() {
        let (mut longest, start) = (LongestTurn::default(), Instant::now());
        let mut note = |ms, after| longest.note(Duration::from_millis(ms), start + Duration::from_secs(after)) / 1000;
        assert_eq!([note(5, 0), note(9, 30), note(2, 59)], [5, 9, 9]);
        assert_eq!([note(3, 61), note(1, 119)], [9, 9]);
        assert_eq!([note(1, 122), note(1, 190)], [3, 1]);
    }
}
