//! Who is asked whether a request may do what it asks for.

use std::fmt;
use std::net::IpAddr;

use fanfare_auth::{CertifiedClient, Grant, Right};
use fanfare_protocol::ChannelName;
use http::HeaderMap;

use crate::denied::Denied;
use crate::soon::Soon;

/// What a request wants to do, and what it brings for it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What it wants to do.
    pub right: Right,
    /// With which channels: at least one, unless who is asked [names them](Authorizer::names_channels), and except where tickets are to be made
    /// ([`Right::Tickets`]). Their channels stand in a body that is not read before it is known that whoever asks may make any: then the grant
    /// is asked for them.
    pub channels: &'a [ChannelName],
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its path, as it was sent.
    pub path: &'a str,
    /// Its query, as it was sent.
    pub query: Option<&'a str>,
    /// Its client's address.
    pub address: IpAddr,
    /// What its client has proven by a certificate, in the handshake of the connection.
    pub certified: Option<&'a CertifiedClient>,
    /// Its client has sent many tokens lately that were worth nothing. What it may do without one it may; a token is not to be
    /// checked ([`Denied::Unchecked`]).
    pub is_doubtful: bool,
}

/// What is printed ends in logs: headers and query hold tokens.
impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("right", &self.right).field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// What came of it: the grant that the request is allowed by, or `None` if it needs none.
pub type Authorized = Result<Option<Box<Grant>>, Denied>;

/// Says whether a request may do what it asks for. Asked about subscriptions after admission, so that a client that finds no
/// place costs nothing here; about publishes and the making of tickets before the body is read; about history before anything of it is.
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Decides at once where it can. A wait need not have an end of its own: it gets a deadline. Nothing of the request may
    /// be kept.
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized>;

    /// Whether the grant of a subscription may name its channels ([`Grant::stream`]), so that a request need not.
    fn names_channels(&self) -> bool {
        false
    }

    /// Whether a grant that was given a while ago is still enough for what is done at once. Of a stream the session sees to that.
    ///
    /// # Errors
    /// It is over, or was revoked, or it is not known whether it was.
    fn still(&self, grant: &Grant, right: Right, channels: &[ChannelName]) -> Result<(), Denied>;
}
