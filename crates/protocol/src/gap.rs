//! Gaps: what the gateway says instead of silence.

use crate::{ChannelName, EntryId, Position};
use serde::Serialize;
use std::fmt;

/// The name of the gateway event that tells of a gap.
pub(crate) const GAP_EVENT: &str = "$gap";

/// Why the run of entries is not contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Entries after the client's position are no longer retained.
    Trimmed,
    /// The stream is not the one that the client read: deleted, re-created or rolled back.
    Reset,
    /// The client's position says nothing about this channel that can be proven.
    UnknownPosition,
    /// One entry is larger than the gateway delivers.
    TooLarge,
    /// The client was further behind than the gateway replays.
    Lagging,
    /// The stream's next entry cannot be read, again and again, although its end and other streams can.
    Unavailable,
}

impl GapReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Trimmed, Self::Reset, Self::UnknownPosition, Self::TooLarge, Self::Lagging, Self::Unavailable];

    /// The word on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Reset => "reset",
            Self::UnknownPosition => "unknown_position",
            Self::TooLarge => "too_large",
            Self::Lagging => "lagging",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A break in what a client reads of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where.
    pub channel: ChannelName,
    /// Why.
    pub reason: GapReason,
    /// The last position that is certainly delivered, if there is one.
    pub after: Option<Position>,
    /// The entry that follows the gap, if there is one already.
    pub next: Option<EntryId>,
}

impl Gap {
    /// The data of the `$gap` event: one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        json(&self.channel, self.reason, self.after, self.next, None)
    }
}

/// The data of the `$gap` that stands in place of an entry which is too large. An entry without
/// predecessor (it created the key) has nothing before it.
pub(crate) fn too_large_json(channel: &ChannelName, id: EntryId, prev: Option<EntryId>) -> String {
    let after = prev.filter(|prev| *prev != EntryId::ZERO).map(Position::At);
    json(channel, GapReason::TooLarge, after, None, Some(id))
}

#[derive(Serialize)]
struct Data<'a> {
    channel: &'a str,
    reason: &'static str,
    after: Option<String>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

fn json(
    channel: &ChannelName,
    reason: GapReason,
    after: Option<Position>,
    next: Option<EntryId>,
    entry: Option<EntryId>,
) -> String {
    let data = Data {
        channel: channel.as_str(),
        reason: reason.as_str(),
        after: after.map(|position| position.to_string()),
        next: next.map(|id| id.to_string()),
        entry: entry.map(|id| id.to_string()),
    };
    serde_json::to_string(&data).expect("a struct of texts always has a JSON form")
}
