//! How somebody outside is asked. This crate opens no socket: the binary does, and tests answer from memory.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

/// One request, bounded in bytes and time.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
    /// It has more bytes than were asked for.
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
    /// There was no connection, or it broke, or its certificate is worth nothing.
    #[error("{0}")]
    Failed(String),
}

/// An answer that comes later. Dropping it gives the question up.
pub type Answering = Pin<Box<dyn Future<Output = Result<AskAnswer, AskError>> + Send>>;

/// Asks somebody outside. Redirections are answers like others: nobody follows them.
pub trait Ask: Send + Sync {
    /// Sends one request.
    fn ask(&self, request: AskRequest) -> Answering;
}
