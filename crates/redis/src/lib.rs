//! The only crate that speaks Redis: feed, archive, publishing functions.
#![forbid(unsafe_code)]

#[allow(dead_code)] // Joined by the backend handle.
mod feed;
