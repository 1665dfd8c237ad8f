//! One client that reads an event stream and blocks.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::block::{Block, Blocks};
use super::socket::Socket;
use crate::transport::tls::Connector;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::head;
use crate::wire::stream::Parser;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// Bytes of a line that are kept.
const KEPT: usize = 256;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The node.
    pub(super) node: SocketAddr,
    /// The query, for example `channel=a&channel=b`.
    pub(super) query: String,
    /// The position to go on from.
    pub(super) position: Option<String>,
    /// The loopback address from which it is asked.
    pub(super) from: Ipv4Addr,
    /// How TLS is spoken, where it is.
    pub(super) tls: Option<Arc<Connector>>,
}

impl Asked {
    /// Asked in clear text from the one address that attackers have, without a position.
    pub(super) fn plain(node: SocketAddr, query: String) -> Self {
        Self { node, query, position: None, from: Ipv4Addr::LOCALHOST, tls: None }
    }
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    chunked: bool,
    decoder: ChunkDecoder,
    parser: Parser,
    blocks: Blocks,
    /// Blocks that have come and were not taken.
    came: VecDeque<Block>,
    piece: Vec<u8>,
}

/// A connection on which the request is on its way.
///
/// # Errors
/// When no connection comes about within `patience`.
pub(super) fn request(asked: &Asked, patience: Duration) -> Result<Socket> {
    let mut socket = Socket::connect(asked.node, asked.from, asked.tls.as_deref(), patience)?;
    let position = asked.position.as_ref().map_or(String::new(), |position| format!("Last-Event-ID: {position}\r\n"));
    let (query, node) = (&asked.query, asked.node);
    let text = format!("GET /events?{query} HTTP/1.1\r\nHost: {node}\r\nAccept: text/event-stream\r\n{position}\r\n");
    socket.write_all(text.as_bytes()).context("the node takes no request")?;
    Ok(socket)
}

impl Stream {
    /// Asks and reads the head of the answer.
    ///
    /// # Errors
    /// When it has not come within `patience`, or is no event stream.
    pub(super) fn open(asked: &Asked, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let mut socket = request(asked, patience)?;
        let (mut input, mut piece) = (Vec::new(), vec![0; PIECE]);
        let (head, taken) = loop {
            if let Some(found) = head::read(&input)? {
                break found;
            }
            match read_until(&mut socket, &mut piece, deadline)? {
                None => bail!("no answer within {} s", patience.as_secs_f64()),
                Some(0) => bail!("the node closed the connection before its answer"),
                Some(count) => input.extend_from_slice(&piece[..count]),
            }
        };
        if head.status != 200 || head.content_type != "text/event-stream" {
            bail!("the node answers {}", head.status);
        }
        let mut stream = Self {
            socket,
            chunked: head.chunked,
            decoder: ChunkDecoder::default(),
            parser: Parser::new(KEPT),
            blocks: Blocks::default(),
            came: VecDeque::new(),
            piece,
        };
        stream.take(&input[taken..])?;
        Ok(stream)
    }

    /// The next block; `None` when none has come by the deadline.
    ///
    /// # Errors
    /// When the stream has ended.
    pub(super) fn next(&mut self, deadline: Instant) -> Result<Option<Block>> {
        loop {
            if let Some(block) = self.came.pop_front() {
                return Ok(Some(block));
            }
            let mut piece = std::mem::take(&mut self.piece);
            let read = read_until(&mut self.socket, &mut piece, deadline);
            let taken = match &read {
                Ok(Some(count)) if *count > 0 => self.take(&piece[..*count]),
                _ => Ok(()),
            };
            self.piece = piece;
            taken?;
            match read? {
                None => return Ok(None),
                Some(0) => bail!("the stream has ended"),
                Some(_) => {}
            }
        }
    }

    /// The next block that `wanted` is true for; `None` when none has come by the deadline.
    ///
    /// # Errors
    /// When the stream has ended.
    pub(super) fn find(&mut self, deadline: Instant, wanted: impl Fn(&Block) -> bool) -> Result<Option<Block>> {
        loop {
            match self.next(deadline)? {
                Some(block) if !wanted(&block) => {}
                found => return Ok(found),
            }
        }
    }

    fn take(&mut self, mut input: &[u8]) -> Result<()> {
        if !self.chunked {
            self.parser.feed(input, &mut self.blocks);
        } else {
            while let Some(part) = self.decoder.next(&mut input)? {
                self.parser.feed(part, &mut self.blocks);
            }
        }
        self.came.extend(self.blocks.take());
        Ok(())
    }
}

/// Bytes read; `None` when none have come by the deadline, 0 at the end.
///
/// # Errors
/// When the connection broke.
pub(super) fn read_until(socket: &mut Socket, piece: &mut [u8], deadline: Instant) -> Result<Option<usize>> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    socket.set_read_timeout(Some(left))?;
    match socket.read(piece) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error).context("the connection broke"),
    }
}
