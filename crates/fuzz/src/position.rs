//! `Last-Event-ID`: canonical, bounded, and never the place of a channel that it does not name.

use fanfare_protocol::limits::{CHANNELS_PER_CONNECTION_MAX, POSITION_BYTES_MAX};
use fanfare_protocol::{ChannelName, ChannelTag, EntryId, LastEventId, Position, encode_vector};

use crate::support::positions::{SHARE_3_CHARACTERS, SHARE_6_CHARACTERS, channel, is_safe};

/// The first line is the text; the lines after it are the channels that a client asks for with it.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let id = lines.next().unwrap_or_default();
    let mut names: Vec<ChannelName> = lines.filter_map(|name| ChannelName::parse(name).ok()).collect();
    names.extend(SHARE_3_CHARACTERS.iter().chain(&SHARE_6_CHARACTERS).map(|name| channel(name)));
    names.sort();
    names.dedup();
    names.truncate(CHANNELS_PER_CONNECTION_MAX);

    if let Ok(entry) = id.parse::<EntryId>() {
        assert_eq!(entry.to_string(), id);
    }
    let Ok(parsed) = LastEventId::parse(id) else { return };
    assert!(is_safe(id) && !id.is_empty() && id.len() <= POSITION_BYTES_MAX, "{id:?}");
    assert_eq!(parsed.to_string(), id, "another spelling of the same position");
    match &parsed {
        LastEventId::One(position) => {
            assert_eq!(id.parse::<Position>().as_ref(), Ok(position));
            assert_eq!(parsed.resolve(&names[..1]), [Some(*position)]);
            assert!(parsed.resolve(&names).iter().all(Option::is_none), "it does not say whose position it is");
        }
        LastEventId::Many(vector) => {
            assert!(vector.len() <= CHANNELS_PER_CONNECTION_MAX);
            written_again(&parsed, &names, vector.len());
        }
    }
}

/// The positions that channels got from a text are the ones that they get from the text that a node writes for them.
fn written_again(parsed: &LastEventId, names: &[ChannelName], most: usize) {
    let positions = parsed.resolve(names);
    assert_eq!(positions.len(), names.len());
    assert!(positions.iter().flatten().count() <= most, "one position for two channels");
    let items: Vec<_> = names.iter().map(ChannelTag::of).zip(positions.iter().copied()).collect();
    let mut text = String::new();
    encode_vector(&mut text, &items);
    assert!(is_safe(&text) && text.len() <= POSITION_BYTES_MAX, "{text:?}");
    let again = LastEventId::parse(&text).expect("what a node writes parses");
    let known = |positions: &[Option<Position>]| -> Vec<(usize, Position)> {
        positions.iter().enumerate().filter_map(|(index, position)| Some((index, (*position)?))).collect()
    };
    // Asked for together with channels whose tags are alike, a channel may lose its position and never gets another's.
    let (before, after) = (known(&positions), known(&again.resolve(names)));
    assert!(after.iter().all(|position| before.contains(position)), "{before:?} became {after:?}");
}
