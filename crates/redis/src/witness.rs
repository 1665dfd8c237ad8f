//! Whether what messages name can be read: now and then one entry that a push named is looked for in its stream.
//!
//! Pub/Sub knows no databases. A node whose `redis.url` names another one than the publishers' hears every push and finds no entry,
//! and nothing else would tell. So would a push that somebody forged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare_log::{Archive, ArchiveError};
use fanfare_protocol::limits::{PUSH_LOOKED_UP_AGAIN, PUSH_LOOKED_UP_INTERVAL};
use fanfare_protocol::{EntryId, LogName, Position};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::archive::RedisArchive;
use crate::status::Status;

/// Hands one push over to be looked up. Where none is wanted, which is nearly always, a push costs one load.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    is_wanted: AtomicBool,
    seen: Mutex<Option<(LogName, EntryId)>>,
    came: Notify,
}

impl Witness {
    /// A push named an entry.
    pub(crate) fn see(&self, log: &LogName, entry: EntryId) {
        if self.is_wanted.load(Ordering::Relaxed) && self.is_wanted.swap(false, Ordering::Relaxed) {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((log.clone(), entry));
            self.came.notify_one();
        }
    }

    /// The next push that comes. For one caller; cancel-safe.
    async fn next(&self) -> (LogName, EntryId) {
        self.is_wanted.store(true, Ordering::Relaxed);
        loop {
            self.came.notified().await;
            if let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return seen;
            }
        }
    }
}

/// Looks pushes up for ever, one at a time. A stream may be deleted right behind a push, so that only two in a row that are not
/// found are worth a line in the log.
pub(crate) async fn run(witness: Arc<Witness>, archive: RedisArchive, status: Status, database: i64) {
    let (mut missed, mut is_told) = (0, false);
    loop {
        let (channel, entry) = witness.next().await;
        match has(&archive, &channel, entry).await {
            Some(true) => (missed, is_told) = (0, false),
            Some(false) => {
                missed += 1;
                status.count_unfounded_push();
                if missed > 1 && !is_told {
                    is_told = true;
                    tracing::warn!(
                        %channel,
                        %entry,
                        database,
                        "messages arrive that name entries which their streams do not have: do publishers use another database \
                         than this node (redis.url ends in /N), or does somebody forge messages?"
                    );
                }
            }
            // A read that failed tells nothing of the stream.
            None => {}
        }
        sleep(if missed > 0 { PUSH_LOOKED_UP_AGAIN } else { PUSH_LOOKED_UP_INTERVAL }).await;
    }
}

/// Whether a stream has come as far as an entry. Whatever is trimmed or retracted later, it stays as far.
async fn has(archive: &RedisArchive, channel: &LogName, entry: EntryId) -> Option<bool> {
    match archive.tips(vec![channel.clone()]).await.ok()?.pop()? {
        Ok(tip) => Some(matches!(tip.position, Position::At(last) if last >= entry)),
        Err(ArchiveError::WrongType) => Some(false),
        Err(_) => None,
    }
}
