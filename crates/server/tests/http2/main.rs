//! HTTP/2 on real sockets: what clients that behave get, and what others may do.
// In a test a surprise is a failure; tasks end with its runtime; `raw` is an example's, too.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, unreachable_pub)]

mod elsewhere;
mod ends;
mod exchanges;
mod floods;
mod peer;
mod raw;
mod records;
mod slices;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tls;
