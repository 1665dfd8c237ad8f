//! One HTTP/1.1 request per event over kept-alive connections.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Error, Result, anyhow, bail};

use super::ledger::spans;
use super::socket::Socket;
use super::{Broken, Event, Mended};
use crate::stage::Stage;
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
    /// Whether anything was accepted over the connections that are open now.
    accepts: bool,
}

/// One connection.
#[derive(Debug)]
struct Line {
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

impl Http {
    pub(super) fn connect(publish: &Publish, stage: &Stage) -> Result<Self> {
        let Publish::Http { address, method, path, headers, body, connections, pipeline, create } = publish else {
            bail!("this is not a way of publishing over HTTP");
        };
        let lines = (0..(*connections).max(1)).map(|_| Line::open(*address, stage)).collect::<Result<_>>()?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Ok(Self {
            lines,
            request: format!("{method} {path}"),
            headers: format!(" HTTP/1.1\r\n{headers}Content-Length: "),
            body: body.clone(),
            pipeline: (*pipeline).max(1),
            create: create.as_ref().map(|method| format!("{method} {path}")),
            accepts: false,
        })
    }

    pub(super) fn publish(&mut self, event: Event, name: &str, data: &[u8]) -> Result<()> {
        let data = std::str::from_utf8(data).context("an event is not UTF-8")?;
        let body = self.body.replace("{channel}", name).replace("{data}", data);
        let count = self.lines.len();
        let line = &mut self.lines[event.channel as usize % count];
        let request = self.request.replace("{channel}", name);
        // Writing to a vector cannot fail.
        let _ = write!(line.out, "{request}{}{}\r\n\r\n{body}", self.headers, body.len());
        line.pending.push_back(Some(event));
        if line.pending.len() >= self.pipeline {
            line.flush()?;
            self.accepts = true;
        }
        Ok(())
    }

    pub(super) fn accepts(&self) -> bool {
        self.accepts
    }

    pub(super) fn create(&mut self, names: impl Iterator<Item = String>) -> Result<()> {
        let Some(request) = &self.create else { return Ok(()) };
        let Some(line) = self.lines.first_mut() else { return Ok(()) };
        for name in names {
            let request = request.replace("{channel}", &name);
            let _ = write!(line.out, "{request}{}0\r\n\r\n", self.headers);
            line.pending.push_back(None);
            line.flush().context("a channel cannot be made")?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        // All requests leave before the first answer is waited for.
        self.lines.iter_mut().try_for_each(Line::send)?;
        self.lines.iter_mut().try_for_each(Line::flush)?;
        self.accepts = true;
        Ok(())
    }

    /// New connections. Of the events that were not answered nobody knows whether they were published.
    pub(super) fn mend(&mut self) -> Result<Mended> {
        let fresh = self.lines.iter().map(|line| Line::open(line.address, &line.stage));
        let fresh = fresh.collect::<Result<Vec<_>>>().context(Broken)?;
        let old = std::mem::replace(&mut self.lines, fresh);
        self.accepts = false;
        let pending = old.into_iter().flat_map(|line| line.pending).flatten().collect();
        Ok(Mended { unknown: spans(pending), ..Mended::default() })
    }
}

impl Line {
    fn open(address: SocketAddr, stage: &Stage) -> Result<Self> {
        let socket = connect(address, stage)?;
        let (socket, stage) = (Some(socket), stage.clone());
        Ok(Self { address, stage, socket, out: Vec::new(), pending: VecDeque::new(), received: Vec::new() })
    }

    fn send(&mut self) -> Result<()> {
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

    fn flush(&mut self) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::Span;
    use super::*;

    const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const YES_AND_CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const LATER: &str = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";

    /// A server that gives these answers, each to one request, on a connection for each list of them; then it closes.
    fn server(connections: &'static [&'static [&'static str]]) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answers in connections {
                let mut stream = listener.accept().unwrap().0;
                for answer in *answers {
                    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                // A request that is not answered, or the end.
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        let publish = Publish::Http {
            address,
            method: "POST".to_owned(),
            path: "/{channel}".to_owned(),
            headers: Vec::new(),
            body: "{data}".to_owned(),
            connections: 1,
            pipeline: 1,
            create: None,
        };
        Http::connect(&publish, &Stage::new(false).unwrap()).unwrap()
    }

    fn publish(http: &mut Http, number: u64) -> Result<()> {
        http.publish(Event { channel: 0, number }, "a", b"data")
    }

    // Seen to fail when a 503 is a refusal, and when the connection that it came over is kept with its pending event.
    #[test]
    fn what_was_not_accepted_may_have_been_published_or_not() {
        let mut http = server(&[&[YES, LATER], &[YES], &[YES]]);
        publish(&mut http, 1).unwrap();
        assert!(publish(&mut http, 2).unwrap_err().is::<Broken>());
        assert_eq!(http.mend().unwrap().unknown, [Span { channel: 0, first: 2, last: 2 }]);
        publish(&mut http, 3).unwrap();
        let closed = publish(&mut http, 4).unwrap_err();
        assert!(closed.is::<Broken>() && format!("{closed:#}").contains("instead of answering"), "{closed:#}");
        assert_eq!(http.mend().unwrap().unknown, [Span { channel: 0, first: 4, last: 4 }]);
        publish(&mut http, 5).unwrap();
    }

    // Seen to fail when the next request goes out on the old connection.
    #[test]
    fn a_connection_that_is_closed_behind_an_answer_is_no_break() {
        let mut http = server(&[&[YES_AND_CLOSE], &[YES]]);
        publish(&mut http, 1).unwrap();
        publish(&mut http, 2).unwrap();
    }
}
