//! All connections of HTTP/2 of a worker. Clients share them in groups: the first so many, the next so many.

use std::collections::HashMap;
use std::io;

use anyhow::{Result, bail};
use mio::{Interest, Registry, Token};
use slab::Slab;

use super::session::{Advance, Session, Then, Waiting};
use super::stream::Stream;
use crate::transport::bell::Bells;
use crate::transport::socket::Socket;

/// What has something to do.
#[derive(Clone, Copy)]
pub(super) enum Woken {
    /// A connection.
    Session(usize),
    /// A client whose stream has something to read.
    Client(usize),
}

/// What has become of a client's request.
pub(super) enum Became {
    /// It is out.
    Asked(Box<Stream>),
    /// It never will be.
    Failed(String),
}

/// All connections.
pub(super) struct Sessions {
    /// The key is the token of the socket.
    sessions: Slab<Session>,
    /// The connection that takes the requests of a group.
    current: HashMap<usize, usize>,
    bells: Bells<Woken>,
    /// Clients of one connection.
    pub(super) share: usize,
}

impl Sessions {
    /// None yet, for groups of `share` clients.
    pub(super) fn new(share: usize) -> Self {
        Self { sessions: Slab::new(), current: HashMap::new(), bells: Bells::new(), share }
    }

    /// Lets a client ask, on the connection of its group; `open` opens a socket if there is none.
    pub(super) fn ask(
        &mut self,
        waiting: Waiting,
        registry: &Registry,
        open: impl FnOnce(usize) -> io::Result<Socket>,
    ) -> io::Result<()> {
        let group = waiting.client / self.share;
        let key = match self.current.get(&group) {
            Some(&key) => key,
            None => {
                let mut socket = open(group)?;
                let entry = self.sessions.vacant_entry();
                let key = entry.key();
                registry.register(socket.source(), Token(key), Interest::READABLE | Interest::WRITABLE)?;
                entry.insert(Session::new(socket, self.share, self.bells.waker(Woken::Session(key))));
                self.current.insert(group, key);
                key
            }
        };
        let session = &mut self.sessions[key];
        // It has given up an earlier attempt.
        session.waiting.retain(|other| other.client != waiting.client);
        session.waiting.push_back(waiting);
        session.waker.wake_by_ref();
        Ok(())
    }

    /// The socket of a connection has something to say.
    pub(super) fn ready(&self, key: usize) {
        // One that is over may have an event left.
        if let Some(session) = self.sessions.get(key) {
            session.waker.wake_by_ref();
        }
    }

    /// Takes what has something to do.
    pub(super) fn woken(&self) -> Vec<Woken> {
        self.bells.take()
    }

    /// Lets a connection go on: what has become of requests of clients, each with the attempt that it was.
    ///
    /// # Errors
    /// When every connection will end like this one.
    pub(super) fn advance(&mut self, key: usize) -> Result<Vec<(usize, u32, Became)>> {
        let Some(session) = self.sessions.get_mut(key) else { return Ok(Vec::new()) };
        let Advance { asked, then } = session.advance();
        let bells = &self.bells;
        let asked = asked.into_iter().map(|(client, attempt, answer)| {
            let stream = Stream::new(answer, bells.waker(Woken::Client(client)), key);
            (client, attempt, Became::Asked(Box::new(stream)))
        });
        let mut became: Vec<_> = asked.collect();
        let why = match then {
            Then::On => return Ok(became),
            Then::Retired => "the connection takes no more requests".to_owned(),
            Then::Over(None) => "the connection was closed".to_owned(),
            Then::Over(Some(error)) if is_hopeless(&error) => bail!("the answer is no HTTP/2: {error}"),
            Then::Over(Some(ref error)) => error.to_string(),
        };
        let unasked = std::mem::take(&mut session.waiting).into_iter();
        became.extend(unasked.map(|waiting| (waiting.client, waiting.attempt, Became::Failed(why.clone()))));
        self.current.retain(|_, current| *current != key);
        if matches!(then, Then::Over(_)) {
            self.sessions.remove(key);
        }
        Ok(became)
    }

    /// Cuts a connection: it ends by a reset. Who has a stream on it is told nothing that may be counted.
    pub(super) fn cut(&mut self, key: usize) {
        if let Some(session) = self.sessions.try_remove(key) {
            session.end_abruptly();
        }
        self.current.retain(|_, current| *current != key);
    }

    /// Cuts all connections.
    pub(super) fn cut_all(&mut self) {
        self.sessions.iter().for_each(|(_, session)| session.end_abruptly());
        self.sessions.clear();
        self.current.clear();
    }
}

/// Whether the server breaks the protocol, or what it says cannot be believed: it will do so again.
fn is_hopeless(error: &h2::Error) -> bool {
    let kind = error.get_io().map(io::Error::kind);
    let unbelievable = matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::Unsupported));
    unbelievable || (error.is_library() && error.is_go_away())
}
