//! Which protocols clients speak below the event stream.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Clients that share a connection of HTTP/2 unless something else is said: streams that servers allow at least, RFC 9113
/// section 6.5.2.
pub const STREAMS: usize = 100;

/// What lies between the sockets and the event stream. The default: HTTP/1.1 in cleartext.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// TLS, and whose certificates are believed. `None`: cleartext.
    pub tls: Option<Trust>,
    /// HTTP/2, and how many clients share a connection. `None`: HTTP/1.1, a connection for each client. In cleartext it is spoken
    /// with prior knowledge (RFC 9113, section 3.3), over TLS it is asked for with ALPN.
    pub http2: Option<usize>,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Those of the authorities that this machine believes.
    Authorities,
    /// Those of this PEM file.
    File(PathBuf),
    /// Everybody's.
    Anybody,
}

impl Protocol {
    /// HTTP/1.1 or HTTP/2 in cleartext or over TLS, in a few words; `None` for the default.
    pub fn words(&self) -> Option<&'static str> {
        match (&self.tls, self.http2) {
            (None, None) => None,
            (Some(_), None) => Some("TLS"),
            (None, Some(_)) => Some("HTTP/2"),
            (Some(_), Some(_)) => Some("HTTP/2 over TLS"),
        }
    }
}
