//! TLS for the sockets of clients: certificates in, records out.
//!
//! An [`Identity`] is what a listener shows its clients. A [`Handshake`] is rustls', bytes in and bytes out; when it is done,
//! [`Records`] protect what is sent and open what comes ([decision 44](../../../docs/decisions/0044-after-the-handshake-a-connection-is-two-keys.md)).
//!
//! Nothing here opens a socket or a file, or reads a clock but the one that rustls judges certificates by: who owns the socket moves
//! the bytes.
#![forbid(unsafe_code)]

mod alert;
mod failure;
mod handshake;
mod identity;
mod keys;
mod records;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;

pub use alert::Alert;
pub use failure::Failure;
pub use handshake::{Established, Handshake, Protocol, Step};
pub use identity::Identity;
pub use records::{PLAINTEXT_BYTES_MAX, Received, Records};
pub use rustls::ServerConfig;
