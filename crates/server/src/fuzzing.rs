//! The parsers of requests, for the fuzz targets in `crates/fuzz`. No part of the crate's interface.

use bytes::Bytes;
use fanfare_log::PublishRequest;
use fanfare_protocol::{ChannelName, Position};
use http::request::Parts;

use crate::answer::Answer;
use crate::options::RequestOptions;
use crate::problem::Problem;
use crate::subscription::{self, Subscription};
use crate::{history, publish};

/// The parser of `GET /events`.
///
/// # Errors
/// The body of the problem document.
pub fn subscription(parts: &Parts, limits: &RequestOptions) -> Result<Subscription, Vec<u8>> {
    subscription::parse(&parts.uri, &parts.headers, limits).map_err(body)
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

fn body(problem: Problem) -> Vec<u8> {
    Answer::from(problem).body().to_vec()
}
