//! Short ways to say positions in tests.

use fanfare_protocol::{ChannelName, ChannelTag, EntryId, LastEventId, Position, encode_vector};

pub const MS_SHORT_MAX: u64 = (1 << 42) - 1;
pub const SEQ_SHORT_MAX: u64 = (1 << 30) - 1;

/// Two names whose tags share the first 18 bits, and two whose tags share the first 36.
pub const SHARE_3_CHARACTERS: [&str; 2] = ["channel-423", "channel-893"];
pub const SHARE_6_CHARACTERS: [&str; 2] = ["channel-132227", "channel-208540"];

pub fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

pub fn at(ms: u64, seq: u64) -> Position {
    Position::At(EntryId { ms, seq })
}

pub fn encode(items: &[(&str, Option<Position>)]) -> String {
    let items: Vec<_> = items.iter().map(|(name, position)| (ChannelTag::of(&channel(name)), *position)).collect();
    let mut out = String::new();
    encode_vector(&mut out, &items);
    out
}

pub fn resolve(text: &str, names: &[&str]) -> Vec<Option<Position>> {
    let names: Vec<_> = names.iter().map(|name| channel(name)).collect();
    LastEventId::parse(text).unwrap().resolve(&names)
}

pub fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte))
}
