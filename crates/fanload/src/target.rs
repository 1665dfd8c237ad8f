//! What clients and publishers need to know of the thing under test, as plain data: a worker gets it as JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where and how to subscribe and to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where clients connect. Every connect and reconnect takes one of them at random. Never empty.
    pub addresses: Vec<SocketAddr>,
    /// How a subscription is requested.
    pub subscribe: Subscribe,
    /// How an event is published. `None`: nobody can publish, which is enough for [`Scenario::Hold`].
    ///
    /// [`Scenario::Hold`]: crate::scenario::Scenario::Hold
    pub publish: Option<Publish>,
    /// Where `/metrics` of Fanfare's nodes is, for the number of archive reads. Empty: nobody counts them.
    pub admin: Vec<SocketAddr>,
}

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

/// How a client that comes back says where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// The header `Last-Event-ID`, as browsers send it.
    Header,
    /// Another path and query instead of [`Subscribe::path`]; `{position}` becomes the last position, as received.
    Path(String),
    /// It does not: whoever comes back starts from now on, and the events in between are not counted as lost.
    Never,
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
    /// Each occurrence of this marker within a `data:` line is followed by one published text, for example
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

/// How an event is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publish {
    /// Commands on one Redis connection.
    Redis {
        /// Where Redis listens.
        address: SocketAddr,
        /// User and password, if it asks for them.
        login: Option<(String, String)>,
        /// Key of a channel without its name, for example `sse:`.
        prefix: String,
        /// Which commands.
        way: RedisWay,
    },
    /// Frames over one TCP connection, as the floor server takes them; see [`crate::publish::feed`].
    Feed {
        /// Where it takes frames.
        address: SocketAddr,
    },
    /// One request per event over kept-alive connections. A channel's events all go over the same connection.
    Http {
        /// Where it takes requests.
        address: SocketAddr,
        /// `POST`, `PUT`.
        method: String,
        /// Path and query; `{channel}` becomes the channel's name.
        path: String,
        /// Further headers of every request, `Host` and `Content-Type` included, `Content-Length` not.
        headers: Vec<(String, String)>,
        /// The body; `{channel}` becomes the channel's name, `{data}` the text.
        body: String,
        /// Over how many connections the channels are spread.
        connections: usize,
        /// How many requests may be on their way on one connection: more than 1 needs a server that allows pipelining.
        pipeline: usize,
        /// Where a channel has to be made before anybody can subscribe to it: the method of the request that does it,
        /// with the same path and headers and no body. It is sent for every channel before the first connect.
        create: Option<String>,
    },
}

/// Which Redis commands publish an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum RedisWay {
    /// `FCALL sse_publish`: durable, one atomic call.
    #[default]
    Function,
    /// `MULTI`, `XADD`, an empty `PUBLISH`, `EXEC`: durable, from any producer.
    Transaction,
    /// `PUBLISH` alone: ephemeral.
    Ephemeral,
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
