//! How one incarnation of a stream ended, and with that who must be told of it.

/// How long publishers must let a stream live after each entry, its first included, in milliseconds (docs/protocol.md). On
/// the first rests what absence proves.
const LIFETIME_MS: u64 = 60_000;

/// How an incarnation ended.
///
/// | end | a reader at one of its entries | a reader that knows only that there was no stream before it |
/// |---|---|---|
/// | `Replaced`, `Deleted` | is told | goes on |
/// | `Flushed` | is told | goes on if nothing came meanwhile |
/// | `Expired` | goes on if it has read everything | the same |
/// | `CutShort` | the same | goes on |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncarnationEnd {
    /// Redis came back, or a replica took over, with something else: less, or what had been deleted.
    Replaced,
    /// `DEL`.
    Deleted,
    /// `FLUSHALL`, which nodes notice by the epoch. Where a failover undid it the stream was `Replaced`.
    Flushed,
    /// Its time was over (`EXPIRE`), or it was evicted: what it held was kept for as long as its publishers had said.
    Expired,
    /// It expired before it was as old as publishers must let every stream become, or sooner than the operator has promised: as if it had
    /// been deleted for whoever had nothing of it.
    CutShort,
}

impl IncarnationEnd {
    /// The end of a stream whose first and last entry have these ids and that somebody let expire at that time, without asking how old it
    /// was. All times are those of one clock. `min_life_ms`: what the operator promises that it lives after its last entry; a promise
    /// that is not kept is nobody's fault but the operator's.
    pub(crate) fn by_hand(first_and_last_ms: Option<(u64, u64)>, at_ms: u64, min_life_ms: Option<u64>) -> Self {
        let is_short = |(first_ms, last_ms): (u64, u64)| {
            at_ms < first_ms + LIFETIME_MS || min_life_ms.is_some_and(|min_life_ms| at_ms < last_ms + min_life_ms)
        };
        if first_and_last_ms.is_some_and(is_short) { Self::CutShort } else { Self::Expired }
    }
}
