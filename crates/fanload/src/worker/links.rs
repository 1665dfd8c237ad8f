//! How clients reach the server: each over a socket of its own, or over connections that they share.

use std::io;
use std::net::SocketAddr;

use anyhow::Result;
use mio::{Interest, Registry, Token};

use super::connection::Connection;
use super::session::Waiting;
use super::sessions::{Became, Sessions, Woken};
use super::{request, socket};
use crate::fleet::Plan;
use crate::transport::socket::Socket;
use crate::transport::tls::Connector;

/// What all clients of a worker connect with.
pub(super) struct Links {
    connector: Option<Connector>,
    /// With HTTP/2; then tokens are those of its connections, otherwise they are indices of clients.
    sessions: Option<Sessions>,
}

impl Links {
    /// As the plan's protocol says.
    ///
    /// # Errors
    /// When certificates cannot be read.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let (protocol, host) = (&plan.protocol, &plan.subscribe.host);
        let connector = protocol.tls.as_ref().map(|trust| Connector::new(trust, host, protocol.http2.is_some()));
        Ok(Self {
            connector: connector.transpose()?,
            sessions: protocol.http2.map(|share| Sessions::new(share.max(1))),
        })
    }

    /// Whether clients share connections.
    pub(super) fn are_shared(&self) -> bool {
        self.sessions.is_some()
    }

    /// Begins to connect a client, or to ask on a connection that is there.
    pub(super) fn open(
        &mut self,
        plan: &Plan,
        index: usize,
        connection: &mut Connection,
        to: SocketAddr,
        registry: &Registry,
    ) -> io::Result<()> {
        let asks = request::of(plan, index, &connection.block.position);
        let slow = connection.slow;
        let connector = &self.connector;
        let open = |index, slow| {
            let socket = socket::open(plan, index, to, slow)?;
            match connector {
                None => Ok(Socket::Plain(socket)),
                Some(connector) => connector.secure(socket).map_err(io::Error::other),
            }
        };
        match &mut self.sessions {
            None => {
                let mut socket = open(index, slow)?;
                registry.register(socket.source(), Token(index), Interest::READABLE | Interest::WRITABLE)?;
                connection.ask_on(socket, asks.http1());
            }
            Some(sessions) => {
                let request = asks.http2(connector.is_some()).map_err(io::Error::other)?;
                let waiting = Waiting { client: index, attempt: connection.attempt, request };
                // Slow is what the client reads, not the socket, which others share.
                sessions.ask(waiting, registry, |group| open(group, false))?;
                connection.ask_later();
            }
        }
        Ok(())
    }

    /// The socket of a connection that is shared has something to say.
    pub(super) fn ready(&self, token: usize) {
        if let Some(sessions) = &self.sessions {
            sessions.ready(token);
        }
    }

    /// Takes what has something to do: connections that are shared, and clients on them.
    pub(super) fn woken(&self) -> Vec<Woken> {
        self.sessions.as_ref().map_or_else(Vec::new, Sessions::woken)
    }

    /// Lets a connection that is shared go on; see [`Sessions::advance`].
    ///
    /// # Errors
    /// When every connection will end like this one.
    pub(super) fn advance(&mut self, session: usize) -> Result<Vec<(usize, u32, Became)>> {
        self.sessions.as_mut().map_or_else(|| Ok(Vec::new()), |sessions| sessions.advance(session))
    }

    /// Cuts a connection that is shared; the clients that may be on it.
    pub(super) fn cut(&mut self, session: usize, client: usize) -> std::ops::Range<usize> {
        let Some(sessions) = &mut self.sessions else { return 0..0 };
        sessions.cut(session);
        let first = client / sessions.share * sessions.share;
        first..first + sessions.share
    }

    /// Cuts all connections that are shared.
    pub(super) fn cut_all(&mut self) {
        if let Some(sessions) = &mut self.sessions {
            sessions.cut_all();
        }
    }

    /// How many clients share a connection.
    pub(super) fn share(&self) -> usize {
        self.sessions.as_ref().map_or(1, |sessions| sessions.share)
    }
}
