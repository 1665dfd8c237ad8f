//! TLS for the sockets of clients: certificates in, records out.
//!
//! An [`Identity`] is what a listener shows its clients. Nothing here opens a socket or a file, or reads a clock but the one that
//! rustls judges certificates by: bytes come in and go out, and who owns the socket moves them.
#![forbid(unsafe_code)]

mod identity;

pub use identity::Identity;
pub use rustls::ServerConfig;
