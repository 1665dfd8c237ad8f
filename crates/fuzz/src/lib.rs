//! Fuzz targets: one function for each parser of bytes that a client, a publisher, Redis or an operator chooses.
//!
//! Each function takes any bytes and panics when a property does not hold. What the properties have in common: nothing
//! panics, what is accepted is canonical, bounds hold, and readers that share no code with the encoders see what went
//! in. libFuzzer calls the functions through `fuzz_targets/`; `tests/replay.rs` feeds them the corpus in every
//! `cargo test`.
#![forbid(unsafe_code)]

mod config;
mod connection;
mod fields;
mod forward_auth;
mod forwarded;
mod frames;
mod history;
mod names;
mod node;
mod position;
mod proxy_header;
mod publish;
mod push;
mod redis_push;
mod redis_reply;
mod subscribe;
#[path = "../../protocol/tests/support/mod.rs"]
mod support;
mod text;
mod ticket;
mod tls;
mod token;

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its binary, its corpus and its dictionary.
    pub name: &'static str,
    /// Panics when these bytes break a property.
    pub run: fn(&[u8]),
}

/// One row for each target: its name and its function.
macro_rules! table {
    ($($name:ident: $run:path,)*) => { &[$(Target { name: stringify!($name), run: $run }),*] };
}

/// Every target, in the order of the way that bytes take through a node.
pub const TARGETS: &[Target] = table! {
    names: names::run,
    position: position::run,
    push: push::run,
    fields: fields::run,
    redis_reply: redis_reply::run,
    redis_push: redis_push::run,
    frames: frames::run,
    proxy_header: proxy_header::run,
    tls_handshake: tls::handshake,
    tls_records: tls::records,
    forwarded: forwarded::run,
    subscribe: subscribe::run,
    publish: publish::run,
    history: history::run,
    token: token::run,
    forward_auth: forward_auth::run,
    ticket: ticket::run,
    connection: connection::run,
    config_file: config::file,
    config_env: config::env,
};

/// Runs one target by name; for the binaries in `fuzz_targets/`.
///
/// # Panics
/// When a property does not hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name is in the table");
    (target.run)(data);
}
