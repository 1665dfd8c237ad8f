//! The event stream, WHATWG HTML section 9.2.6, line by line.
//!
//! The parser keeps bytes only of a line that was cut, and of that only as many as its user wants to see, so that a
//! thousand connections can be in the middle of a large event at the same time.

use memchr::memchr2;

/// What takes the lines. A block is what lies between two blank lines.
pub trait Lines {
    /// A `data` line: its first bytes (at most as many as the parser keeps) and its whole length.
    fn data(&mut self, start: &[u8], length: usize);
    /// An `event` line.
    fn event(&mut self, name: &[u8]);
    /// An `id` line without NUL.
    fn id(&mut self, id: &[u8]);
    /// A `retry` line, in milliseconds.
    fn retry(&mut self, milliseconds: u64);
    /// A comment.
    fn comment(&mut self);
    /// A blank line: the block is whole.
    fn blank(&mut self);
}

/// The parser of one stream.
#[derive(Clone, Debug)]
pub struct Parser {
    /// The first bytes of a line whose end has not come.
    cut: Vec<u8>,
    /// Its bytes so far.
    length: usize,
    keep: usize,
    swallow_lf: bool,
    started: bool,
}

impl Parser {
    /// A parser for a new stream that keeps at most `keep` bytes of a line.
    pub fn new(keep: usize) -> Self {
        Self { cut: Vec::new(), length: 0, keep, swallow_lf: false, started: false }
    }

    /// Takes bytes as they came.
    pub fn feed(&mut self, mut input: &[u8], lines: &mut impl Lines) {
        if self.swallow_lf && !input.is_empty() {
            self.swallow_lf = false;
            input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        while let Some(end) = memchr2(b'\n', b'\r', input) {
            if self.length == 0 {
                self.line(&input[..end], end, lines);
            } else {
                self.keep_start(&input[..end]);
                let (cut, length) = (std::mem::take(&mut self.cut), std::mem::take(&mut self.length));
                self.line(&cut, length, lines);
            }
            let carriage_return = input[end] == b'\r';
            input = &input[end + 1..];
            if carriage_return {
                self.swallow_lf = input.is_empty();
                input = input.strip_prefix(b"\n").unwrap_or(input);
            }
        }
        self.keep_start(input);
    }

    fn keep_start(&mut self, bytes: &[u8]) {
        let room = self.keep.saturating_sub(self.cut.len());
        self.cut.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length += bytes.len();
    }

    fn line(&mut self, line: &[u8], length: usize, lines: &mut impl Lines) {
        let (mut line, mut length) = (&line[..line.len().min(self.keep)], length);
        if !self.started {
            self.started = true;
            if let Some(rest) = line.strip_prefix(b"\xEF\xBB\xBF") {
                (line, length) = (rest, length - 3);
            }
        }
        match line {
            [] => lines.blank(),
            [b':', ..] => lines.comment(),
            [b'd', b'a', b't', b'a', b':', b' ', rest @ ..] => lines.data(rest, length - 6),
            _ => field(line, length, lines),
        }
    }
}

/// The cases that are rarer, or spelt in a rarer way.
fn field(line: &[u8], length: usize, lines: &mut impl Lines) {
    let (name, value) = match memchr::memchr(b':', line) {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => (line, &line[line.len()..]),
    };
    let stripped = value.strip_prefix(b" ").unwrap_or(value);
    let skipped = line.len() - stripped.len();
    match name {
        b"data" => lines.data(stripped, length - skipped),
        b"event" => lines.event(stripped),
        b"id" if !stripped.contains(&0) => lines.id(stripped),
        b"retry" if !stripped.is_empty() && stripped.iter().all(u8::is_ascii_digit) => {
            if let Some(milliseconds) = std::str::from_utf8(stripped).ok().and_then(|text| text.parse().ok()) {
                lines.retry(milliseconds);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Told(Vec<String>);

    impl Lines for Told {
        fn data(&mut self, start: &[u8], length: usize) {
            self.0.push(format!("data {} of {length}", String::from_utf8_lossy(start)));
        }
        fn event(&mut self, name: &[u8]) {
            self.0.push(format!("event {}", String::from_utf8_lossy(name)));
        }
        fn id(&mut self, id: &[u8]) {
            self.0.push(format!("id {}", String::from_utf8_lossy(id)));
        }
        fn retry(&mut self, milliseconds: u64) {
            self.0.push(format!("retry {milliseconds}"));
        }
        fn comment(&mut self) {
            self.0.push("comment".to_owned());
        }
        fn blank(&mut self) {
            self.0.push("blank".to_owned());
        }
    }

    fn told(pieces: &[&[u8]], keep: usize) -> Vec<String> {
        let (mut parser, mut told) = (Parser::new(keep), Told::default());
        pieces.iter().for_each(|piece| parser.feed(piece, &mut told));
        told.0
    }

    // Seen to fail when a CR at the end of a read does not swallow the LF at the start of the next.
    #[test]
    fn the_lines_are_the_same_wherever_the_input_is_cut() {
        for end in ["\n", "\r", "\r\n"] {
            let lines = [
                "\u{FEFF}retry: 10",
                "id: 5-0",
                "",
                ": hello",
                "event:e",
                "data: a longer line",
                "data",
                "",
                "data: x",
            ];
            let input = lines.join(end);
            let whole = told(&[input.as_bytes()], 12);
            let expected =
                ["retry 10", "id 5-0", "blank", "comment", "event e", "data a long of 13", "data  of 0", "blank"];
            assert_eq!(whole, expected, "with {end:?}");
            let input = input.as_bytes();
            for first in 0..input.len() {
                for second in first..input.len() {
                    let pieces = [&input[..first], &input[first..second], &input[second..]];
                    assert_eq!(told(&pieces, 12), whole, "cut at {first} and {second}, with {end:?}");
                }
            }
        }
    }

    // Seen to fail when the parser keeps the whole line.
    #[test]
    fn of_a_long_line_only_the_start_is_kept() {
        let (mut parser, mut out) = (Parser::new(64), Told::default());
        parser.feed(b"data: ", &mut out);
        for _ in 0..1_000 {
            parser.feed(&[b'x'; 1_000], &mut out);
            assert!(parser.cut.capacity() <= 128, "{}", parser.cut.capacity());
        }
        parser.feed(b"\n", &mut out);
        assert!(out.0[0].ends_with(" of 1000000"), "{:?}", out.0);
    }

    #[test]
    fn odd_fields_are_ignored() {
        assert!(told(&[b"id: a\0b\nretry: 1x\nretry:\nfoo: bar\nretry: 99999999999999999999999\n"], 512).is_empty());
    }
}
