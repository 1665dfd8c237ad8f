//! Names of channels and events: the one rule, said a second time in other words.

use fanfare_protocol::limits::{CHANNEL_NAME_MAX, EVENT_NAME_MAX};
use fanfare_protocol::{ChannelName, ChannelTag, EventName};

/// Bytes are a name if they are UTF-8, and then exactly if the rule says so.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let channel = ChannelName::parse(text);
    let event = EventName::parse(text);
    assert_eq!(channel.is_ok(), is_name(text, CHANNEL_NAME_MAX), "{text:?}");
    assert_eq!(event.is_ok(), is_name(text, EVENT_NAME_MAX), "{text:?}");
    if let Ok(channel) = channel {
        assert_eq!(channel.as_str(), text);
        assert_eq!(ChannelTag::of(&channel), ChannelTag::of(&text.parse().expect("it was a name before")));
    }
    if let Ok(event) = event {
        assert_eq!(event.as_str(), text);
    }
}

/// Unicode's category Cc is C0, DEL and C1 (<https://www.unicode.org/versions/latest/core-spec/chapter-23/>).
fn is_name(text: &str, max: usize) -> bool {
    let is_control = |c: char| matches!(u32::from(c), 0x00..=0x1F | 0x7F..=0x9F);
    (1..=max).contains(&text.len()) && text.as_bytes()[0] != b'$' && !text.chars().any(is_control)
}
