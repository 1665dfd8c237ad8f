//! How a subscription is requested, and how its answer is read.

use serde::{Deserialize, Serialize};

/// How a subscription to some channels is requested, and how its answer is read.
///
/// Channels have names of lower-case letters, digits and `-`, so nothing needs escaping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Path and query of a first connect; `{channels}` becomes the channels of the connection.
    pub path: String,
    /// What stands for one channel in `{channels}`; `{channel}` becomes its name.
    pub channel: String,
    /// What stands between two of them.
    pub separator: String,
    /// The `Host` header.
    pub host: String,
    /// Further headers of every request, for example an authorization.
    pub headers: Vec<(String, String)>,
    /// How a client that comes back says where it was.
    pub resume: Resume,
    /// From when on a subscription misses nothing.
    pub primed: Primed,
    /// How events are found in the stream.
    pub dialect: Dialect,
}

impl Subscribe {
    /// Fanfare's own way: `GET /events?channel=…`, `Last-Event-ID`, a priming id.
    pub fn fanfare(host: &str) -> Self {
        Self {
            path: "/events?{channels}".to_owned(),
            channel: "channel={channel}".to_owned(),
            separator: "&".to_owned(),
            host: host.to_owned(),
            headers: Vec::new(),
            resume: Resume::Header,
            primed: Primed::Position,
            dialect: Dialect::default(),
        }
    }
}

/// How a client that comes back says where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// The header `Last-Event-ID`, as browsers send it.
    Header,
    /// Another path and query instead of [`Subscribe::path`]; `{position}` becomes the last position, as received.
    Path(String),
    /// It does not, on purpose: a client that comes back starts from now on, and the events in between are not counted as lost.
    Never,
    /// It cannot: nothing that an `EventSource` remembers tells the server where it was. The events in between are lost.
    Nothing,
}

/// From when on a subscription misses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Primed {
    /// The head of the answer (`200`, `text/event-stream`) has been received.
    Head,
    /// The first position (`id:`) has been received, as with Fanfare's priming id.
    Position,
    /// The first comment or event of any kind has been received.
    Bytes,
}

/// How events are found in the stream, for servers that wrap or batch what was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Where the published text begins.
    pub payload: Payload,
    /// Where the position stands.
    pub position: Position,
}

/// Where the published text begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Each `data:` line is one published text. (An event of several lines is then several texts.)
    #[default]
    Line,
    /// Each occurrence of this marker within a `data:` line is followed by one published text, which ends with `"`, for example
    /// `"data":"` for a server that wraps it in JSON.
    After(String),
}

/// Where the position stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// In the `id:` field, as the standard has it.
    #[default]
    Id,
    /// In a `data:` line, between this marker and the next `"`, for example `"streamNextOffset":"`.
    After(String),
}
