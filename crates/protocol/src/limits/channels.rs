//! The channels of a node, their tails and the pages that their readers wait for.

use std::time::Duration;

use super::archive::TIPS_PER_REQUEST_MAX;
use super::units::MIB;

/// `tail.budget`: memory for the recent entries of all channels of a node, in bytes.
pub const TAIL_BUDGET_BYTES_DEFAULT: usize = 256 * MIB;
/// `tail.channel_bytes`: memory for the recent entries of one channel, in bytes.
pub const TAIL_CHANNEL_BYTES_DEFAULT: usize = 16 * MIB;
/// `tail.channel_entries`: recent entries of one channel.
pub const TAIL_CHANNEL_ENTRIES_DEFAULT: usize = 4096;
/// `channel.linger`: how long a channel stays open after its last cursor.
pub const CHANNEL_LINGER_DEFAULT: Duration = Duration::from_secs(30);
/// Channels that one node follows at most.
pub const CHANNELS_PER_NODE_DEFAULT: usize = 200_000;

/// Channels that gave up their place to another one and that the ingest has not closed yet: above so many, new channels are
/// refused. The ingest closes all of them in its next turn.
pub const CHANNELS_LEAVING_MAX: usize = 4096;
/// Names whose subscription Redis refused that are remembered: who asks for one of them is told without asking Redis.
pub const REFUSED_NAMES_MAX: usize = 16_384;
/// How long they are.
pub const REFUSED_NAME_AGE: Duration = Duration::from_secs(5);
/// SUBSCRIBE commands in one turn of the feed that look for refused names in a batch that was refused. Others wait for so many at
/// most.
pub const SUBSCRIBE_SUSPECTS_PER_TURN: usize = 4;

/// Answers to where the newest so many entries of a channel begin that are kept for others who ask for as many, in a channel.
pub const NEWEST_ANSWERS_MAX: usize = 16;
/// Tips in a request that are the node's own comparisons, if it wants so many: who opens channels does not hold them up.
pub const TIPS_OF_NODE: usize = TIPS_PER_REQUEST_MAX / 2;

/// Channels with the most readers that a node names.
pub const TOP_CHANNELS_MAX: usize = 20;
/// Channels that a connection thread looks at for that before others have their turn.
pub const TOP_CHANNELS_PER_TURN: usize = 512;
/// The least time between two looks at all channels.
pub const TOP_CHANNELS_PAUSE: Duration = Duration::from_secs(1);
/// How long whoever asks waits for threads that are busy. They count with what they offered last.
pub const TOP_CHANNELS_TIMEOUT: Duration = Duration::from_millis(500);

const _: () = {
    assert!(NEWEST_ANSWERS_MAX > 0, "who asked has to find the answer");
};

/// Pages that stay in memory for sessions in the middle of one of their entries, however small they are: those that stay are looked at
/// whenever memory is short.
pub const PINNED_PAGES_MAX: usize = 64;
