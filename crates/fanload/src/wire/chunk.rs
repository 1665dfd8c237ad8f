//! Chunked transfer coding, RFC 9112 section 7.1.

use super::Malformed;

/// A decoder for one body. It copies nothing: it says which parts of the input are body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkDecoder {
    state: State,
    /// Bytes of the current chunk that have not come yet, or its size as far as it is known.
    left: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Start,
    Size,
    /// Behind the size: an extension, or the CR.
    Extension,
    Body,
    /// Behind a body: CR, LF.
    End,
    EndLf,
    /// At the start of a trailer line, or of the last, empty one.
    Trailer,
    TrailerLine,
    LastLf,
    Done,
}

impl ChunkDecoder {
    /// Takes the next part of the body off the front of `input`; `None` when the input is used up.
    ///
    /// # Errors
    /// When the input is not chunked.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            if self.state == State::Body {
                if input.is_empty() {
                    return Ok(None);
                }
                let length = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
                let (part, rest) = input.split_at(length);
                *input = rest;
                self.left -= length as u64;
                if self.left == 0 {
                    self.state = State::End;
                }
                return Ok(Some(part));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            if self.state == State::Done {
                return Err(Malformed("something follows the last chunk"));
            }
            *input = rest;
            self.state = self.step(byte)?;
        }
    }

    /// Whether the last chunk and its trailer have come: the body ended as it should.
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        match (self.state, byte) {
            (State::Start | State::Size, _) if byte.is_ascii_hexdigit() => {
                let start = if self.state == State::Start { 0 } else { self.left };
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = start.checked_mul(16).ok_or(Malformed("a chunk is larger than a number can say"))? + digit;
                Ok(State::Size)
            }
            (State::Size, b';' | b' ' | b'\t' | b'\r') => Ok(State::Extension),
            (State::Size | State::Extension, b'\n') => Ok(if self.left == 0 { State::Trailer } else { State::Body }),
            (State::Extension, _) => Ok(State::Extension),
            (State::End, b'\r') => Ok(State::EndLf),
            (State::EndLf, b'\n') => Ok(State::Start),
            (State::Trailer, b'\r') => Ok(State::LastLf),
            (State::LastLf, b'\n') => Ok(State::Done),
            (State::TrailerLine, b'\n') => Ok(State::Trailer),
            (State::Trailer | State::TrailerLine, _) => Ok(State::TrailerLine),
            (State::Start | State::Size, _) => Err(Malformed("a chunk does not begin with its size")),
            _ => Err(Malformed("a chunk does not end where its size says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), Malformed> {
        let (mut decoder, mut out) = (ChunkDecoder::default(), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            while let Some(part) = decoder.next(&mut input)? {
                out.extend_from_slice(part);
            }
        }
        Ok((out, decoder.done()))
    }

    // Seen to fail when a size that is cut between two digits starts anew.
    #[test]
    fn the_body_is_the_same_wherever_the_input_is_cut() {
        let input = b"5\r\nhello\r\n1b;name=value\r\n, and a longer second chunk\r\n0\r\nTrailer: x\r\n\r\n";
        let whole = decode(&[input]).unwrap();
        assert_eq!(whole, (b"hello, and a longer second chunk".to_vec(), true));
        for first in 0..input.len() {
            for second in first..input.len() {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                assert_eq!(decode(&pieces).unwrap(), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_body_that_is_not_chunked_is_refused() {
        for input in ["data: x\n\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", "0\r\n\r\nmore"] {
            assert!(decode(&[input.as_bytes()]).is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_body_is_only_done_behind_its_last_chunk() {
        assert!(!decode(&[b"1\r\na\r\n"]).unwrap().1);
        assert!(!decode(&[b"1\r\na\r\n0\r\n"]).unwrap().1);
        assert!(decode(&[b"1\r\na\r\n0\r\n\r\n"]).unwrap().1);
    }
}
