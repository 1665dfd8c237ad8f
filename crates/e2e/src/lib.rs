//! Proves Fanfare from outside: real `redis-server` processes, real `fanfare serve` processes, raw TCP clients.
//!
//! Nothing here is shared with the product: the event-stream parser, the chunk decoder, the RESP client and the
//! position reader are written a second time on purpose, so that a mistake cannot cancel itself out.
//!
//! | part | what it is |
//! |---|---|
//! | [`RedisServer`] | one `redis-server` in a temporary directory on a leased port; can be killed, restarted, frozen |
//! | [`Node`] | one `fanfare serve`, configured through its environment |
//! | [`Client`] | one `EventSource`, as the WHATWG standard describes it, on a raw socket |
//! | [`Crowd`] | many such clients on threads, reconnecting by themselves behind a balancer |
//! | [`Publisher`] | every way in which an event can get into Redis |
//! | [`Proxy`] | a TCP connection that can be cut, held or slowed, each direction by itself |
//! | [`Haproxy`] | a balancer in front of nodes |
//! | [`mod@chaos`] | all of this at once, under a schedule of faults (`make chaos`) |
//! | [`Ledger`], [`mod@check`] | what was published, and the verdict on what one client saw |
//!
//! Support code panics with a description of what it waited for; that is what a test wants to print.

pub mod chaos;
mod check;
mod chunked;
mod client;
mod crowd;
mod fact;
mod haproxy;
mod history;
mod http;
mod judge;
mod ledger;
mod life;
mod link;
mod newest;
mod node;
mod ports;
mod process;
mod proxy;
mod publisher;
mod redis_server;
mod resp;
mod ruling;
mod sight;
mod sse;
mod subscribe;
mod vector;
mod wait;

pub use check::{Expect, Verdict, check, resume_and_check};
pub use chunked::ChunkDecoder;
pub use client::Client;
pub use crowd::{Balancer, Crowd, Visit};
pub use fact::Fact;
pub use haproxy::{Haproxy, Server};
pub use http::{Head, RawConnection, Response, request};
pub use ledger::Ledger;
pub use link::Ending;
pub use node::{Node, NodeBuilder};
pub use ports::Lease;
pub use process::{Signal, fanfare_binary, fanload_binary, run_fanfare, signal};
pub use proxy::{Direction, Flow, Proxy};
pub use publisher::{Publisher, library, script};
pub use redis_server::RedisServer;
pub use resp::{Connection, Reply};
pub use ruling::Ruling;
pub use sight::{Gap, Sight};
pub use sse::{Dispatch, Parsed, Parser};
pub use subscribe::Subscribe;
pub use wait::{PATIENCE, eventually, eventually_within, pace};
