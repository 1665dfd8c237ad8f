//! Where several streams end, asked in batches. A batch whose answer does not arrive fails its own channels only, and teaches that
//! their ends may be large: the rest of the request, and those at the next attempt, go by the function that leaves entries out. Where
//! none can be run, each attempt asks in smaller batches.

use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_log::{ArchiveError, Tip};
use fanfare_protocol::LogName;
use fanfare_protocol::limits::{FUNCTION_BYTES_COPIED_MAX, TIP_BYTES_PLAIN_MAX, TIPS_PER_REQUEST_MAX};

use super::sizes::Sizes;
use super::streams::{End, Streams, is_own};
use crate::error::Error;

/// Target for the size of a reply that tells the ends of several streams, in bytes: `XINFO STREAM` brings the first and the last entry along.
const TIPS_BYTES: usize = 1024 * 1024;

/// What one stream is expected to add to it before anything was seen, in bytes.
const TIP_BYTES_FIRST: usize = 16 * 1024;

/// After so many batches whose answers did not arrive the rest of a request is not asked: each has taken a whole `command_timeout`.
const BATCHES_LOST_MAX: usize = 2;

/// By how much more than before a stream is expected to add after an answer that did not arrive.
const GROWTH: usize = 4;

/// The mean size of one stream's part in the last transaction, in bytes.
#[derive(Debug)]
pub(super) struct TipBytes(AtomicUsize);

impl Default for TipBytes {
    fn default() -> Self {
        Self(AtomicUsize::new(TIP_BYTES_FIRST))
    }
}

impl TipBytes {
    /// How many streams are asked for at once, at least one.
    fn fit(&self) -> usize {
        (TIPS_BYTES / self.0.load(Ordering::Relaxed).max(1)).clamp(1, TIPS_PER_REQUEST_MAX)
    }

    fn learn(&self, bytes: usize, streams: usize) {
        // 128 stands for what a stream without entries adds, and keeps the batch bounded.
        self.0.store(128 + bytes / streams.max(1), Ordering::Relaxed);
    }

    /// An answer did not arrive. The next one that does tells better.
    fn grow(&self) {
        let grown = self.0.load(Ordering::Relaxed).saturating_mul(GROWTH).clamp(TIP_BYTES_FIRST, TIPS_BYTES);
        self.0.store(grown, Ordering::Relaxed);
    }
}

/// One channel of a request.
struct Asked {
    /// Its place in the answer.
    slot: usize,
    channel: LogName,
    /// What its ends are expected to be at most, in bytes.
    bytes: usize,
}

/// One request of [`fanfare_log::Archive::tips`].
pub(super) struct TipsRequest<'a> {
    streams: &'a Streams,
    sizes: &'a Sizes,
    tip_bytes: &'a TipBytes,
    answers: Vec<Option<Result<Tip, ArchiveError>>>,
    /// Batches whose answers did not arrive, and why the last one did not. Any other failure counts as all that may be lost.
    lost: (usize, Option<Error>),
}

impl<'a> TipsRequest<'a> {
    pub(super) fn new(streams: &'a Streams, sizes: &'a Sizes, tip_bytes: &'a TipBytes) -> Self {
        Self { streams, sizes, tip_bytes, answers: Vec::new(), lost: (0, None) }
    }

    /// Streams whose ends are large entries go by a function that leaves those out; all others by transactions. Takes at most
    /// [`BATCHES_LOST_MAX`] times `command_timeout` longer than the answers that arrive.
    ///
    /// # Errors
    /// Why no answer at all arrived.
    pub(super) async fn ask(mut self, channels: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        self.answers.resize(channels.len(), None);
        let (mut plain, mut large) = (Vec::new(), Vec::new());
        for (slot, channel) in channels.into_iter().enumerate() {
            match self.sizes.large_ends(&channel) {
                Some(bytes) => large.push(Asked { slot, channel, bytes }),
                None => plain.push(Asked { slot, channel, bytes: TIP_BYTES_PLAIN_MAX }),
            }
        }
        plain.sort_by_key(|asked: &Asked| !is_own(&asked.channel));
        let rest = self.plain(plain).await;
        large.extend(rest);
        // A channel that fails again and again is expected to be larger each time: it keeps no other from being asked for.
        large.sort_by_key(|asked| (!is_own(&asked.channel), asked.bytes));
        self.large(&large).await;
        self.finish()
    }

    /// Returns those that are left after an answer that did not arrive: they are asked for without their entries.
    async fn plain(&mut self, mut rest: Vec<Asked>) -> Vec<Asked> {
        while !rest.is_empty() && self.lost.0 == 0 {
            let later = rest.split_off(self.tip_bytes.fit().min(of_one_kind(&rest)));
            match self.transaction(&rest).await {
                Ok(Some(bytes)) => self.tip_bytes.learn(bytes, rest.len()),
                Ok(None) => {}
                Err(error) => {
                    if error.may_be_size() {
                        self.tip_bytes.grow();
                    }
                    self.lose(&rest, error);
                }
            }
            rest = later;
        }
        rest
    }

    /// Streams of which the sizes of the ends are known or suspected, as many at once as one call may look at.
    async fn large(&mut self, mut rest: &[Asked]) {
        while !rest.is_empty() && !self.gives_up() {
            let (batch, later) = rest.split_at(fitting(rest, FUNCTION_BYTES_COPIED_MAX));
            match self.streams.ends_without_entries(&names(batch)).await {
                Ok(Some(ends)) => self.learn(batch, ends),
                Ok(None) => self.large_by_transaction(batch).await,
                Err(error) => self.lose(batch, error),
            }
            rest = later;
        }
    }

    /// The same where no function can be run.
    async fn large_by_transaction(&mut self, mut rest: &[Asked]) {
        while !rest.is_empty() && !self.gives_up() {
            let (batch, later) = rest.split_at(fitting(rest, TIPS_BYTES));
            if let Err(error) = self.transaction(batch).await {
                self.lose(batch, error);
            }
            rest = later;
        }
    }

    /// Asks for a batch by one transaction. Returns the size of the entries that came along, if it was one.
    async fn transaction(&mut self, batch: &[Asked]) -> Result<Option<usize>, Error> {
        match self.streams.ends(&names(batch)).await {
            Ok(ends) => {
                let bytes = ends.iter().flatten().map(|end| end.sizes.0 + end.sizes.1).sum();
                self.learn(batch, ends);
                Ok(Some(bytes))
            }
            // It concerns all of them: single keys that are refused have answers of their own.
            Err(Error::Denied(text)) => {
                self.fail(batch, &Error::Denied(text));
                Ok(None)
            }
            Err(error) if error.is_full_memory() => {
                let ends = self.streams.ends_without_entries(&names(batch)).await?.ok_or(error)?;
                self.learn(batch, ends);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What streams' ends tell about sizes is learnt.
    fn learn(&mut self, batch: &[Asked], ends: Vec<Result<End, Error>>) {
        for (asked, end) in batch.iter().zip(ends) {
            let tip = end.map(|End { tip, sizes: (oldest, newest), .. }| {
                self.sizes.learn_ends(&asked.channel, oldest, newest);
                tip
            });
            self.answer(asked, tip.map_err(ArchiveError::from));
        }
    }

    /// A batch failed. If its answer may have been too large to arrive, that is learnt and the others are asked for.
    fn lose(&mut self, batch: &[Asked], error: Error) {
        let lost = match error.may_be_size() {
            true => self.lost.0 + 1,
            false => BATCHES_LOST_MAX,
        };
        if error.may_be_size() {
            for asked in batch {
                self.sizes.suspect_ends(&asked.channel);
            }
        }
        self.lost = (lost, Some(error));
    }

    fn fail(&mut self, batch: &[Asked], error: &Error) {
        for asked in batch {
            self.answer(asked, Err(error.clone().into()));
        }
    }

    fn answer(&mut self, asked: &Asked, answer: Result<Tip, ArchiveError>) {
        if let Some(slot) = self.answers.get_mut(asked.slot) {
            *slot = Some(answer);
        }
    }

    fn gives_up(&self) -> bool {
        self.lost.0 >= BATCHES_LOST_MAX
    }

    /// Channels without an answer share the failure of the batch that failed last.
    fn finish(self) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        let failure = match self.lost.1 {
            Some(error) if self.answers.iter().all(Option::is_none) => return Err(error),
            Some(error) => error,
            None => Error::Shape("EXEC"),
        };
        Ok(self.answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(failure.clone().into()))).collect())
    }
}

fn names(batch: &[Asked]) -> Vec<LogName> {
    batch.iter().map(|asked| asked.channel.clone()).collect()
}

/// How many of these, from the first on, are read together.
fn of_one_kind(channels: &[Asked]) -> usize {
    let is_first =
        |asked: &&Asked| is_own(&asked.channel) == channels.first().is_some_and(|first| is_own(&first.channel));
    channels.iter().take_while(is_first).count()
}

/// How many of these, at least one, stay within so many bytes.
fn fitting(channels: &[Asked], max_bytes: usize) -> usize {
    let mut bytes = 0_usize;
    let fits = |asked: &&Asked| {
        bytes = bytes.saturating_add(asked.bytes);
        bytes <= max_bytes
    };
    let of_one_kind = of_one_kind(channels);
    channels.iter().take(TIPS_PER_REQUEST_MAX.min(of_one_kind)).take_while(fits).count().max(1)
}
