//! One kept-alive connection.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Error, Result, anyhow, bail};

use crate::publish::broken::Broken;
use crate::publish::event::Event;
use crate::publish::socket::Socket;
use crate::stage::Stage;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::head::{self, Head};

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    address: SocketAddr,
    stage: Stage,
    /// `None`: the server closed it in order, behind an answer.
    socket: Option<Socket>,
    out: Vec<u8>,
    /// Answers that have not come, in order; `None` for one that is about no event.
    pending: VecDeque<Option<Event>>,
    /// Received and not read.
    received: Vec<u8>,
}

impl Line {
    pub(super) fn open(address: SocketAddr, stage: &Stage) -> Result<Self> {
        let socket = connect(address, stage)?;
        let (socket, stage) = (Some(socket), stage.clone());
        Ok(Self { address, stage, socket, out: Vec::new(), pending: VecDeque::new(), received: Vec::new() })
    }

    /// The same connection again.
    pub(super) fn again(&self) -> Result<Self> {
        Self::open(self.address, &self.stage)
    }

    /// Puts a request into the buffer. Its answer is about `event`, or about none.
    pub(super) fn ask(&mut self, request: fmt::Arguments<'_>, event: Option<Event>) {
        // Writing to a vector cannot fail.
        let _ = self.out.write_fmt(request);
        self.pending.push_back(event);
    }

    /// Answers that have not come.
    pub(super) fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// The events that have not been answered.
    pub(super) fn unanswered(self) -> impl Iterator<Item = Event> {
        self.pending.into_iter().flatten()
    }

    /// Sends what is in the buffer.
    pub(super) fn send(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let socket = match &mut self.socket {
            Some(socket) => socket,
            closed => closed.insert(connect(self.address, &self.stage).context(Broken)?),
        };
        let sent = socket.write_all(&self.out);
        sent.map_err(|error| Error::from(error).context("the server does not take requests any more").context(Broken))?;
        self.out.clear();
        Ok(())
    }

    /// Sends what is in the buffer and reads all answers.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.send()?;
        while !self.pending.is_empty() {
            self.answer()?;
            self.pending.pop_front();
        }
        Ok(())
    }

    /// Reads one answer; anything but a success is an error. One that a server gives that is overloaded or restarting may
    /// come after the event was stored, so it counts as none.
    fn answer(&mut self) -> Result<()> {
        let (head, size) = loop {
            match head::read(&self.received)? {
                Some(found) => break found,
                None => self.receive()?,
            }
        };
        self.received.drain(..size);
        let body = self.body(&head)?;
        if !(200..300).contains(&head.status) {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            let error = anyhow!("the server answers {} to a published event: {body}", head.status);
            return Err(if matches!(head.status, 429 | 500..=599) { error.context(Broken) } else { error });
        }
        if head.close && self.pending.len() > 1 {
            bail!("the server closes the connection before it has answered everything: publish with pipeline 1");
        }
        if head.close {
            self.socket = None;
        }
        Ok(())
    }

    fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        if head.status == 204 || head.status == 304 {
            return Ok(Vec::new());
        }
        if head.chunked {
            let (mut decoder, mut body) = (ChunkDecoder::default(), Vec::new());
            loop {
                // Byte by byte, so that nothing of the next answer is taken.
                let mut taken = 0;
                for byte in &self.received {
                    taken += 1;
                    let mut input = std::slice::from_ref(byte);
                    while let Some(part) = decoder.next(&mut input)? {
                        body.extend_from_slice(part);
                    }
                    if decoder.done() {
                        break;
                    }
                }
                self.received.drain(..taken);
                if decoder.done() {
                    return Ok(body);
                }
                self.receive()?;
            }
        }
        let length = usize::try_from(head.length.unwrap_or(0)).context("an endless answer")?;
        while self.received.len() < length {
            self.receive()?;
        }
        Ok(self.received.drain(..length).collect())
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        let read = self.socket.as_mut().map_or(Ok(0), |socket| socket.read(&mut buffer));
        let count = read.map_err(|error| {
            Error::from(error).context("the server does not answer a published event").context(Broken)
        })?;
        if count == 0 {
            let error = anyhow!("the server closed the connection instead of answering a published event");
            return Err(error.context(Broken));
        }
        self.received.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

fn connect(address: SocketAddr, stage: &Stage) -> Result<Socket> {
    Socket::connect(address, stage).with_context(|| format!("{address} cannot be reached to publish"))
}
