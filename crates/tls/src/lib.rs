//! TLS for the sockets of clients: certificates in, records out.
//!
//! An [`Identity`] is what a listener shows its clients. It is made of [`Pair`]s, certificates with their keys, by
//! [`server_config()`]. A [`Handshake`] is rustls', bytes in and bytes out; when it is done,
//! [`Records`] protect what is sent and open what comes ([decision 44](../../../docs/decisions/0044-after-the-handshake-a-connection-is-two-keys.md)).
//!
//! Nothing here opens a socket or a file, or reads a clock but the one that rustls judges certificates by: who owns the socket moves
//! the bytes.
#![forbid(unsafe_code)]

mod alert;
mod by_name;
mod certificate_error;
mod client_certificates;
mod client_facts;
mod facts;
mod failure;
mod handshake;
mod identity;
mod keys;
mod pair;
mod pem_file;
mod records;
mod resumption_keys;
mod server_config;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;

pub use alert::Alert;
pub use certificate_error::CertificateError;
pub use client_certificates::ClientCertificates;
pub use client_facts::{ClientFacts, SubjectFrom};
pub use facts::{Facts, Validity};
pub use failure::Failure;
pub use handshake::{Established, Handshake, Protocol, Step};
pub use identity::Identity;
pub use pair::Pair;
pub use pem_file::PemFile;
pub use records::{PLAINTEXT_BYTES_MAX, Received, Records};
pub use resumption_keys::ResumptionKeys;
pub use rustls::ServerConfig;
pub use server_config::{ServerOptions, Version, server_config};
