//! What a client reads of one answer, over either protocol.

use bytes::Bytes;
use fanfare_oracle::{Parsed, ResponseParser};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::http2_stream::Http2Stream;
use crate::net::End;

/// An answer that is being read.
#[derive(Debug)]
pub(crate) enum Response {
    Http1(End, ResponseParser),
    Http2(Http2Stream),
}

/// Bytes that were read, and when they were sent: so many at a time, in order. Nobody may ask for that.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    pub(crate) dates: Vec<(usize, Instant)>,
}

impl Response {
    /// At most so many bytes; over HTTP/2 none when the head has come. `None`: there are no more. Cancel-safe.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        match self {
            Self::Http1(end, _) => {
                let count = end.read(buffer).await.ok().filter(|count| *count > 0)?;
                Some(Arrived { bytes: Bytes::copy_from_slice(&buffer[..count]), dates: end.take_dates() })
            }
            Self::Http2(stream) => {
                let (bytes, came) = stream.read(buffer.len()).await?;
                let dates = vec![(bytes.len(), came)];
                Some(Arrived { bytes, dates })
            }
        }
    }

    /// What the bytes complete.
    ///
    /// # Errors
    /// They break the protocol.
    pub(crate) fn feed(&mut self, bytes: &[u8], parsed: &mut Vec<Parsed>) -> Result<(), String> {
        match self {
            Self::Http1(_, parser) => parser.feed(bytes, parsed),
            Self::Http2(stream) => {
                stream.feed(bytes, parsed);
                Ok(())
            }
        }
    }

    /// Once the head has come.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Http1(_, parser) => parser.head().map(|head| head.status),
            Self::Http2(stream) => stream.status,
        }
    }

    /// Whether it is a stream that has begun, and not an answer of known length.
    pub(crate) fn is_session(&self) -> bool {
        match self {
            Self::Http1(_, parser) => {
                parser.head().is_some_and(|head| head.header("transfer-encoding") == Some("chunked"))
            }
            Self::Http2(stream) => stream.is_endless,
        }
    }

    /// Whether nothing can follow, as its bytes say. (A body of known length ends with its connection.)
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Http1(_, parser) => parser.has_last_chunk(),
            Self::Http2(_) => false,
        }
    }
}
