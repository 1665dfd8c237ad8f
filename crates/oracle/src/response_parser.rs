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

#[cfg(test)]
mod tests {
    use super::ResponseParser;
    use crate::connection_end::ConnectionEnd;
    use crate::sse::Parsed;

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What the parser makes of a response, however it is cut.
    fn read(response: &str) -> (Vec<Parsed>, Result<ConnectionEnd, String>) {
        let read = |step: usize| {
            let (mut parser, mut out) = (ResponseParser::default(), Vec::new());
            let fed = response.as_bytes().chunks(step).try_for_each(|piece| parser.feed(piece, &mut out));
            (out, fed.map(|()| parser.end()))
        };
        let whole = read(response.len());
        (1..response.len()).for_each(|step| assert_eq!(read(step).1, whole.1));
        whole
    }

    fn place(id: &str) -> Vec<Parsed> {
        vec![Parsed::Place(id.to_owned())]
    }

    // Seen to fail when the rest of the bytes that complete the head is not read, and when only the last chunk, or only the end
    // of a block, counts.
    #[test]
    fn a_response_ends_cleanly_after_its_last_chunk_and_between_two_blocks() {
        let body = "7\r\nid: 1\n\n\r\n";
        let cut = |between_blocks| Ok(ConnectionEnd::Cut { between_blocks });
        assert_eq!(read(&format!("{CHUNKED}{body}0\r\n\r\n")), (place("1"), Ok(ConnectionEnd::Clean)));
        assert_eq!(read(&format!("{CHUNKED}{body}")), (place("1"), cut(true)));
        assert_eq!(read(&format!("{CHUNKED}6\r\nid: 1\n\r\n")).1, cut(false), "within a block");
        assert_eq!(read(&format!("{CHUNKED}8\r\nid: 1\n\n")).1, cut(false), "within a chunk");
        assert_eq!(read(&format!("{CHUNKED}6\r\nid: 1\n\r\n0\r\n\r\n")).1, cut(false), "the last chunk tears a block");
    }

    // Seen to fail when nothing counts the bytes of a body of known length.
    #[test]
    fn a_body_of_known_length_ends_there_and_must_not_go_on() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(read(&format!("{head}id: 1\n\n")), (place("1"), Ok(ConnectionEnd::Clean)));
        assert_eq!(read(&format!("{head}id: 1\n")).1, Ok(ConnectionEnd::Cut { between_blocks: false }));
        assert!(read(&format!("{head}id: 1\n\n:")).1.is_err());
    }
}
