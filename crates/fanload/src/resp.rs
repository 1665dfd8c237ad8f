//! Replies of Redis. RESP2: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io::{self, BufRead, ErrorKind, Read};

/// Bytes of a text that are kept: numbers of events and messages of errors are shorter.
const KEEP: u64 = 512;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Error(String),
    Number(i64),
    /// A simple or a bulk string; of a long one the first bytes.
    Text(Vec<u8>),
    Array(Vec<Reply>),
}

impl Reply {
    /// The message of an error. One inside the answer of `EXEC` is an error of the whole.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(message) => Some(message),
            Self::Array(parts) => parts.iter().find_map(Self::error),
            Self::Nil | Self::Number(_) | Self::Text(_) => None,
        }
    }
}

/// Reads one reply.
///
/// # Errors
/// Those of the connection; `InvalidData` for what is not RESP.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    let line = line.trim_end_matches(['\r', '\n']);
    let nonsense = || io::Error::new(ErrorKind::InvalidData, format!("a reply that is not RESP: {line:?}"));
    let (kind, rest) = line.split_at_checked(1).ok_or_else(nonsense)?;
    let number = || rest.parse::<i64>().map_err(|_| nonsense());
    match kind {
        "+" => Ok(Reply::Text(rest.as_bytes().to_vec())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => Ok(Reply::Number(number()?)),
        // A negative length is nil and has no bytes.
        "$" => u64::try_from(number()?).map_or(Ok(Reply::Nil), |length| text(input, length)),
        "*" => {
            let parts = 0..number()?.max(0);
            Ok(Reply::Array(parts.map(|_| read(input)).collect::<io::Result<_>>()?))
        }
        _ => Err(nonsense()),
    }
}

/// The text of a bulk string and the line break behind it.
fn text(input: &mut impl BufRead, length: u64) -> io::Result<Reply> {
    let kept = length.min(KEEP);
    let mut text = vec![0; kept as usize];
    input.read_exact(&mut text)?;
    let rest = (length - kept).saturating_add(2);
    if io::copy(&mut input.take(rest), &mut io::sink())? < rest {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(Reply::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the bytes of a long text that are not kept are left in the input.
    #[test]
    fn replies_of_every_kind_are_read_to_their_end() {
        let long = "x".repeat(2_000);
        let text = format!(
            "+OK\r\n-ERR no\r\n:-7\r\n$3\r\n1-0\r\n$-1\r\n$2000\r\n{long}\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n+end\r\n"
        );
        let mut input = text.as_bytes();
        let mut next = || read(&mut input).unwrap();
        assert_eq!(next(), Reply::Text(b"OK".to_vec()));
        assert_eq!(next(), Reply::Error("ERR no".to_owned()));
        assert_eq!(next(), Reply::Number(-7));
        assert_eq!(next(), Reply::Text(b"1-0".to_vec()));
        assert_eq!(next(), Reply::Nil);
        assert_eq!(next(), Reply::Text(vec![b'x'; KEEP as usize]));
        assert_eq!(next(), Reply::Array(vec![Reply::Number(1), Reply::Array(vec![Reply::Text(Vec::new())])]));
        assert_eq!(next(), Reply::Text(b"end".to_vec()));
        assert_eq!(read(&mut input).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_not_resp_is_told_from_a_connection_that_broke() {
        for text in ["HTTP/1.1 400 Bad Request\r\n", "\r\n", "$x\r\n"] {
            assert_eq!(read(&mut text.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidData, "{text:?}");
        }
        for text in ["$5\r\nab", "$5\r\nabcde", "*2\r\n:1\r\n"] {
            assert_eq!(read(&mut text.as_bytes()).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{text:?}");
        }
    }
}
