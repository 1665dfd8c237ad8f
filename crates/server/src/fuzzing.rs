//! The parsers of requests, for the fuzz targets in `crates/fuzz`. No part of the crate's interface.

use bytes::Bytes;
use fanfare_log::PublishRequest;
use fanfare_protocol::{ChannelName, LastEventId, Position, PositionError};
use http::request::Parts;

use crate::options::RequestOptions;
use crate::problem::Problem;
use crate::{history, publish, subscribe};

/// What a subscription asks for.
#[derive(Debug)]
pub struct Asked {
    /// Without repetitions, in the order given.
    pub channels: Vec<ChannelName>,
    /// `Last-Event-ID`, from the header or the query.
    pub resume: Option<Result<LastEventId, PositionError>>,
    /// `last=N`.
    pub last: Option<usize>,
    /// `ready=1`.
    pub ready: bool,
}

/// The parser of `GET /events`.
///
/// # Errors
/// The body of the problem document.
pub fn subscription(parts: &Parts, limits: &RequestOptions) -> Result<Asked, Vec<u8>> {
    let asked = subscribe::parse(&parts.uri, &parts.headers, limits).map_err(body)?;
    Ok(Asked { channels: asked.channels, resume: asked.resume, last: asked.last, ready: asked.ready })
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

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn body(problem: Problem) -> Vec<u8> {
    problem.body()
}
