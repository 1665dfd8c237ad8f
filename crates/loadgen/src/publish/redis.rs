//! Commands in a pipeline on one Redis connection. RESP2:
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

use crate::target::RedisWay;

/// Bytes that are gathered before they are sent.
const GATHER: usize = 64 * 1024;
/// Replies that may be outstanding. They are short, so Redis never waits for us to read them.
const WINDOW: usize = 512;
/// About how many entries a stream keeps when the commands are plain; the function has the same default.
const MAXLEN: &[u8] = b"10000";

/// Seconds that streams outlive a run. Nodes follow a channel a little longer than anybody listens, and would have to
/// report a stream that vanishes meanwhile.
const AFTERLIFE: &[u8] = b"300";

/// A connection to Redis.
#[derive(Debug)]
pub(super) struct Redis {
    stream: BufReader<TcpStream>,
    prefix: String,
    way: RedisWay,
    out: Vec<u8>,
    /// Replies that have not been read.
    outstanding: usize,
}

/// What matters of a reply.
enum Reply {
    Error(String),
    Number(i64),
    Other,
}

impl Redis {
    pub(super) fn connect(
        address: SocketAddr,
        login: Option<&(String, String)>,
        prefix: &str,
        way: RedisWay,
    ) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, super::PATIENCE);
        let stream = stream.with_context(|| format!("Redis at {address} cannot be reached"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        stream.set_write_timeout(Some(super::PATIENCE))?;
        let stream = BufReader::new(stream);
        let mut redis = Self { stream, prefix: prefix.to_owned(), way, out: Vec::new(), outstanding: 0 };
        if let Some((user, password)) = login {
            redis.command(&[b"AUTH", user.as_bytes(), password.as_bytes()]);
        }
        redis.command(&[b"PING"]);
        redis.flush()?;
        Ok(redis)
    }

    pub(super) fn publish(&mut self, channel: &str, data: &[u8]) -> Result<()> {
        let key = format!("{}{channel}", self.prefix);
        let key = key.as_bytes();
        match self.way {
            RedisWay::Function => self.command(&[b"FCALL", b"sse_publish", b"1", key, b"DATA", data]),
            RedisWay::Ephemeral => self.command(&[b"PUBLISH", key, data]),
            RedisWay::Transaction => {
                self.command(&[b"MULTI"]);
                self.command(&[b"XADD", key, b"MAXLEN", b"~", MAXLEN, b"*", b"data", data]);
                self.command(&[b"PUBLISH", key, b""]);
                self.command(&[b"EXEC"]);
            }
        }
        if self.outstanding >= WINDOW {
            return self.flush();
        }
        if self.out.len() >= GATHER { self.send() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.send()?;
        while self.outstanding > 0 {
            self.reply()?;
        }
        Ok(())
    }

    pub(super) fn clean(&mut self, channels: impl Iterator<Item = String>) -> Result<()> {
        for channel in channels {
            self.command(&[b"EXPIRE", format!("{}{channel}", self.prefix).as_bytes(), AFTERLIFE]);
            if self.outstanding >= WINDOW {
                self.flush()?;
            }
        }
        self.flush()
    }

    pub(super) fn cut_feeds(&mut self) -> Result<i64> {
        self.flush()?;
        self.command(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]);
        self.send()?;
        match self.reply()? {
            Reply::Number(count) => Ok(count),
            _ => bail!("Redis answers CLIENT KILL with something other than a number"),
        }
    }

    fn command(&mut self, words: &[&[u8]]) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(self.out, "${}\r\n", word.len());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
        self.outstanding += 1;
    }

    fn send(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.out).context("Redis does not take commands any more")?;
        self.out.clear();
        Ok(())
    }

    /// Reads the next reply; an error reply is an error.
    fn reply(&mut self) -> Result<Reply> {
        self.outstanding -= 1;
        match self.read().context("Redis does not answer")? {
            Reply::Error(message) if message.contains("Function not found") => bail!(
                "Redis has no function sse_publish: start a node (it loads the function), or use --publish transaction"
            ),
            Reply::Error(message) => bail!("Redis refuses to publish: {message}"),
            reply => Ok(reply),
        }
    }

    fn read(&mut self) -> Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("it closed the connection");
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let (kind, rest) = line.split_at_checked(1).context("an empty reply")?;
        match kind {
            "+" => Ok(Reply::Other),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Number(rest.parse()?)),
            "$" => {
                // A negative length is nil and has no bytes.
                if let Ok(length) = rest.parse::<i64>()?.try_into() {
                    let mut text = vec![0; usize::checked_add(length, 2).context("an endless reply")?];
                    self.stream.read_exact(&mut text)?;
                }
                Ok(Reply::Other)
            }
            "*" => {
                let mut result = Reply::Other;
                for _ in 0..rest.parse::<i64>()?.max(0) {
                    // An error inside the answer of EXEC is an error of the whole.
                    if let Reply::Error(message) = self.read()? {
                        result = Reply::Error(message);
                    }
                }
                Ok(result)
            }
            _ => bail!("a reply that is not RESP: {line:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A Redis that says `replies` whatever it is asked, and then closes.
    fn against(replies: &'static [u8]) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(replies).unwrap();
            // Reads to the end, so that nobody is reset before the replies are read.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let result = Redis::connect(address, None, "sse:", RedisWay::Function).and_then(|mut redis| {
            redis.publish("a", b"1 1 1 ")?;
            redis.publish("a", b"1 2 1 ")?;
            redis.flush()
        });
        server.join().unwrap();
        result
    }

    #[test]
    fn replies_of_every_kind_are_read_to_their_end() {
        against(b"+PONG\r\n$3\r\n1-0\r\n*3\r\n:1\r\n$-1\r\n+OK\r\n").unwrap();
    }

    // Seen to fail when an error inside an answer of EXEC is passed over.
    #[test]
    fn a_refusal_is_an_error_that_says_what_to_do() {
        let missing = against(b"+PONG\r\n-ERR Function not found\r\n$3\r\n1-0\r\n").unwrap_err();
        assert!(missing.to_string().contains("start a node"), "{missing:#}");
        let inside = against(b"+PONG\r\n$3\r\n1-0\r\n*2\r\n-OOM no memory\r\n:0\r\n").unwrap_err();
        assert!(inside.to_string().contains("OOM no memory"), "{inside:#}");
        let closed = against(b"+PONG\r\n$3\r\n1-0\r\n").unwrap_err();
        assert!(format!("{closed:#}").contains("closed"), "{closed:#}");
    }
}
