//! What most peers have in common: a URL for each channel, to which events are posted, and a standard event stream.

use std::net::SocketAddr;

use crate::target::{Dialect, Primed, Protocol, Publish, Resume, Subscribe, Target};

/// Requests on their way on the connection that publishes.
pub(super) const PIPELINE: usize = 32;

/// A server that is asked for the channels `{channels}` with `subscribe`, takes events at `publish` with `{channel}` in it,
/// and heeds `Last-Event-ID`. `content_type` is that of the events, where it asks for one.
pub(super) fn target(
    address: SocketAddr,
    subscribe: &str,
    primed: Primed,
    publish: &str,
    content_type: Option<&str>,
) -> Target {
    let mut headers = vec![("Host".to_owned(), address.to_string())];
    headers.extend(content_type.map(|value| ("Content-Type".to_owned(), value.to_owned())));
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
        publish: Some(Publish::Http {
            address,
            method: "POST".to_owned(),
            path: publish.to_owned(),
            headers,
            body: "{data}".to_owned(),
            connections: 1,
            pipeline: PIPELINE,
            create: None,
        }),
        admin: Vec::new(),
    }
}
