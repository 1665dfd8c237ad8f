//! A parser of event streams, step by step as the HTML standard has it
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>).

/// A dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type: `message` if the stream names none.
    pub event: String,
    /// Its data.
    pub data: String,
    /// The last event id at that moment.
    pub last_event_id: String,
}

/// The state of one connection. Takes the bytes in pieces of any size.
#[derive(Debug, Default)]
pub struct Parser {
    started: bool,
    after_cr: bool,
    line: Vec<u8>,
    data: String,
    event: String,
    id_buffer: String,
    /// What the client would send as `Last-Event-ID`.
    pub last_event_id: String,
    /// The reconnection time, in milliseconds, if the stream set it.
    pub retry: Option<u64>,
    /// Comments seen, without the colon.
    pub comments: Vec<String>,
}

/// Parses a whole stream.
pub fn parse(stream: &[u8]) -> Vec<Message> {
    Parser::default().feed(stream)
}

impl Parser {
    /// Takes the next bytes and returns what they dispatch.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\r' | b'\n' => messages.extend(self.end_line()),
                _ => self.line.push(*byte),
            }
        }
        messages
    }

    fn end_line(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&bytes).into_owned();
        if !std::mem::replace(&mut self.started, true) && line.starts_with('\u{feff}') {
            line.remove(0);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        match line.split_once(':') {
            Some(("", comment)) => self.comments.push(comment.to_owned()),
            Some((field, value)) => self.field(field, value.strip_prefix(' ').unwrap_or(value)),
            None => self.field(&line, ""),
        }
        None
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id_buffer),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Message> {
        self.last_event_id.clone_from(&self.id_buffer);
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return None;
        }
        data.pop();
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(Message { event, data, last_event_id: self.last_event_id.clone() })
    }
}
