//! How the body of a stream is delimited in HTTP/1.

use http::Version;

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1: chunks.
    Chunked,
    /// HTTP/1.0, which knows no chunks (RFC 9112 section 6.1): until the connection closes.
    Plain,
}

impl Framing {
    /// The framing that a client of this version understands.
    pub(crate) fn of(version: Version) -> Self {
        if version == Version::HTTP_11 { Self::Chunked } else { Self::Plain }
    }
}
