//! One HTTP/1.1 request per event over kept-alive connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};

use crate::target::Publish;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::head::{self, Head};

/// Connections to an HTTP endpoint. A channel's events all go over the same one.
#[derive(Debug)]
pub(super) struct Http {
    lines: Vec<Line>,
    /// Method and path, with the place of the channel's name.
    request: String,
    /// What follows them, up to the length of the body.
    headers: String,
    body: String,
    pipeline: usize,
    /// The same as `request`, for making a channel.
    create: Option<String>,
}

/// One connection.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    out: Vec<u8>,
    outstanding: usize,
    /// Received and not read.
    received: Vec<u8>,
}

impl Http {
    pub(super) fn connect(publish: &Publish) -> Result<Self> {
        let Publish::Http { address, method, path, headers, body, connections, pipeline, create } = publish else {
            bail!("this is not a way of publishing over HTTP");
        };
        let mut lines = Vec::new();
        for _ in 0..(*connections).max(1) {
            let stream = TcpStream::connect_timeout(address, super::PATIENCE);
            let stream = stream.with_context(|| format!("{address} cannot be reached to publish"))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(super::PATIENCE))?;
            stream.set_write_timeout(Some(super::PATIENCE))?;
            lines.push(Line { stream, out: Vec::new(), outstanding: 0, received: Vec::new() });
        }
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Ok(Self {
            lines,
            request: format!("{method} {path}"),
            headers: format!(" HTTP/1.1\r\n{headers}Content-Length: "),
            body: body.clone(),
            pipeline: (*pipeline).max(1),
            create: create.as_ref().map(|method| format!("{method} {path}")),
        })
    }

    pub(super) fn publish(&mut self, channel: u32, name: &str, data: &[u8]) -> Result<()> {
        let data = std::str::from_utf8(data).context("an event is not UTF-8")?;
        let body = self.body.replace("{channel}", name).replace("{data}", data);
        let count = self.lines.len();
        let line = &mut self.lines[channel as usize % count];
        let request = self.request.replace("{channel}", name);
        // Writing to a vector cannot fail.
        let _ = write!(line.out, "{request}{}{}\r\n\r\n{body}", self.headers, body.len());
        line.outstanding += 1;
        if line.outstanding >= self.pipeline { line.flush() } else { Ok(()) }
    }

    pub(super) fn create(&mut self, names: impl Iterator<Item = String>) -> Result<()> {
        let Some(request) = &self.create else { return Ok(()) };
        let Some(line) = self.lines.first_mut() else { return Ok(()) };
        for name in names {
            let request = request.replace("{channel}", &name);
            let _ = write!(line.out, "{request}{}0\r\n\r\n", self.headers);
            line.outstanding += 1;
            line.flush().context("a channel cannot be made")?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        // All requests leave before the first answer is waited for.
        self.lines.iter_mut().try_for_each(Line::send)?;
        self.lines.iter_mut().try_for_each(Line::flush)
    }
}

impl Line {
    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.out).context("the server does not take requests any more")?;
        self.out.clear();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.send()?;
        while self.outstanding > 0 {
            self.answer()?;
            self.outstanding -= 1;
        }
        Ok(())
    }

    /// Reads one answer; anything but a success is an error.
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
            bail!("the server answers {} to a published event: {body}", head.status);
        }
        if head.close && self.outstanding > 1 {
            bail!("the server closes the connection before it has answered everything: publish with pipeline 1");
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
        let count = self.stream.read(&mut buffer).context("the server does not answer a published event")?;
        if count == 0 {
            bail!("the server closed the connection instead of answering a published event");
        }
        self.received.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}
