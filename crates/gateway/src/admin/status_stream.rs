//! The status of a node as it goes on: an event stream.
//!
//! Nothing is made ahead of its reader. The body is asked for the next value when the connection has room for it, so that one who is slow
//! misses values and never gets old ones.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fanfare_protocol::block;
use fanfare_protocol::limits::STATUS_PAUSE;
use hyper::body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::status_json;
use super::subject::Subject;
use crate::http::Ending;

/// What `retry:` says: how long a page waits until it comes back, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// The body of a stream: a value at once, and one each [`STATUS_PAUSE`].
pub(super) struct StatusStream<S> {
    subject: Arc<S>,
    next: Pin<Box<dyn Future<Output = Bytes> + Send>>,
    ending: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: OwnedSemaphorePermit,
}

impl<S: Subject> StatusStream<S> {
    /// A stream that ends with its listener, and holds its place until it is dropped.
    pub(super) fn new(subject: Arc<S>, ending: Ending, place: OwnedSemaphorePermit) -> Self {
        let mut head = Vec::new();
        block::retry(&mut head, RETRY_MS);
        let next = value(Arc::clone(&subject), Instant::now(), head);
        Self { subject, next, ending: Box::pin(ending.begun()), _place: place }
    }
}

impl<S: Subject> Body for StatusStream<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let Poll::Ready(bytes) = self.next.as_mut().poll(cx) else { return Poll::Pending };
        self.next = value(Arc::clone(&self.subject), Instant::now() + STATUS_PAUSE, Vec::new());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// The status as it is at a time, or later if nobody takes it by then, as an event behind what is in `out`.
fn value<S: Subject>(subject: Arc<S>, at: Instant, mut out: Vec<u8>) -> Pin<Box<dyn Future<Output = Bytes> + Send>> {
    Box::pin(async move {
        sleep_until(at).await;
        let json = status_json::collect(subject.as_ref()).await;
        block::message(&mut out, &json.to_string());
        out.into()
    })
}
