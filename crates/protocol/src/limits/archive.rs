//! Reads of Redis Streams.

use std::time::Duration;

use super::units::{KIB, MIB, less};

/// `archive.concurrency`: archive reads at a time.
pub const ARCHIVE_CONCURRENCY_DEFAULT: usize = 8;
/// `archive.page_bytes`: target size of a page, in bytes; one larger entry is a page of its own.
pub const ARCHIVE_PAGE_BYTES_DEFAULT: usize = 256 * KIB;
/// How long a page of the archive is kept for the reader that asked for it, beside twice `delivery.coalesce_ms`.
pub const ARCHIVE_PAGE_PATIENCE: Duration = Duration::from_millis(100);
/// Entries of one page.
pub const ARCHIVE_PAGE_ENTRIES_MAX: usize = 1000;
/// `archive.bytes_per_second`: node-wide rate of archive reads, in bytes per second.
pub const ARCHIVE_BYTES_PER_SECOND_DEFAULT: usize = 64 * MIB;

/// Streams whose ends are asked for in one request.
pub const TIPS_PER_REQUEST_MAX: usize = 256;
/// Such requests at a time.
pub const TIP_REQUESTS_MAX: usize = 2;
/// Channels whose entry sizes are remembered, to choose how many entries make a page.
pub const ENTRY_SIZES_TRACKED_MAX: usize = 65_536;

/// A stream is read by counting entries only while so many of the largest seen lately fit into a page. Of a stream that was not
/// read lately a function is asked for as many, at most: a third of a millisecond of Redis' time. Where Redis runs no function that
/// could stop by size, a transaction asks for no more until a page of the same run was small.
pub const ENTRIES_ASKED_AT_FIRST_MAX: usize = 64;
/// The same where nothing is known. Eight of the largest events that are delivered by default are 8 MiB.
pub const ENTRIES_ASKED_UNKNOWN_MAX: usize = 8;
/// How long what a page told about the sizes of a channel's entries is believed. An outage is longer, and a channel that
/// is read again later costs one careful read.
pub const ENTRY_SIZES_FRESH: Duration = Duration::from_secs(1);
/// How long a place at which a page did not arrive is remembered after the last one. A reader that is still at it asks far more often.
pub const LOST_PLACE_REMEMBERED: Duration = Duration::from_secs(60);
/// Only a stream that is no larger as a whole is read by counting entries, where Redis tells its memory, in bytes: that is
/// then the most that one answer can be, beside what publishers add meanwhile.
pub const PLAIN_STREAM_BYTES_MAX: usize = 16 * MIB;
/// How often the size of a page that does not arrive is divided by [`PAGE_SHRINK`]: then it is a single entry.
pub const PAGE_SHRINKS_MAX: u32 = 5;
/// By how much a page that did not arrive is made smaller.
pub const PAGE_SHRINK: usize = 4;
/// A stream whose oldest and newest entry together are larger is compared by a function that leaves them out, in bytes.
pub const TIP_BYTES_PLAIN_MAX: usize = 16 * KIB;
/// Bytes of entries that one call of a function copies within Redis before it stops: some milliseconds of its time.
pub const FUNCTION_BYTES_COPIED_MAX: usize = 4 * MIB;
/// Pages that have been read stay in memory within this part of `tail.budget`, for other readers at the same place.
pub const PAGES_BUDGET_PART: usize = 8;

const _: () = {
    assert!(ENTRIES_ASKED_UNKNOWN_MAX <= ENTRIES_ASKED_AT_FIRST_MAX);
    assert!(ENTRIES_ASKED_AT_FIRST_MAX <= ARCHIVE_PAGE_ENTRIES_MAX);
    // The last of the smaller pages is a single entry.
    assert!(PAGE_SHRINK.pow(PAGE_SHRINKS_MAX) >= ARCHIVE_PAGE_ENTRIES_MAX);
    assert!(ARCHIVE_PAGE_BYTES_DEFAULT <= FUNCTION_BYTES_COPIED_MAX);
};

/// Reads of a single entry that fail, while all else can be read, before those who wait for it are told `unavailable`.
pub const UNREADABLE_FAILURES: u32 = 3;
/// Places of one channel, before such an entry, at which failures are counted and small pages are remembered. Readers at
/// further places keep theirs until one of these is done with.
pub const UNREADABLE_PLACES_MAX: usize = 16;
/// A failure counts only if the next read at its place began within so long: five seconds of waiting and a read for others in
/// between. Where readers at several places take turns, for each of them.
pub const UNREADABLE_PENDING: Duration = Duration::from_secs(30);
/// A place at which nobody has read for so long is forgotten, with what has counted there.
pub const UNREADABLE_REMEMBERED: Duration = Duration::from_secs(300);
/// How long readers who come to such a place are told of it, before it is tried again.
pub const UNREADABLE_TOLD: Duration = Duration::from_secs(10);
/// Channels that are looked at to find another one that can be read meanwhile.
pub const UNREADABLE_OTHERS_TRIED_MAX: usize = 1_024;

const _: () = {
    assert!(UNREADABLE_FAILURES > 1, "one read may fail for any reason");
    // Who waits for the answer has taken it by then.
    assert!(less(ARCHIVE_PAGE_PATIENCE, UNREADABLE_TOLD));
};

/// An answer of the archive that may be larger than this, in bytes, waits for its turn: Redis makes one of this size in a
/// third of a millisecond, and whatever else it has to do waits so long.
pub const ARCHIVE_LARGE_BYTES: usize = 64 * KIB;
/// Large answers that Redis is asked for at a time: one that it makes, and one that waits while the node takes in the one before.
pub const ARCHIVE_LARGE_READS_MAX: usize = 2;
/// How long a large read waits for its turn at most. Answers that never come, on a link that is lost, hold up nobody longer.
pub const ARCHIVE_LARGE_PATIENCE: Duration = Duration::from_millis(250);

const _: () = {
    assert!(ARCHIVE_LARGE_BYTES <= ARCHIVE_PAGE_BYTES_DEFAULT);
    // Small reads find a place beside the large ones.
    assert!(0 < ARCHIVE_LARGE_READS_MAX && 2 * ARCHIVE_LARGE_READS_MAX <= ARCHIVE_CONCURRENCY_DEFAULT);
};

/// Names of which the store refused to tell where their streams end that are remembered: they are asked about apart from others.
pub const REFUSED_STREAMS_MAX: usize = 16_384;
/// How long they are.
pub const REFUSED_STREAM_AGE: Duration = Duration::from_secs(5);

const _: () = {
    // All of one request are remembered.
    assert!(TIPS_PER_REQUEST_MAX <= REFUSED_STREAMS_MAX);
};
