//! One stream of an HTTP/2 connection, as its client reads it: what has not been read has not been granted again.

use bytes::Bytes;
use fanfare_oracle::{Parsed, Parser};
use h2::RecvStream;
use h2::client::ResponseFuture;
use tokio::time::Instant;

/// The answer to a request, and its body.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    asked: Option<ResponseFuture>,
    body: Option<RecvStream>,
    pub(crate) status: Option<u16>,
    /// It is a stream that goes on until it ends.
    pub(crate) is_endless: bool,
    /// The node gets the window back before the bytes are read.
    grants_at_once: bool,
    /// What has come and was not read, and when it came.
    waiting: (Bytes, Instant),
    events: Parser,
}

impl Http2Stream {
    pub(crate) fn new(asked: ResponseFuture, grants_at_once: bool) -> Self {
        Self {
            asked: Some(asked),
            body: None,
            status: None,
            is_endless: false,
            grants_at_once,
            waiting: (Bytes::new(), Instant::now()),
            events: Parser::default(),
        }
    }

    /// At most so many bytes of the body, and when they came; none when the head has come. `None`: there are no more. Cancel-safe.
    pub(crate) async fn read(&mut self, most: usize) -> Option<(Bytes, Instant)> {
        if let Some(asked) = &mut self.asked {
            let answer = asked.await.ok()?;
            self.asked = None;
            self.status = Some(answer.status().as_u16());
            self.is_endless = answer.status() == 200 && !answer.headers().contains_key(http::header::CONTENT_LENGTH);
            self.body = Some(answer.into_body());
            return Some((Bytes::new(), Instant::now()));
        }
        let body = self.body.as_mut()?;
        if self.waiting.0.is_empty() {
            let bytes = body.data().await?.ok()?;
            if self.grants_at_once {
                body.flow_control().release_capacity(bytes.len()).ok()?;
            }
            self.waiting = (bytes, Instant::now());
        }
        let (waiting, came) = &mut self.waiting;
        let bytes = waiting.split_to(most.min(waiting.len()));
        if !self.grants_at_once {
            body.flow_control().release_capacity(bytes.len()).ok()?;
        }
        Some((bytes, *came))
    }

    /// What the bytes complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], parsed: &mut Vec<Parsed>) {
        self.events.feed(bytes, parsed);
    }
}
