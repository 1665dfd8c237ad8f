//! What a client shows for itself: a token, or a ticket in its URL.

use fanfare_protocol::TicketName;

/// A token, or a ticket, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// The name of who gives it.
    pub(crate) issuer: &'static str,
    /// `sub`.
    pub(crate) subject: String,
    /// `jti`; the name of a ticket.
    pub(crate) id: String,
    /// `iat`, in seconds since 1970; `None`: it does not say. Of a ticket by the clock of Redis.
    pub(crate) issued_at: Option<u64>,
    /// `exp`, in milliseconds since the world began. That of a ticket is known from its first use on.
    pub(crate) expires_ms: u64,
    /// `None`: it is a token.
    pub(crate) ticket: Option<IssuedTicket>,
}

/// What else there is to know of a ticket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IssuedTicket {
    pub(crate) name: TicketName,
    /// Whose token it was made with, and when that was issued, in seconds since 1970.
    pub(crate) maker: Option<(&'static str, u64)>,
}
