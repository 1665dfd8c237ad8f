//! Chunked transfer coding, decoded a second time (RFC 9112 section 7.1) and stricter than a client must be:
//! extensions, trailers and anything after the last chunk are errors, because the product sends none.

/// An incremental decoder.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    state: State,
    /// Number of complete chunks so far, the last one not counted.
    pub chunks: u64,
}

#[derive(Debug)]
enum State {
    Size(Vec<u8>),
    Data(usize),
    DataEnd(usize),
    LastEnd(usize),
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size(Vec::new())
    }
}

impl ChunkDecoder {
    /// Takes the bytes as they came and appends what they carry to `out`.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = input;
        while !rest.is_empty() {
            rest = self.step(rest, out)?;
        }
        Ok(())
    }

    /// Whether the last chunk has been read completely.
    pub fn finished(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the input so far ends between two chunks.
    pub fn at_boundary(&self) -> bool {
        matches!(&self.state, State::Size(digits) if digits.is_empty())
    }

    fn step<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], String> {
        match &mut self.state {
            State::Size(line) => {
                let (&byte, rest) = input.split_first().ok_or("empty input")?;
                line.push(byte);
                if line.ends_with(b"\r\n") {
                    let size = parse_size(&line[..line.len() - 2])?;
                    self.state = if size == 0 { State::LastEnd(0) } else { State::Data(size) };
                } else if line.len() > 10 {
                    return Err(format!("chunk size without an end: {:?}", String::from_utf8_lossy(line)));
                }
                Ok(rest)
            }
            State::Data(missing) => {
                let taken = input.len().min(*missing);
                out.extend_from_slice(&input[..taken]);
                *missing -= taken;
                if *missing == 0 {
                    self.state = State::DataEnd(0);
                }
                Ok(&input[taken..])
            }
            State::DataEnd(seen) => {
                let end = expect_crlf(seen, input[0])?;
                if end {
                    self.chunks += 1;
                    self.state = State::default();
                }
                Ok(&input[1..])
            }
            State::LastEnd(seen) => {
                if expect_crlf(seen, input[0])? {
                    self.state = State::Done;
                }
                Ok(&input[1..])
            }
            State::Done => Err(format!("{} bytes after the last chunk", input.len())),
        }
    }
}

fn parse_size(digits: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(digits).map_err(|_| "chunk size is not text")?;
    let clean = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = usize::from_str_radix(text, 16).ok().filter(|_| clean);
    size.ok_or_else(|| format!("bad chunk size {text:?}"))
}

fn expect_crlf(seen: &mut usize, byte: u8) -> Result<bool, String> {
    let expected = b"\r\n"[*seen];
    if byte != expected {
        return Err(format!("expected {expected:#x} after a chunk, got {byte:#x}"));
    }
    *seen += 1;
    Ok(*seen == 2)
}

#[cfg(test)]
mod tests {
    use super::ChunkDecoder;

    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, ChunkDecoder), String> {
        let (mut out, mut decoder) = (Vec::new(), ChunkDecoder::default());
        for piece in input.chunks(step) {
            decoder.feed(piece, &mut out)?;
        }
        Ok((out, decoder))
    }

    #[test]
    fn decodes_the_same_however_the_input_is_cut() {
        let input = b"5\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for step in 1..=input.len() {
            let (out, decoder) = decode(input, step).expect("valid");
            assert_eq!(out, b"helloabcdefghijklmnopqrstuvwxyz");
            assert!(decoder.finished());
            assert_eq!(decoder.chunks, 2);
        }
    }

    #[test]
    fn refuses_what_the_product_must_not_send() {
        for bad in [
            &b"5\r\nhelloX\r\n"[..],
            b"\r\n",
            b"5;x=y\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"0\r\n\r\nHTTP/1.1",
            b"0\r\nTrailer: x\r\n\r\n",
        ] {
            assert!(decode(bad, 3).is_err(), "accepted {:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn knows_whether_a_stream_was_cut_between_chunks() {
        assert!(decode(b"2\r\nab\r\n", 9).expect("valid").1.at_boundary());
        assert!(!decode(b"2\r\nab\r", 9).expect("valid").1.at_boundary());
    }
}
