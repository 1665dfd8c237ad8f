//! Whether the threads of a node take turns.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::STUCK_LOOK_MAX;
use tokio::time::Instant;

/// Looks at the counts of turns that the threads keep, whenever an operator or a balancer asks.
///
/// A thread's silence is the time between looks that saw the same count, and of each pause between two looks no more than
/// [`STUCK_LOOK_MAX`]: a process that was halted as a whole, or that nobody asked, is not taken for a stuck one.
#[derive(Debug, Default)]
pub(super) struct ThreadWatch(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    last: Option<Instant>,
    threads: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    turns: u64,
    silence: Duration,
}

impl ThreadWatch {
    /// For how long nothing was seen of each of these threads, which are the same in every call.
    pub(super) fn look(&self, turns: impl Iterator<Item = u64>, now: Instant) -> Vec<Duration> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = looks.last.map_or(Duration::ZERO, |last| (now - last).min(STUCK_LOOK_MAX));
        looks.last = Some(now);
        let seen = turns.enumerate().map(|(thread, turns)| match looks.threads.get(thread) {
            Some(seen) if seen.turns == turns => Seen { turns, silence: seen.silence + passed },
            _ => Seen { turns, silence: Duration::ZERO },
        });
        let seen: Vec<Seen> = seen.collect();
        let silences = seen.iter().map(|seen| seen.silence).collect();
        looks.threads = seen;
        silences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(durations: &[Duration]) -> Vec<u64> {
        durations.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn the_silence_of_a_thread_lasts_until_its_next_turn() {
        let (watch, start) = (ThreadWatch::default(), Instant::now());
        let look = |after, turns: [u64; 2]| seconds(&watch.look(turns.into_iter(), start + Duration::from_secs(after)));
        assert_eq!(look(0, [7, 7]), [0, 0], "the first look knows nothing");
        assert_eq!(look(4, [8, 7]), [0, 4]);
        assert_eq!(look(8, [9, 7]), [0, 8]);
        assert_eq!(look(9, [9, 8]), [1, 0]);
    }

    // Seen to fail when the whole time between two looks counts.
    #[test]
    fn a_time_in_which_nobody_looked_proves_little() {
        let (watch, start) = (ThreadWatch::default(), Instant::now());
        watch.look([1].into_iter(), start);
        let silence = watch.look([1].into_iter(), start + Duration::from_secs(3600));
        assert_eq!(silence, [STUCK_LOOK_MAX]);
    }
}
