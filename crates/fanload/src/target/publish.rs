//! How an event is published.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The way to publish an event.
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
        /// The body; `{channel}` becomes the channel's name, `{data}` the text, `{form}` the text as the value of a form.
        body: String,
        /// Over how many connections the channels are spread.
        connections: usize,
        /// How many requests may be on their way on one connection: more than 1 needs a server that allows pipelining.
        pipeline: usize,
        /// Where a channel has to be made before a client can subscribe to it: the method of the request that does it,
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
