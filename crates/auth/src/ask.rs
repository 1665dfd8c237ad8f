//! How somebody outside is asked. This crate opens no socket: the binary does, and tests answer from memory.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

/// One request, bounded in bytes and time.
#[derive(Clone)]
pub struct AskRequest {
    /// `GET` or `POST`.
    pub method: Method,
    /// Where to.
    pub uri: Uri,
    /// What is sent along.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// An answer with a larger body is an error.
    pub max_bytes: usize,
    /// From the first look at the name to the last byte of the answer.
    pub timeout: Duration,
}

/// What was answered.
#[derive(Clone)]
pub struct AskAnswer {
    /// Also one that says that something went wrong.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It did not come in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The question was not even sent in time, since this step took too long.
    #[error("{0} within {1:?}")]
    NotReached(&'static str, Duration),
    /// It has more bytes than were asked for.
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
    /// There was no connection, or it broke, or its certificate is worth nothing.
    #[error("{0}")]
    Failed(AskFailure),
}

/// What went wrong, in words that operators and whoever reads `/status` may see: what looks like an address is taken out, since its query
/// may hold a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskFailure(Box<str>);

impl From<&str> for AskFailure {
    fn from(text: &str) -> Self {
        let is_address = |word: &str| word.contains("://") || word.contains('?') || word.contains('@');
        let words = text.split_whitespace().map(|word| if is_address(word) { "(address)" } else { word });
        Self(words.collect::<Vec<_>>().join(" ").into())
    }
}

impl From<String> for AskFailure {
    fn from(text: String) -> Self {
        Self::from(&*text)
    }
}

impl fmt::Display for AskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without the query, a user in the address, the values of headers and the body: a session cookie may be among them.
impl fmt::Debug for AskRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let address = format!("{scheme}://{}{}", self.uri.host().unwrap_or_default(), self.uri.path());
        let mut shown = f.debug_struct("AskRequest");
        shown.field("method", &self.method).field("address", &address);
        shown.field("headers", &names(&self.headers)).finish_non_exhaustive()
    }
}

/// Without the values of headers and the body.
impl fmt::Debug for AskAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AskAnswer");
        shown.field("status", &self.status).field("headers", &names(&self.headers)).field("bytes", &self.body.len());
        shown.finish_non_exhaustive()
    }
}

/// The names alone: the iterator of the names would print the values as well.
fn names(headers: &HeaderMap) -> Vec<&HeaderName> {
    headers.keys().collect()
}

/// An answer that comes later. Dropping it gives the question up.
pub type Answering = Pin<Box<dyn Future<Output = Result<AskAnswer, AskError>> + Send>>;

/// Asks somebody outside. Redirections are answers like others: nobody follows them. A question that finds a broken connection may be sent twice:
/// it changes nothing.
pub trait Ask: Send + Sync {
    /// Sends one request.
    fn ask(&self, request: AskRequest) -> Answering;
}
