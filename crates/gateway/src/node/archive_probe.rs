//! The proof that logs can be read: a read of a stream of the node's own, by the way that reads of channels go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_log::{Archive, ArchiveError, ReadRequest};
use fanfare_protocol::limits::ARCHIVE_PROBE_RETRY_MAX;
use fanfare_protocol::{LogName, Position};
use tokio::time::{Instant, sleep};

/// How the probe's last reads went.
#[derive(Debug, Default)]
pub(super) struct ArchiveProbe(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    read_at: Option<Instant>,
    /// Why the last read failed, if it did.
    error: Option<String>,
}

impl ArchiveProbe {
    /// Reads again and again, `pace` apart. Ends when it is dropped.
    pub(super) async fn run(&self, archive: impl Archive, pace: Duration) {
        loop {
            let outcome = read(&archive).await;
            let is_good = outcome.is_ok();
            self.note(outcome);
            sleep(if is_good { pace } else { pace.min(ARCHIVE_PROBE_RETRY_MAX) }).await;
        }
    }

    /// The age of the last read that succeeded; `None` if none has.
    pub(super) fn age(&self) -> Option<Duration> {
        self.lock().read_at.map(|at| at.elapsed())
    }

    /// What the store said to the last read, if that failed.
    pub(super) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    fn note(&self, outcome: Result<(), ArchiveError>) {
        let mut state = self.lock();
        match outcome {
            Ok(()) => (state.read_at, state.error) = (Some(Instant::now()), None),
            Err(error) => state.error = Some(error.to_string()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it takes to open a channel, and what it takes to come back to one. That there is no such stream is a good answer.
async fn read(archive: &impl Archive) -> Result<(), ArchiveError> {
    let log = LogName::probe();
    let tip = archive.tips(vec![log.clone()]).await?.into_iter().next();
    let tip = match tip.unwrap_or_else(|| Err(ArchiveError::Corrupt("no answer for the probe".into()))) {
        Ok(tip) => tip,
        // Somebody writes there. Redis has looked the key up, and that is what was asked.
        Err(ArchiveError::WrongType) => return Ok(()),
        Err(error) => return Err(error),
    };
    let after = Position::Absent { at_ms: tip.now_ms, epoch: tip.epoch };
    archive.read(ReadRequest { log, after, max_entries: 1, max_bytes: 1 }).await.map(drop)
}

#[cfg(test)]
mod tests {
    use fanfare_log::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_failure_is_told_until_a_read_succeeds_and_leaves_the_age_of_the_last_good_one() {
        let probe = ArchiveProbe::default();
        assert_eq!((probe.age(), probe.error()), (None, None));
        probe.note(read(&MemoryStore::default()).await);
        assert!(probe.age().is_some() && probe.error().is_none());
        probe.note(Err(ArchiveError::Denied("NOPERM no multi".into())));
        let said = "the archive refuses: NOPERM no multi".to_owned();
        assert_eq!((probe.age().is_some(), probe.error()), (true, Some(said)));
        probe.note(Ok(()));
        assert_eq!(probe.error(), None);
    }
}
