//! Proves Fanfare from outside: real `redis-server` processes, real `fanfare serve` processes, raw TCP clients.
//!
//! Nothing here is shared with the product. What clients observe is read and judged by `fanfare-oracle`.
//!
//! | part | what it is |
//! |---|---|
//! | [`RedisServer`] | one `redis-server` in a temporary directory on a leased port; can be killed, restarted, frozen |
//! | [`Node`] | one `fanfare serve`, configured through its environment |
//! | [`Client`] | one `EventSource`, as the WHATWG standard describes it, on a raw socket |
//! | [`Transport`] | how a client's bytes travel, in the clear, by TLS, believing a [`Certificate`], or by HTTP/2 (see [`Http2Clients`]) |
//! | [`Authority`] | what issues certificates to clients and to servers |
//! | [`Issuer`] | what issues tokens |
//! | [`Crowd`] | many such clients on threads, reconnecting by themselves behind a [`Balancer`] |
//! | [`Publisher`] | every way in which an event can get into Redis |
//! | [`Proxy`] | a TCP connection that can be cut, held or slowed, each direction by itself |
//! | [`Haproxy`] | a balancer in front of nodes |
//! | [`WebServer`] | a web server of somebody else, over TLS or not: one that publishes keys, or an application |
//! | [`TwoNodes`] | one Redis, two nodes and a publisher, as many tests begin |
//! | [`check()`] | the verdict on what one client saw, as a test asks for it |
//!
//! Support code panics with a description of what it waited for; that is what a test wants to print.

mod authority;
mod balancer;
mod byte_stream;
mod certificate;
mod check;
mod client;
mod crowd;
mod haproxy;
mod http;
mod http2_clients;
mod http2_connection;
mod http2_stream;
mod issuer;
mod link;
mod log_pipe;
mod node;
mod ports;
mod process;
mod proxy;
mod publisher;
mod redis_server;
mod subscribe;
mod transport;
mod two_nodes;
mod wait;
mod web_server;

pub use authority::{Authority, Issued};
pub use balancer::Balancer;
pub use certificate::Certificate;
pub use check::{Expect, Verdict, check, resume_and_check};
pub use client::{Client, Vanished};
pub use crowd::{Crowd, Visit};
pub use fanfare_oracle::resp::{Connection, Reply};
pub use fanfare_oracle::{ChunkDecoder, ConnectionEnd, Dispatch, Gap, Head, Ledger, Observed, Parsed, Parser};
pub use haproxy::{Haproxy, Server};
pub use http::{RawConnection, Response, request, request_over, request_within};
pub use http2_clients::Http2Clients;
pub use issuer::{Issuer, mint};
pub use node::{Node, NodeBuilder};
pub use ports::Lease;
pub use process::{Signal, fanfare_binary, fanload_binary, raise_descriptors, run_fanfare, signal};
pub use proxy::{Direction, Flow, Proxy};
pub use publisher::{Publisher, key, library, script};
pub use redis_server::RedisServer;
pub use subscribe::Subscribe;
pub use transport::Transport;
pub use two_nodes::TwoNodes;
pub use wait::{PATIENCE, eventually, eventually_within, pace};
pub use web_server::{Answer, Asked, WebServer};
