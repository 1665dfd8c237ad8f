//! Asks services outside: issuers for the keys that they publish, and the application that decides about requests.
//!
//! Over TLS; without it only on this machine, or within private networks where that is allowed. No question is redirected, and none goes
//! through a proxy that the environment names. Each is bounded in bytes and time.
//!
//! [`client`] asks; [`names`] looks up where a [`service`] is; [`dial`] connects to one of its addresses, of which those come last that are
//! among [`silent_addresses`]; [`connection`] carries questions, and lies among the [`idle`] ones between them.

mod authorities;
mod client;
mod connection;
mod dial;
mod idle;
mod names;
mod service;
mod silent_addresses;
mod tls_failure;

pub use authorities::{Authorities, AuthoritiesError};
pub use client::{HttpsClient, HttpsClientError};
pub use dial::PlainHttp;
pub use names::{Resolve, Resolving};
