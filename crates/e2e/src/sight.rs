//! What a client sees.

use crate::{Dispatch, Ending};

/// A `$gap` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The channel it speaks of.
    pub channel: String,
    /// `trimmed`, `reset`, `unknown_position`, `too_large` or `lagging`.
    pub reason: String,
    /// The last position before the gap, if known.
    pub after: Option<String>,
    /// The id of the entry that follows, if one does.
    pub next: Option<String>,
    /// The entry that is missing, told by `too_large`.
    pub entry: Option<String>,
    /// The `id:` it carried itself.
    pub own_id: Option<String>,
}

/// One thing that a client saw, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It connected, sending this Last-Event-ID (empty: none).
    Connected(String),
    /// A block without data set its last event ID.
    Place(String),
    /// An event of a publisher.
    Event(Dispatch),
    /// A `$gap`.
    Gap(Gap),
    /// Another event of the gateway.
    Control(Dispatch),
    /// A comment: a sign of life. Counted, not remembered.
    Comment,
    /// The stream ended.
    Ended(Ending),
}

impl From<Dispatch> for Sight {
    /// What an event is: a publisher's, a `$gap`, or another one of the gateway. Panics on a `$gap` that is none.
    fn from(event: Dispatch) -> Self {
        if event.event != "$gap" {
            return if event.event.starts_with('$') { Self::Control(event) } else { Self::Event(event) };
        }
        let json: serde_json::Value = serde_json::from_str(&event.data).expect("the data of a $gap is JSON");
        let text = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let required = |name: &str| text(name).unwrap_or_else(|| panic!("a $gap without {name}: {}", event.data));
        Self::Gap(Gap {
            channel: required("channel"),
            reason: required("reason"),
            after: text("after"),
            next: text("next"),
            entry: text("entry"),
            own_id: event.own_id,
        })
    }
}
