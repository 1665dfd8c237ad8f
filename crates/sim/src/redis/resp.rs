//! RESP3, as far as Fanfare's client needs it (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use bytes::Bytes;

/// A command: its name and its arguments.
pub(crate) type Command = Vec<Bytes>;

/// What a server says.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Ok,
    Queued,
    Status(String),
    Error(String),
    Number(i64),
    Bulk(Bytes),
    Nil,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Push(Vec<Reply>),
}

impl Reply {
    #[expect(clippy::needless_pass_by_value, reason = "numbers, ids and texts alike, and most are made for it")]
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Bulk(Bytes::from(text.to_string()))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let line = |out: &mut Vec<u8>, kind: char, text: &str| out.extend(format!("{kind}{text}\r\n").as_bytes());
        let items = |out: &mut Vec<u8>, kind: char, items: &[Self]| {
            line(out, kind, &items.len().to_string());
            items.iter().for_each(|item| item.encode(out));
        };
        match self {
            Self::Ok => line(out, '+', "OK"),
            Self::Queued => line(out, '+', "QUEUED"),
            Self::Status(text) => line(out, '+', text),
            Self::Error(text) => line(out, '-', text),
            Self::Number(number) => line(out, ':', &number.to_string()),
            Self::Nil => line(out, '_', ""),
            Self::Bulk(bytes) => {
                line(out, '$', &bytes.len().to_string());
                out.extend(bytes);
                out.extend(b"\r\n");
            }
            Self::Array(all) => items(out, '*', all),
            Self::Push(all) => items(out, '>', all),
            Self::Map(pairs) => {
                line(out, '%', &pairs.len().to_string());
                for (name, value) in pairs {
                    name.encode(out);
                    value.encode(out);
                }
            }
        }
    }
}

/// Takes the first complete command out of what has been read. A client library sends nothing but arrays of strings.
pub(crate) fn take_command(input: &mut Vec<u8>) -> Option<Command> {
    let mut at = 0;
    let count = number(input, &mut at, b'*')?;
    let mut command = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(input, &mut at, b'$')?;
        let end = at + length;
        if input.len() < end + 2 {
            return None;
        }
        command.push(Bytes::copy_from_slice(&input[at..end]));
        at = end + 2;
    }
    input.drain(..at);
    Some(command)
}

fn number(input: &[u8], at: &mut usize, kind: u8) -> Option<usize> {
    let rest = input.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(rest[0], kind, "not a command: {}", rest.escape_ascii());
    *at += end + 2;
    Some(std::str::from_utf8(&rest[1..end]).ok().and_then(|digits| digits.parse().ok()).expect("a length"))
}
