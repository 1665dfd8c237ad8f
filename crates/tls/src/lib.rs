//! TLS for the sockets of clients: certificates in, records out.
//!
//! An [`Identity`] is what a listener shows its clients. It is made of [`Pair`]s, certificates with their keys, by
//! [`server_config`]. Nothing here opens a socket or a file, or reads a clock but the one that
//! rustls judges certificates by: bytes come in and go out, and who owns the socket moves them.
#![forbid(unsafe_code)]

mod by_name;
mod certificate_error;
mod client_certificates;
mod client_subject;
mod facts;
mod identity;
mod pair;
mod pem_file;
mod server_config;
mod tickets;

pub use certificate_error::CertificateError;
pub use client_certificates::ClientCertificates;
pub use client_subject::{SubjectFrom, client_subject};
pub use facts::{Facts, Validity};
pub use identity::Identity;
pub use pair::Pair;
pub use pem_file::PemFile;
pub use rustls::ServerConfig;
pub use server_config::{ServerOptions, Version, server_config};
pub use tickets::Tickets;
