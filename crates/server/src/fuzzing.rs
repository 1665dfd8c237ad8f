//! The parsers of requests, for the fuzz targets in `crates/fuzz`. No part of the crate's interface.

use std::net::IpAddr;

use bytes::Bytes;
use fanfare_log::PublishRequest;
use fanfare_protocol::{ChannelName, Position};
use http::HeaderMap;
use http::request::Parts;

use crate::answer::Answer;
use crate::client_address::Source;
use crate::options::{ProxyOptions, RequestOptions};
use crate::problem::Problem;
use crate::subscription::{self, Subscription};
use crate::{history, proxy_protocol, publish};

/// The parser of `GET /events`.
///
/// # Errors
/// The body of the problem document.
pub fn subscription(parts: &Parts, limits: &RequestOptions) -> Result<Subscription, Vec<u8>> {
    subscription::parse(&parts.uri, &parts.headers, limits, false).map_err(body)
}

/// The parser of `POST /channels/{channel}/events`, with the whole body.
///
/// # Errors
/// The body of the problem document.
pub fn publish(parts: &Parts, channel: ChannelName, data: Bytes, limit: usize) -> Result<PublishRequest, Vec<u8>> {
    publish::parse(parts, channel, data, limit).map_err(body)
}

/// The parser of `GET /channels/{channel}/history`: the position and the limit.
///
/// # Errors
/// The body of the problem document.
pub fn history(channel: ChannelName, query: &str, max_limit: usize) -> Result<(Option<Position>, usize), Vec<u8>> {
    let request = history::parse(channel, Some(query), max_limit).map_err(body)?;
    Ok((request.after, request.limit))
}

/// The parser of the PROXY protocol: the client that the header names, if any, and the header's length. `None`: incomplete.
///
/// # Errors
/// Why it is no header.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, String> {
    let header = proxy_protocol::parse(bytes).map_err(|error| error.to_string())?;
    Ok(header.map(|header| (header.client, header.length)))
}

/// Whose a request of this peer is, and whether that is doubtful.
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &ProxyOptions) -> (IpAddr, bool) {
    let client = Source::of(peer, proxies).client(headers, proxies);
    (client.address, client.is_doubtful)
}

fn body(problem: Problem) -> Vec<u8> {
    Answer::from(problem).body().to_vec()
}
