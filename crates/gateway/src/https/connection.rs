//! A connection to a service.

use bytes::Bytes;
use fanfare_auth::{AskAnswer, AskError};
use fanfare_protocol::limits::{ASK_CONNECTION_LIFE, ASK_HEAD_BYTES_MAX};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// It ends when this is dropped, in the midst of an answer too.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The one task that drives it.
    _driver: JoinSet<()>,
    opened_at: Instant,
}

/// Why a question has no answer.
pub(super) struct Unanswered {
    pub(super) error: AskError,
    /// The connection ended before a byte of an answer came.
    pub(super) is_untouched: bool,
}

impl Connection {
    /// Speaks HTTP over a socket.
    pub(super) async fn over(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, AskError> {
        let begin = http1::Builder::new().max_buf_size(ASK_HEAD_BYTES_MAX).handshake(TokioIo::new(socket));
        let (sender, connection) = begin.await.map_err(|error| broken(&error))?;
        let opened_at = Instant::now();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What went wrong is told to the question; and whoever forgets the connection here is no reason to keep it for ever.
            let _ = timeout_at(opened_at + 2 * ASK_CONNECTION_LIFE, connection).await;
        });
        Ok(Self { sender, _driver: driver, opened_at })
    }

    /// Whether another question may be asked over it, as far as is known.
    pub(super) fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.opened_at.elapsed() < ASK_CONNECTION_LIFE
    }

    /// One question and its whole answer.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<AskAnswer, Unanswered> {
        let untouched = |error: hyper::Error| {
            let is_untouched = !(error.is_parse() || error.is_parse_too_large() || error.is_user());
            Unanswered { error: broken(&error), is_untouched }
        };
        self.sender.ready().await.map_err(untouched)?;
        let answered = self.sender.send_request(request).await.map_err(untouched)?;
        answer(answered, max_bytes).await.map_err(|error| Unanswered { error, is_untouched: false })
    }
}

async fn answer(answer: Response<Incoming>, max_bytes: usize) -> Result<AskAnswer, AskError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return AskError::TooLarge(max_bytes);
        }
        match error.downcast_ref::<hyper::Error>() {
            Some(error) => broken(error),
            None => AskError::Failed(error.to_string().into()),
        }
    })?;
    Ok(AskAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// hyper's own words for what went wrong, and what lies beneath them.
fn broken(error: &hyper::Error) -> AskError {
    let beneath = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    AskError::Failed(format!("no whole answer: {error}{beneath}").into())
}
