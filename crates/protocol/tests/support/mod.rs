//! Readers of what this crate writes, made from the standards alone and sharing no code with it.
//!
//! Tests of other crates may include single files with `#[path]`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod chunked;
pub mod event_stream;
pub mod positions;
