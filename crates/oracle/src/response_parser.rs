//! One response that carries an event stream, read as its bytes come: head, transfer coding, events.

use crate::chunked::ChunkDecoder;
use crate::connection_end::ConnectionEnd;
use crate::head::Head;
use crate::sse::{Parsed, Parser};

/// An incremental parser for one response.
#[derive(Debug, Default)]
pub struct ResponseParser {
    /// What has come of the head; empty once it is complete.
    raw: Vec<u8>,
    head: Option<Head>,
    chunks: Option<ChunkDecoder>,
    /// Bytes of a body of known length that are still to come.
    missing: Option<usize>,
    events: Parser,
}

impl ResponseParser {
    /// Takes bytes as they came; appends what they complete to `out`. An error says how the peer broke its protocol.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<Parsed>) -> Result<(), String> {
        if self.head.is_some() {
            return self.feed_body(input, out);
        }
        self.raw.extend_from_slice(input);
        let Some((head, length)) = Head::parse(&self.raw) else { return Ok(()) };
        if head.header("transfer-encoding") == Some("chunked") {
            self.chunks = Some(ChunkDecoder::default());
        }
        self.missing = head.header("content-length").and_then(|length| length.parse().ok());
        self.head = Some(head);
        let raw = std::mem::take(&mut self.raw);
        self.feed_body(&raw[length..], out)
    }

    fn feed_body(&mut self, input: &[u8], out: &mut Vec<Parsed>) -> Result<(), String> {
        let Some(chunks) = &mut self.chunks else {
            if let Some(missing) = &mut self.missing {
                *missing = missing.checked_sub(input.len()).ok_or("more body than its length says")?;
            }
            self.events.feed(input, out);
            return Ok(());
        };
        let mut body = Vec::new();
        chunks.feed(input, &mut body)?;
        self.events.feed(&body, out);
        Ok(())
    }

    /// The head, once it has come.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the last chunk has come.
    pub fn has_last_chunk(&self) -> bool {
        self.chunks.as_ref().is_some_and(ChunkDecoder::finished)
    }

    /// Whether the whole response has come.
    pub fn is_finished(&self) -> bool {
        self.missing == Some(0) || self.has_last_chunk()
    }

    /// How a connection ends that ends here.
    pub fn end(&self) -> ConnectionEnd {
        // A polite refusal ends after its `retry:` line, which takes effect without a blank line.
        let between_events = self.events.at_boundary();
        if self.is_finished() && between_events {
            return ConnectionEnd::Clean;
        }
        let between_chunks = self.chunks.as_ref().is_none_or(|chunks| self.is_finished() || chunks.at_boundary());
        ConnectionEnd::Cut { between_blocks: between_chunks && between_events }
    }
}
