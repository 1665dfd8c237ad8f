//! The head of an HTTP/1.1 answer, RFC 9112.

use super::Malformed;

/// The longest head that is read.
pub const LIMIT: usize = 16 * 1024;
const HEADERS: usize = 64;

/// What matters of a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The type of the body, in lower case, without its parameters.
    pub content_type: String,
    /// Whether the body comes in chunks.
    pub chunked: bool,
    /// The length of the body, where it is known.
    pub length: Option<u64>,
    /// Whether the server closes the connection behind this answer.
    pub close: bool,
    /// Seconds of a `Retry-After`.
    pub retry_after: Option<u64>,
}

/// Reads a head from the front of `input`: the head and the number of bytes that it takes, or `None` when more is needed.
///
/// # Errors
/// When it is not HTTP/1, or longer than [`LIMIT`].
pub fn read(input: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(input) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if input.len() < LIMIT => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Malformed("the head of the answer has no end")),
        Err(_) => return Err(Malformed("the answer is not HTTP/1.1")),
    };
    let mut head = Head { status: response.code.unwrap_or(0), close: response.version == Some(0), ..Head::default() };
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
        match header.name.to_ascii_lowercase().as_str() {
            "content-type" => head.content_type = value.split(';').next().unwrap_or("").trim().to_owned(),
            "transfer-encoding" => head.chunked = value.rsplit(',').next().is_some_and(|last| last.trim() == "chunked"),
            "content-length" => head.length = value.parse().ok(),
            "connection" => head.close = value.split(',').any(|option| option.trim() == "close"),
            "retry-after" => head.retry_after = value.parse().ok(),
            _ => {}
        }
    }
    Ok(Some((head, size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let input = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
        let size = input.len() - 3;
        for cut in 0..size {
            assert_eq!(read(&input[..cut]), Ok(None), "cut at {cut}");
        }
        let (head, taken) = read(input).unwrap().unwrap();
        assert_eq!(taken, size);
        assert_eq!((head.status, head.content_type.as_str(), head.chunked), (200, "text/event-stream", true));
    }

    #[test]
    fn what_is_not_a_head_is_refused() {
        assert!(read(b"SSH-2.0-OpenSSH\r\n").is_err());
        let endless = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &vec![b'a'; LIMIT]].concat();
        assert!(read(&endless).is_err());
    }
}
