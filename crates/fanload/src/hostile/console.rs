//! Commands to Redis in a pipeline, and their replies.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::resp::{self, Reply};

/// How long Redis may take for one reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to Redis.
#[derive(Debug)]
pub(super) struct Console {
    socket: BufReader<TcpStream>,
    out: Vec<u8>,
    /// Commands whose replies have not been read.
    waiting: usize,
}

impl Console {
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn connect(redis: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&redis, PATIENCE).context("Redis cannot be reached")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket: BufReader::new(socket), out: Vec::new(), waiting: 0 })
    }

    /// Puts a command into the pipeline.
    pub(super) fn put(&mut self, words: &[&[u8]]) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(self.out, "${}\r\n", word.len());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
        self.waiting += 1;
    }

    /// Sends the pipeline and reads the replies; the last of them is returned.
    ///
    /// # Errors
    /// When the connection breaks or Redis answers with an error.
    pub(super) fn settle(&mut self) -> Result<Reply> {
        self.socket.get_mut().write_all(&self.out).context("Redis takes no commands")?;
        self.out.clear();
        let mut last = Reply::Nil;
        while self.waiting > 0 {
            last = resp::read(&mut self.socket).context("Redis does not answer")?;
            self.waiting -= 1;
            if let Some(error) = last.error() {
                bail!("Redis refuses: {error}");
            }
        }
        Ok(last)
    }

    /// Publishes a durable event in a channel; `settle` says its id.
    pub(super) fn put_event(&mut self, channel: &str, data: &[u8]) {
        let key = format!("sse:{channel}");
        self.put(&[b"FCALL", b"sse_publish", b"1", key.as_bytes(), b"DATA", data]);
    }

    /// Publishes one event and returns its id.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(super) fn publish(&mut self, channel: &str, data: &[u8]) -> Result<String> {
        self.put_event(channel, data);
        match self.settle()? {
            Reply::Text(id) => Ok(String::from_utf8_lossy(&id).into_owned()),
            other => bail!("sse_publish answers {other:?} instead of an id"),
        }
    }

    /// Publishes `count` events with the same data, `batch` of them at a time.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(super) fn publish_many(&mut self, channel: &str, data: &[u8], count: usize, batch: usize) -> Result<()> {
        for number in 1..=count {
            self.put_event(channel, data);
            if number % batch == 0 {
                self.settle()?;
            }
        }
        self.settle().map(drop)
    }

    /// Bytes that Redis has sent since it started.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) fn sent_bytes(&mut self) -> Result<u64> {
        self.put(&[b"INFO", b"stats"]);
        let Reply::Text(text) = self.settle()? else { bail!("INFO is no text") };
        output_bytes(&String::from_utf8_lossy(&text)).context("INFO stats has no total_net_output_bytes")
    }
}

fn output_bytes(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bytes_sent_stand_among_other_lines() {
        let info =
            "# Stats\r\ntotal_net_input_bytes:7\r\ntotal_net_output_bytes:12345\r\ntotal_net_repl_output_bytes:1\r\n";
        assert_eq!(super::output_bytes(info), Some(12_345));
        assert_eq!(super::output_bytes("# Stats\r\n"), None);
    }
}
