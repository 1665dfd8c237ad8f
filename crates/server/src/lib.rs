//! The only crate that speaks HTTP to clients.
//!
//! A socket's way: `acceptor` takes it from a `listener`, [`admission`] gives it a place on a core, a client of TLS shakes hands (`tls_handshake`), `connection` lets hyper parse its
//! requests, `routes` decides about each. Whose it is, `client_address` says, when proxies stand between. A subscription leaves hyper (`detach`) and becomes a `session`.
//! The crate knows the logs of `fanfare-log`; it never names Redis.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acceptor;
pub mod acceptor_stats;
mod admission;
mod answer;
mod authorizer;
mod body_bytes;
mod carried_out;
mod client_address;
mod clock;
mod close;
mod common_headers;
mod connection;
mod core;
mod core_stats;
mod cors;
mod cross_site;
mod decision;
mod denied;
mod detach;
mod drain;
mod drainer;
mod due;
mod empty_body;
mod end;
mod expiries;
mod forwarded;
mod framing;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod fuzzing;
mod gatekeeper;
mod grant_holders;
mod heartbeat;
mod history;
mod host;
mod http2;
mod http2_stats;
mod http_date;
mod http_stats;
mod known_revocations;
mod lag;
mod lapse_log;
mod linger;
mod listen_address;
mod listener;
#[cfg(feature = "testing")]
mod local;
mod network;
mod node_state;
mod occupancy;
mod occupancy_teller;
mod options;
mod origin_pattern;
mod path;
mod payer_buckets;
mod payer_places;
mod payer_turns;
mod phase;
mod problem;
mod progress;
mod proxy_protocol;
mod publish;
mod pulse;
mod query;
mod ranking;
mod redirect;
mod refusal;
mod request_body;
mod revocation_follower;
mod revoker;
mod routes;
#[cfg(test)]
mod scene;
mod server;
mod session;
mod sessions;
mod shared_asks;
mod silence;
mod silent_sockets;
mod socket;
mod socket_file;
mod soon;
mod store;
mod strict_transport;
mod subscription;
mod sweep;
mod ticket_use;
mod tickets;
mod tls_handshake;
mod tls_socket;
mod tls_stats;
mod turn;
mod watchers;
mod worthless_tokens;

pub use self::core::{Core, DeliveryOptions};
pub use acceptor_stats::AcceptorStats;
pub use admission::{Admission, Reason};
pub use answer::Answer;
pub use authorizer::{Authorized, Authorizer, Question};
pub use clock::Clock;
pub use close::Close;
pub use core_stats::{CoreStats, Lagging};
pub use cors::{Cors, CorsError};
pub use denied::{Denied, DeniedCells};
pub use drainer::Drainer;
pub use end::{End, EndCells};
pub use forwarded::ForwardedHeader;
pub use framing::Framing;
pub use gatekeeper::Gatekeeper;
pub use heartbeat::Heartbeat;
pub use http_stats::HttpStats;
pub use http2_stats::{Flood, Http2Stats};
pub use known_revocations::{KnownRevocations, RevocationStats, RevocationsUnknown};
pub use lag::{LAG_BOUNDS_MS, Lag};
pub use listen_address::{ListenAddress, ListenAddressError};
#[cfg(feature = "testing")]
pub use local::LocalServer;
pub use network::{Network, NetworkError};
pub use options::{
    AdmissionOptions, ClientCertificateOptions, DrainOptions, HistoryOptions, ListenOptions, OccupancyOptions, Options,
    ProxyOptions, RefusalPolicy, RequestOptions, Secret, SocketOptions, TicketOptions,
};
pub use origin_pattern::{OriginPattern, OriginPatternError};
pub use phase::Phase;
pub use ranking::Ranking;
pub use redirect::Redirect;
pub use server::{Server, StartError};
pub use session::{Refusal, Subscribe, start};
pub use silence::Silence;
pub use socket::Socket;
pub use soon::Soon;
pub use store::StoreHandles;
pub use strict_transport::StrictTransport;
pub use subscription::Subscription;
pub use ticket_use::{TicketUse, TicketUseCells};

pub use fanfare_tls::SubjectFrom;
