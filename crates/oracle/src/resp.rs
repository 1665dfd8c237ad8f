//! A blocking RESP2 client, as small as tests allow: commands, pipelines, replies.
//! Format: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply. Simple and bulk strings are both `Text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `$-1` or `*-1`.
    Nil,
    /// `:n`.
    Integer(i64),
    /// `+text` or `$n`.
    Text(Vec<u8>),
    /// `-message`.
    Error(String),
    /// `*n`.
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of the reply; panics on anything else, an error included.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("expected a text from Redis, got {other:?}"),
        }
    }

    /// The integer of the reply; panics on anything else.
    #[track_caller]
    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(number) => *number,
            other => panic!("expected an integer from Redis, got {other:?}"),
        }
    }

    /// The elements of the reply; panics on anything else.
    #[track_caller]
    pub fn array(&self) -> &[Reply] {
        match self {
            Self::Array(items) => items,
            other => panic!("expected an array from Redis, got {other:?}"),
        }
    }

    /// The error message, if it is one.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(message) => Some(message),
            _ => None,
        }
    }
}

/// One connection to a Redis server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; every read fails after 20 seconds, so that a frozen server fails a test instead of hanging it.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_with(address, Duration::from_secs(20))
    }

    /// Connects; every read fails after `patience`. After such a failure the connection is of no use any more.
    pub fn open_with(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command and reads its reply. An error reply is a value, not an `Err`.
    pub fn try_command(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        self.send(&[words])?;
        self.receive()
    }

    /// Like [`try_command`](Self::try_command), for a command of text.
    pub fn try_words(&mut self, words: &[&str]) -> io::Result<Reply> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.try_command(&words)
    }

    /// Sends commands between `MULTI` and `EXEC`; the reply to `EXEC`, which is an array or says what was wrong.
    pub fn try_transaction(&mut self, commands: &[&[&[u8]]]) -> io::Result<Reply> {
        let (begin, end): (&[&[u8]], &[&[u8]]) = (&[b"MULTI"], &[b"EXEC"]);
        let commands = [&[begin], commands, &[end]].concat();
        self.send(&commands)?;
        let mut last = Reply::Nil;
        for _ in 0..commands.len() {
            last = self.receive()?;
        }
        Ok(last)
    }

    /// Sends one command; panics when the connection fails or Redis replies with an error.
    #[track_caller]
    pub fn command<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Reply {
        let words: Vec<W> = words.into_iter().collect();
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let reply = self.try_command(&words).expect("Redis answers");
        if let Reply::Error(message) = &reply {
            panic!("{}: {message}", String::from_utf8_lossy(words[0]));
        }
        reply
    }

    /// Writes commands in one go without reading anything.
    pub fn send(&mut self, commands: &[&[&[u8]]]) -> io::Result<()> {
        let mut out = Vec::new();
        for words in commands {
            write!(out, "*{}\r\n", words.len())?;
            for word in *words {
                write!(out, "${}\r\n", word.len())?;
                out.extend_from_slice(word);
                out.extend_from_slice(b"\r\n");
            }
        }
        self.stream.get_mut().write_all(&out)
    }

    /// Reads one reply.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
        let number = || rest.parse::<i64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        match kind {
            "+" => Ok(Reply::Text(rest.as_bytes().to_vec())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Integer(number()?)),
            "$" => {
                let Ok(length) = usize::try_from(number()?) else { return Ok(Reply::Nil) };
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Reply::Text(bytes))
            }
            "*" => {
                let count = number()?;
                if count < 0 {
                    return Ok(Reply::Nil);
                }
                (0..count).map(|_| self.receive()).collect::<io::Result<_>>().map(Reply::Array)
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
