//! An event-stream parser written from the WHATWG text, section 9.2.6 "Interpreting an event stream"
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>).
//!
//! It takes the standard by its word where browsers are kinder: the *last event ID buffer* is empty at the start of
//! each stream, and **every** blank line copies it to the client's last event ID. So a blank line before the first
//! `id:` of a stream erases the client's place, and the product must not send one.

/// What the parser produced, in the order of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A block that dispatches an event.
    Event(Dispatch),
    /// A block without data: nothing is dispatched, but the client's last event ID becomes this value.
    Place(String),
    /// A `retry:` line; takes effect at once, in milliseconds.
    Retry(u64),
    /// A comment line without its colon.
    Comment(String),
}

/// An event as script code would receive it, with two facts that script code does not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// `message` unless the block named one.
    pub event: String,
    /// Lines joined by LF, without the last one.
    pub data: String,
    /// The client's last event ID after this block.
    pub last_event_id: String,
    /// The value of the block's own `id:` line, if it had one.
    pub own_id: Option<String>,
}

/// An incremental parser for one stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    swallow_lf: bool,
    started: bool,
    data: String,
    event: String,
    last_event_id: String,
    own_id: Option<String>,
}

impl Parser {
    /// Takes bytes as they came; appends what they complete to `out`.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<Parsed>) {
        for &byte in input {
            if std::mem::take(&mut self.swallow_lf) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    self.swallow_lf = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.take_line(&line, out);
                }
                _ => self.line.push(byte),
            }
        }
    }

    /// Whether the input so far ends after a blank line: a place where a stream may be cut without losing a block.
    pub fn at_boundary(&self) -> bool {
        self.line.is_empty() && self.data.is_empty() && self.event.is_empty() && self.own_id.is_none()
    }

    fn take_line(&mut self, line: &[u8], out: &mut Vec<Parsed>) {
        let mut line = line;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            self.dispatch(out);
        } else if let Some(comment) = line.strip_prefix(':') {
            out.push(Parsed::Comment(comment.to_owned()));
        } else {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            self.process(field, value.strip_prefix(' ').unwrap_or(value), out);
        }
    }

    fn process(&mut self, field: &str, value: &str, out: &mut Vec<Parsed>) {
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.last_event_id);
                self.own_id = Some(value.to_owned());
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                if let Ok(milliseconds) = value.parse() {
                    out.push(Parsed::Retry(milliseconds));
                }
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, out: &mut Vec<Parsed>) {
        let (mut data, event) = (std::mem::take(&mut self.data), std::mem::take(&mut self.event));
        let own_id = self.own_id.take();
        if data.is_empty() {
            out.push(Parsed::Place(self.last_event_id.clone()));
            return;
        }
        data.pop();
        let event = if event.is_empty() { "message".to_owned() } else { event };
        out.push(Parsed::Event(Dispatch { event, data, last_event_id: self.last_event_id.clone(), own_id }));
    }
}

#[cfg(test)]
mod tests {
    use super::{Dispatch, Parsed, Parser};

    fn parse(input: &[u8]) -> Vec<Parsed> {
        let mut whole = Vec::new();
        Parser::default().feed(input, &mut whole);
        for step in 1..8 {
            let (mut parser, mut out) = (Parser::default(), Vec::new());
            input.chunks(step).for_each(|piece| parser.feed(piece, &mut out));
            assert_eq!(out, whole, "the result depends on where the input is cut");
        }
        whole
    }

    fn event(event: &str, data: &str, last: &str, own: Option<&str>) -> Parsed {
        let own_id = own.map(str::to_owned);
        Parsed::Event(Dispatch { event: event.into(), data: data.into(), last_event_id: last.into(), own_id })
    }

    #[test]
    fn examples_of_the_standard_come_out_as_it_says() {
        let stock = parse(b"data: YHOO\ndata: +2\ndata: 10\n\n");
        assert_eq!(stock, [event("message", "YHOO\n+2\n10", "", None)]);
        let ids =
            parse(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
        assert_eq!(ids[0], Parsed::Comment(" test stream".into()));
        assert_eq!(ids[2], event("message", "first event", "1", Some("1")));
        assert_eq!(ids[3], event("message", "second event", "", Some("")));
        assert_eq!(ids[4], event("message", " third event", "", None));
        let lines = parse(b"data\n\ndata\ndata\n\ndata:");
        assert_eq!(lines, [event("message", "", "", None), event("message", "\n", "", None)]);
        assert_eq!(parse(b"data:test\n\ndata: test\n\n").len(), 2);
    }

    #[test]
    fn all_three_line_ends_and_a_byte_order_mark_are_understood() {
        let expected = [event("e", "a\nb", "7", Some("7"))];
        for end in ["\n", "\r", "\r\n"] {
            let text = format!("\u{FEFF}event: e{end}id: 7{end}data: a{end}data: b{end}{end}");
            assert_eq!(parse(text.as_bytes()), expected);
        }
    }

    #[test]
    fn an_id_counts_wherever_it_stands_in_its_block() {
        for block in ["id: 7\nevent: e\ndata: a\n\n", "event: e\nid: 7\ndata: a\n\n", "event: e\ndata: a\nid: 7\n\n"] {
            assert_eq!(parse(block.as_bytes()), [event("e", "a", "7", Some("7"))]);
        }
    }

    #[test]
    fn an_id_without_data_moves_the_place_and_dispatches_nothing() {
        assert_eq!(parse(b"id: 5-0\n\n"), [Parsed::Place("5-0".into())]);
    }

    #[test]
    fn a_blank_line_before_the_first_id_erases_the_place_as_the_standard_says() {
        assert_eq!(parse(b"retry: 10\n\n"), [Parsed::Retry(10), Parsed::Place(String::new())]);
        assert_eq!(parse(b"retry: 10\n"), [Parsed::Retry(10)]);
    }

    #[test]
    fn an_unfinished_block_is_discarded_and_odd_fields_are_ignored() {
        assert_eq!(parse(b"id: 9\ndata: lost"), []);
        assert_eq!(parse(b"id: a\0b\nretry: 1x\nfoo: bar\ndata: d\n\n"), [event("message", "d", "", None)]);
    }
}
