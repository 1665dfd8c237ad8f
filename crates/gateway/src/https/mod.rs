//! Asks services outside: for the keys that issuers publish.
//!
//! Over TLS, and without it only on this machine. No question is repeated or redirected, and none goes through a proxy that the environment
//! names. Each is bounded in bytes and time, and so is the number of those under way.

mod authorities;
mod client;
mod dial;
mod tls_failure;

pub use authorities::{Authorities, AuthoritiesError};
pub use client::{HttpsClient, HttpsClientError};
