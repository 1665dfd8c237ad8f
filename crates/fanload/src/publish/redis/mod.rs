//! Commands in a pipeline on one Redis connection.

use std::io::{BufReader, ErrorKind, Write};
use std::net::SocketAddr;

use anyhow::{Context, Error, Result, anyhow, bail};

use super::broken::Broken;
use super::event::Event;
use super::ledger::{Ledger, Stored};
use super::mended::Mended;
use super::socket::Socket;
use crate::payload::Payload;
use crate::resp::{self, Reply};
use crate::stage::Stage;
use crate::target::RedisWay;

/// Bytes that are gathered before they are sent.
const GATHER: usize = 64 * 1024;
/// Replies that may be outstanding. They are short, so Redis never waits for us to read them.
const WINDOW: usize = 512;
/// About how many entries a stream keeps when the commands are plain; the function has the same default.
const MAXLEN: &[u8] = b"10000";

/// Seconds that streams outlive a run. Nodes follow a channel a little longer than clients listen, and would have to
/// report a stream that vanishes meanwhile.
const AFTERLIFE: &[u8] = b"300";

/// Beginnings of refusals that pass by themselves: Redis reads its data, is being demoted or promoted, or runs a script.
const PASSING: [&str; 7] = ["LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"];

/// Where Redis is and what it is told.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// User and password.
    pub(super) login: Option<(String, String)>,
    /// The keys of channels without their index.
    pub(super) keys: String,
    pub(super) way: RedisWay,
}

/// A connection to Redis.
#[derive(Debug)]
pub(super) struct Redis {
    socket: BufReader<Socket>,
    server: Server,
    stage: Stage,
    out: Vec<u8>,
    ledger: Ledger,
}

impl Redis {
    pub(super) fn connect(server: Server, stage: &Stage) -> Result<Self> {
        let socket = Socket::connect(server.address, stage);
        let socket = socket.with_context(|| format!("Redis at {} cannot be reached", server.address))?;
        let (socket, stage) = (BufReader::new(socket), stage.clone());
        let mut redis = Self { socket, server, stage, out: Vec::new(), ledger: Ledger::default() };
        if let Some((user, password)) = redis.server.login.clone() {
            redis.command(&[b"AUTH", user.as_bytes(), password.as_bytes()], None);
        }
        redis.command(&[b"PING"], None);
        redis.flush()?;
        Ok(redis)
    }

    pub(super) fn publish(&mut self, event: Event, data: &[u8]) -> Result<()> {
        let key = self.key(event.channel);
        match self.server.way {
            RedisWay::Function => self.command(&[b"FCALL", b"sse_publish", b"1", &key, b"DATA", data], Some(event)),
            RedisWay::Ephemeral => self.command(&[b"PUBLISH", &key, data], Some(event)),
            RedisWay::Transaction => {
                self.command(&[b"MULTI"], None);
                self.command(&[b"XADD", &key, b"MAXLEN", b"~", MAXLEN, b"*", b"data", data], None);
                self.command(&[b"PUBLISH", &key, b""], None);
                self.command(&[b"EXEC"], Some(event));
            }
        }
        if self.ledger.outstanding() >= WINDOW {
            return self.flush();
        }
        if self.out.len() >= GATHER { self.send() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.send()?;
        while self.ledger.outstanding() > 0 {
            self.reply()?;
        }
        Ok(())
    }

    pub(super) fn accepts(&self) -> bool {
        self.ledger.accepts()
    }

    pub(super) fn clean(&mut self, channels: usize) -> Result<()> {
        for channel in 0..channels {
            let key = self.key(channel as u32);
            self.command(&[b"EXPIRE", &key, AFTERLIFE], None);
            if self.ledger.outstanding() >= WINDOW {
                self.flush()?;
            }
        }
        self.flush()
    }

    pub(super) fn cut_feeds(&mut self) -> Result<i64> {
        self.flush()?;
        self.command(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"], None);
        self.send()?;
        match self.reply()? {
            Reply::Number(count) => Ok(count),
            _ => bail!("Redis answers CLIENT KILL with something other than a number"),
        }
    }

    /// A new connection, and what became of the events that the old one did not answer.
    pub(super) fn mend(&mut self) -> Result<Mended> {
        // What Redis has not read by now, it shall not read after we have looked.
        self.socket.get_ref().close();
        if self.server.way == RedisWay::Ephemeral {
            bail!("ephemeral events leave nothing behind that says which of them were published");
        }
        let mut fresh = Self::connect(self.server.clone(), &self.stage).context(Broken)?;
        if self.server.way == RedisWay::Function {
            // A Redis that came back empty has no function until a node has loaded it again.
            fresh.command(&[b"FCALL", b"sse_version", b"0"], None);
            fresh.flush().context(Broken)?;
        }
        let found = fresh.look(&self.ledger.channels())?;
        fresh.ledger = std::mem::take(&mut self.ledger);
        let mended = fresh.ledger.settle(found.as_deref());
        *self = fresh;
        Ok(mended)
    }

    /// The numbers of the newest events of each channel, as many as stand beside it, or of one; `None` when this user may not read.
    fn look(&mut self, channels: &[(u32, usize)]) -> Result<Option<Vec<Stored>>> {
        let (mut found, mut allowed) = (Vec::with_capacity(channels.len()), true);
        for part in channels.chunks(WINDOW) {
            for &(channel, newest) in part {
                let (key, count) = (self.key(channel), newest.max(1).to_string());
                self.command(&[b"XREVRANGE", &key, b"+", b"-", b"COUNT", count.as_bytes()], None);
            }
            self.send()?;
            for &(channel, _) in part {
                match resp::read(&mut self.socket).map_err(unanswered)? {
                    Reply::Error(message) if message.starts_with("NOPERM") => allowed = false,
                    Reply::Error(message) => {
                        return Err(anyhow!("the Streams cannot be read: {message}").context(Broken));
                    }
                    entries => found.push(Stored { channel, numbers: numbers(&entries) }),
                }
            }
        }
        Ok(allowed.then_some(found))
    }

    fn key(&self, channel: u32) -> Vec<u8> {
        format!("{}{channel}", self.server.keys).into_bytes()
    }

    /// Puts a command into the buffer. Its answer is about `event`, or about none.
    fn command(&mut self, words: &[&[u8]], event: Option<Event>) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(self.out, "${}\r\n", word.len());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
        self.ledger.expect(event);
    }

    fn send(&mut self) -> Result<()> {
        let sent = self.socket.get_mut().write_all(&self.out);
        sent.map_err(|error| Error::from(error).context("Redis does not take commands any more").context(Broken))?;
        self.out.clear();
        Ok(())
    }

    /// Reads the next reply; an error reply is an error.
    fn reply(&mut self) -> Result<Reply> {
        let reply = resp::read(&mut self.socket).map_err(unanswered)?;
        let Some(message) = reply.error() else {
            self.ledger.accepted();
            return Ok(reply);
        };
        let missing = message.contains("Function not found");
        // A function that was there is loaded again by the next node that connects.
        if PASSING.iter().any(|start| message.starts_with(start)) || (missing && self.ledger.has_stored()) {
            let error = anyhow!("Redis is not ready: {message}");
            self.ledger.refused();
            return Err(error.context(Broken));
        }
        if missing {
            bail!(
                "Redis has no function sse_publish: start a node (it loads the function), or use --publish transaction"
            );
        }
        bail!("Redis refuses to publish: {message}")
    }
}

fn unanswered(error: std::io::Error) -> Error {
    if error.kind() == ErrorKind::InvalidData {
        return Error::from(error).context("what answers is not Redis");
    }
    Error::from(error).context("Redis does not answer").context(Broken)
}

/// The numbers of our events among the entries of an `XREVRANGE`.
fn numbers(entries: &Reply) -> Vec<u64> {
    let Reply::Array(entries) = entries else { return Vec::new() };
    let number = |entry: &Reply| {
        let Reply::Array(entry) = entry else { return None };
        let Reply::Array(fields) = entry.get(1)? else { return None };
        let data = fields.chunks(2).find(|field| field[0] == Reply::Text(b"data".to_vec()))?;
        let Reply::Text(data) = data.get(1)? else { return None };
        Some(Payload::read(data)?.sequence)
    };
    entries.iter().filter_map(number).collect()
}

#[cfg(test)]
mod tests;
