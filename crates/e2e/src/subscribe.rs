//! What a client asks for.

use std::net::{IpAddr, SocketAddr};

use crate::transport::Transport;

/// What to subscribe to, and how to ask.
#[derive(Clone, Debug, Default)]
pub struct Subscribe {
    pub(crate) channels: Vec<String>,
    /// The URL does not name them.
    are_unnamed: bool,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) transport: Transport,
}

impl Subscribe {
    /// One channel.
    pub fn to(channel: &str) -> Self {
        Self::to_all(&[channel])
    }

    /// Several channels.
    pub fn to_all(channels: &[&str]) -> Self {
        Self { channels: channels.iter().map(|&name| name.to_owned()).collect(), ..Self::default() }
    }

    /// Leaves the channels out of the URL, which a ticket or the application names.
    pub fn unnamed(self) -> Self {
        Self { are_unnamed: true, ..self }
    }

    /// Adds a query parameter as it is (it must need no escaping).
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks the kernel for a small receive buffer, in bytes.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects by this transport.
    pub fn over(mut self, transport: &Transport) -> Self {
        self.transport = transport.clone();
        self
    }

    /// Connects from this address.
    pub fn source(mut self, address: IpAddr) -> Self {
        self.source = Some(address);
        self
    }

    /// The bytes to send to a node.
    pub(crate) fn request(&self, address: SocketAddr, last_event_id: &str) -> String {
        let named = if self.are_unnamed { &[][..] } else { &self.channels };
        let channels = named.iter().map(|name| format!("channel={name}"));
        let query = self.query.iter().map(|(name, value)| format!("{name}={value}"));
        let query = channels.chain(query).collect::<Vec<_>>().join("&");
        let mut text = format!("GET /events?{query} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n");
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !last_event_id.is_empty() {
            text.push_str(&format!("Last-Event-ID: {last_event_id}\r\n"));
        }
        text + "\r\n"
    }
}
