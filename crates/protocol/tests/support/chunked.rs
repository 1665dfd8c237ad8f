//! A decoder of chunked transfer coding (RFC 9112, section 7.1) that forgives nothing.

/// The chunks of a body, and what it ends with.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    /// The data of each chunk.
    pub chunks: Vec<Vec<u8>>,
    /// Whether the last chunk was there.
    pub ended: bool,
}

impl Body {
    /// The data of all chunks.
    pub fn data(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// Decodes a body of whole chunks. Accepts no extensions, no trailers, no partial chunk and nothing after the end.
pub fn decode(mut body: &[u8]) -> Result<Body, String> {
    let mut chunks = Vec::new();
    while !body.is_empty() {
        let line = body.windows(2).position(|pair| pair == b"\r\n").ok_or("no size line")?;
        let size = size(&body[..line])?;
        body = &body[line + 2..];
        let data = body.get(..size).ok_or("chunk cut short")?;
        if body.get(size..size + 2) != Some(b"\r\n") {
            return Err(format!("no line break after {size} bytes"));
        }
        body = &body[size + 2..];
        if size == 0 {
            return if body.is_empty() { Ok(Body { chunks, ended: true }) } else { Err("data after the end".into()) };
        }
        chunks.push(data.to_vec());
    }
    Ok(Body { chunks, ended: false })
}

fn size(line: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("not a size: {text:?}"));
    }
    usize::from_str_radix(text, 16).map_err(|error| error.to_string())
}
