//! `GET /channels/{channel}/history`: its query.

use fanfare_protocol::limits::HISTORY_LIMIT_DEFAULT;
use fanfare_protocol::{ChannelName, LastEventId};
use fanfare_server::fuzzing;

use crate::text;

const LIMIT_MAX: usize = 150;

/// A page is within its bounds, and begins after the position that the query names.
pub(crate) fn run(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let channel = ChannelName::parse("a").expect("a name");
    let (after, limit) = match fuzzing::history(channel.clone(), query, LIMIT_MAX) {
        Ok(request) => request,
        Err(document) => return text::is_problem(&document),
    };
    let pairs = text::pairs(query).expect("what is not UTF-8 is refused");
    let last = |wanted: &str| pairs.iter().rfind(|(name, value)| name == wanted && !value.is_empty());
    let wanted = last("limit").map_or(HISTORY_LIMIT_DEFAULT, |(_, value)| value.parse().expect("a number"));
    assert_eq!(limit, wanted);
    assert!((1..=LIMIT_MAX).contains(&limit));
    let position = last("after").map(|(_, value)| {
        let id = LastEventId::parse(value).expect("a position");
        id.resolve(std::slice::from_ref(&channel))[0].expect("a position of this channel")
    });
    assert_eq!(after, position);
}
