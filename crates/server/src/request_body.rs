//! Reading the body of a request: bounded in bytes, in time, and in what the bodies of a node take together.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::body_bytes::{BodyBytes, BodyRoom};
use crate::problem::{Kind, Problem};

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    TooLarge,
    /// The node holds as many bytes of bodies as it may.
    NoRoom,
    /// The connection broke before it was whole.
    BrokeOff,
    /// It did not come in time.
    Late,
}

impl BodyError {
    /// What the client is told: `too_large` and `busy` for what they are about, the rest is the same for every body.
    pub(crate) fn problem(self, too_large: impl FnOnce() -> Problem, busy: impl FnOnce() -> Problem) -> Problem {
        match self {
            Self::TooLarge => too_large(),
            Self::NoRoom => busy(),
            Self::BrokeOff => Problem::new(Kind::InvalidRequest, "The body broke off."),
            Self::Late => Problem::new(Kind::RequestTimeout, "The body did not arrive in time."),
        }
    }
}

/// Refuses a body that would have to be decoded: it would be taken as it came.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    if codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Problem::new(Kind::UnsupportedCoding, "Send the body as it is: no content coding is taken here."))
}

/// Reads a body of at most `limit` bytes; one that turns out to be longer is given up as soon as that is known. The room that it takes
/// comes with it: it is to be kept for as long as the bytes are.
pub(crate) async fn read(
    body: Incoming,
    limit: usize,
    all: &BodyBytes,
    timeout: Duration,
) -> Result<(Bytes, BodyRoom<'_>), BodyError> {
    let mut room = all.take(announced(&body, limit)?).ok_or(BodyError::NoRoom)?;
    let bytes = tokio::time::timeout(timeout, collect(body, limit, &mut room)).await.map_err(|_| BodyError::Late)??;
    Ok((bytes, room))
}

/// The length that a body is announced to have; 0 if it is not said.
fn announced(body: &Incoming, limit: usize) -> Result<usize, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit { Err(BodyError::TooLarge) } else { Ok(announced) }
}

async fn collect(mut body: Incoming, limit: usize, room: &mut BodyRoom<'_>) -> Result<Bytes, BodyError> {
    let mut bytes = Vec::with_capacity(announced(&body, limit)?);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::BrokeOff)?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if !room.grow_to(length) {
            return Err(BodyError::NoRoom);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Bytes::from(bytes))
}
