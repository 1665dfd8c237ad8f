//! What a client observes.

use crate::connection_end::ConnectionEnd;
use crate::sse::Dispatch;

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
pub enum Observed {
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
    Ended(ConnectionEnd),
}

impl TryFrom<Dispatch> for Observed {
    type Error = String;

    /// What an event is: a publisher's, a `$gap`, or another one of the gateway. An error for a `$gap` that is none.
    fn try_from(event: Dispatch) -> Result<Self, String> {
        if event.event != "$gap" {
            return Ok(if event.event.starts_with('$') { Self::Control(event) } else { Self::Event(event) });
        }
        let json = serde_json::from_str::<serde_json::Value>(&event.data)
            .map_err(|error| format!("a $gap whose data is not JSON ({error}): {}", event.data))?;
        let text = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let required = |name: &str| text(name).ok_or_else(|| format!("a $gap without {name}: {}", event.data));
        Ok(Self::Gap(Gap {
            channel: required("channel")?,
            reason: required("reason")?,
            after: text("after"),
            next: text("next"),
            entry: text("entry"),
            own_id: event.own_id,
        }))
    }
}
