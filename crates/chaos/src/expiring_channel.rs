//! A channel whose stream expires: some events, then nothing for longer than they are kept, and again.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{key, pace};
use fanfare_oracle::IncarnationEnd;
use fanfare_oracle::resp::{Connection, Reply};

use crate::action::channel;
use crate::dice::Dice;
use crate::producer::{EXPIRING, Producer};
use crate::published_record::{JudgingHold, now_ms};
use crate::run::Run;

/// How long the stream lives after its newest event, in seconds: the least that the publishing function grants.
const TTL: &str = "60";
/// The names of its events hold this number in place of a publisher's.
const PUBLISHER: usize = usize::MAX - 1;
/// Pause between two looks at the stream.
const LOOK: Duration = Duration::from_millis(100);
/// So long before the stream expires nothing more is judged until it is known that it has.
const AHEAD_MS: u64 = 2_500;

/// What is known about when the stream expires.
#[derive(Default)]
struct Expiry<'a> {
    /// As Redis said last, in milliseconds since the Unix epoch.
    expires_ms: Option<u64>,
    hold: Option<JudgingHold<'a>>,
}

/// Publishes and waits, until publishing ends; then makes sure that the stream stays or its end is known.
pub(crate) fn run(run: &Run) {
    let mut dice = Dice::of(run.seed, "expiring", 0);
    let mut producer = Producer::new(run, PUBLISHER);
    let mut expiry = Expiry::default();
    let goes_on = || !run.publishing_ends.load(Ordering::Relaxed);
    while goes_on() {
        for _ in 0..dice.between(3, 20) {
            producer.one_with_ttl(EXPIRING, TTL);
            pace(Duration::from_millis(dice.between(5, 250)));
        }
        while goes_on() && !expiry.has_ended(run) {
            pace(LOOK);
        }
        let until = Instant::now() + Duration::from_millis(dice.below(4_000));
        while goes_on() && Instant::now() < until {
            pace(LOOK);
        }
    }
    // What is published last does not come with a TTL. Before that the stream must not expire unseen.
    while keep(run).is_err() && !expiry.has_ended(run) {
        pace(LOOK);
    }
    expiry.has_ended(run);
}

impl<'a> Expiry<'a> {
    /// Whether no stream will expire; records that it has.
    fn has_ended(&mut self, run: &'a Run) -> bool {
        // So that nobody replaces the stream between the question and the note.
        let _open = run.record.publishing();
        let asked_ms = now_ms();
        match remaining(run) {
            Ok(Remaining::Milliseconds(left)) => self.will_end(run, asked_ms + left),
            Ok(Remaining::Nothing) => {
                note_end(run, self.expires_ms.unwrap_or(asked_ms));
                *self = Self::default();
                return true;
            }
            Ok(Remaining::Everything) => {
                *self = Self::default();
                return true;
            }
            // Redis is away: what it said last still holds.
            Err(_) => {}
        }
        let is_near = self.expires_ms.is_some_and(|at| at < now_ms() + AHEAD_MS);
        if !is_near {
            self.hold = None;
        } else if self.hold.is_none() {
            self.hold = Some(run.record.hold_judging());
        }
        false
    }

    /// Notes when the stream will end: it may do so while Redis is away.
    fn will_end(&mut self, run: &Run, at_ms: u64) {
        self.expires_ms = Some(at_ms);
        run.record
            .ledger
            .with(&channel(EXPIRING), |history| history.present_incarnation_mut().expires_ms = Some(at_ms));
    }
}

/// There is no stream any more.
fn note_end(run: &Run, expired_ms: u64) {
    let has_expired = run.record.ledger.with(&channel(EXPIRING), |history| {
        // A stream that was deleted or lost has begun a new incarnation already.
        let has_expired = !history.present_incarnation().entries.is_empty();
        if has_expired {
            history.end(IncarnationEnd::Expired, expired_ms);
        }
        has_expired
    });
    if has_expired {
        run.counters.fault("stream expired (TTL of its publisher)");
        run.log(&format!("{} the stream of {} has expired at {expired_ms}", now_ms(), channel(EXPIRING)));
    }
}

/// Of the time of a stream.
enum Remaining {
    Milliseconds(u64),
    /// There is no stream.
    Nothing,
    /// It does not expire.
    Everything,
}

fn remaining(run: &Run) -> io::Result<Remaining> {
    let mut redis = Connection::open_with(run.redis, LOOK * 4)?;
    match redis.try_command(&[b"PTTL", key(&channel(EXPIRING)).as_bytes()])? {
        Reply::Integer(-2) => Ok(Remaining::Nothing),
        Reply::Integer(-1) => Ok(Remaining::Everything),
        Reply::Integer(left) => Ok(Remaining::Milliseconds(left.unsigned_abs())),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

/// Lets the stream live for ever, if there is one.
fn keep(run: &Run) -> io::Result<()> {
    let mut redis = Connection::open_with(run.redis, LOOK * 4)?;
    match redis.try_command(&[b"PERSIST", key(&channel(EXPIRING)).as_bytes()])? {
        Reply::Integer(_) => Ok(()),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}
