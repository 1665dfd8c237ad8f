//! What a contender shall speak.

/// What a contender shall speak below the event stream. The default: HTTP/1.1 in cleartext.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// TLS.
    pub tls: bool,
    /// HTTP/2, with [`STREAMS`](crate::target::STREAMS) clients on each connection.
    pub http2: bool,
}

impl Wire {
    /// What stands before the name of a case that is measured over it.
    pub fn prefix(self) -> &'static str {
        match (self.tls, self.http2) {
            (false, false) => "",
            (true, false) => "tls-",
            (false, true) => "h2-",
            (true, true) => "h2-tls-",
        }
    }
}
