//! What most peers have in common: events are posted to them over HTTP, and they answer with a standard event stream.

use std::net::SocketAddr;

use crate::target::{Dialect, Primed, Protocol, Publish, Resume, Subscribe, Target};

/// Requests on their way on the connection that publishes.
pub(super) const PIPELINE: usize = 32;

/// What a peer wants to be posted.
pub(super) struct Post<'a> {
    /// Path and query, with `{channel}` in it where each channel has its own.
    pub(super) path: &'a str,
    /// Headers besides `Host` and `Content-Length`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body; see [`Publish::Http`].
    pub(super) body: &'a str,
}

/// Each event is a request of its own, on one kept connection.
pub(super) fn publish(address: SocketAddr, post: &Post<'_>) -> Publish {
    let host = [("Host", address.to_string())].into_iter();
    let headers = host.chain(post.headers.iter().map(|&(name, value)| (name, value.to_owned())));
    Publish::Http {
        address,
        method: "POST".to_owned(),
        path: post.path.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
        body: post.body.to_owned(),
        connections: 1,
        pipeline: PIPELINE,
        create: None,
    }
}

/// A server that is asked for the channels `{channels}` with `subscribe`, takes events at `publish` with `{channel}` in it,
/// and heeds `Last-Event-ID`. `content_type` is that of the events, where it asks for one.
pub(super) fn target(
    address: SocketAddr,
    subscribe: &str,
    primed: Primed,
    publish: &str,
    content_type: Option<&str>,
) -> Target {
    let headers: Vec<_> = content_type.map(|value| ("Content-Type", value)).into_iter().collect();
    Target {
        addresses: vec![address],
        protocol: Protocol::default(),
        subscribe: Subscribe {
            path: subscribe.to_owned(),
            channel: "{channel}".to_owned(),
            separator: ",".to_owned(),
            host: address.to_string(),
            headers: Vec::new(),
            resume: Resume::Header,
            primed,
            dialect: Dialect::default(),
        },
        publish: Some(self::publish(address, &Post { path: publish, headers: &headers, body: "{data}" })),
        admin: Vec::new(),
    }
}
