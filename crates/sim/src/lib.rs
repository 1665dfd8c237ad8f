//! Whole nodes, a fake Redis and fake clients in one process, under paused time and a seed.
//!
//! **What is real**: everything of a node but its threads, its listener and its configuration file. The feed's
//! supervisor, probe and subscriptions, the archive's pool, reads and proofs, the publisher and the control connection of
//! `fanfare-redis`, over the client library's own connections; ingest and registry of `fanfare-log`; admission, hyper,
//! detach and sessions of `fanfare-server`, and, in a quarter of the worlds, the gate of `fanfare-auth` with what follows and carries out
//! revocations.
//!
//! **What is fake**: the network (`net`), which is two lanes of bytes; Redis (`redis`), which speaks RESP3
//! and can lose, double and swap pushes, be late, deaf, mute, frozen and down, cut connections at any byte, trim, retract, expire,
//! evict, flush, fail over to a replica that misses the newest entries, turn its clock back, have a narrow link and a full
//! memory, and bring messages later than answers; and clients (`client`), which
//! drop at any byte, read slowly, stay away, and resume on any node with what they have read. They read with the readers of
//! `fanfare-oracle`, which shares nothing with the product. Others are strangers (`hostile`), who ask for whatever costs the most.
//!
//! **A world** ([`run`]) is drawn from its seed: the nodes' bounds, what can go wrong (`scenario`), who publishes how,
//! what breaks when (`fault_injector`). After a while everything is healed and each channel gets a last event: with its push, without, while no
//! node reaches Redis, or after a flush and below all ids before. Every client must see it as soon as its node can know
//! of it (`scenario::LastEvents`). Then the judge of `fanfare-oracle`, which
//! judges the chaos run and the end-to-end tests too, compares what each client saw with what the fake Redis stored: here it is
//! told everything (`stored_record`). In a quarter of the worlds nothing is ever lost, and any gap at all is a breach.
//! Elsewhere false gaps are counted. In a fifth of the worlds one node
//! believes no message that brings an entry, in a fifth none does, and somebody forges some (`forger`). In some Redis evicts what expires, and
//! the operator promises that no stream does (`eviction`): that is kept, or one publisher breaks it (`broken_promise`), and then each node
//! that has heard of it has to tell and to count it.
//!
//! **Half of the worlds are hard** (`hardships`): a narrow link, a feed that lags, events of 10 B to 20 MB, a full memory,
//! strangers, or streams that come and go within minutes. Beside the guarantee there are four more verdicts:
//!
//! | verdict | bound | where |
//! |---|---|---|
//! | every channel that has an honest reader is served, or told, when the faults are over | `Scenario::patience` | `life` |
//! | the reader of a quiet channel has a place and its events while strangers act | 3 s each (twelve round trips), and what the feed lags; four requests for tips before its own | `siege` |
//! | bytes of the strangers' stock asked of Redis, reads of entries at a time | the allowance over time, reads in flight, a page for each failed read; `archive.concurrency` | `bounds` |
//! | memory of tails and pages, number of channels | the budget and what may stand beside it; the places | `bounds` |
//!
//! **In a quarter of the worlds nodes ask for tokens** (`tokens`) that live for 8 to 60 s. A client is told `$expired` and comes back with the
//! next one and its place; an operator revokes subjects, tokens and channels, through nodes and by commands, while everything goes wrong as
//! elsewhere; whose token was revoked comes back with the same one, or with one that is good again. Each byte has the time at which a node
//! wrote it. In half of these worlds some clients come by tickets (`tokens::ticket_office`), as the application makes them: by a node, with
//! chance from the seed. They use them soon, or too late, come back with them for as long as they live, to any node, and hear `204` then; a
//! ticket, its subject, its channel or its maker may be revoked. In half of these worlds feeds also fall mute, or late, for seconds while their connections stand
//! (`mute_feeds`). Beside the guarantee, which holds across all of that, there are four verdicts:
//!
//! | verdict | bound | where |
//! |---|---|---|
//! | no event begins by a revoked token, whatever becomes of feeds and reads; where a node's feed brings everything, and Redis answers in time, no byte comes | 1 s from the acknowledgement; for bytes, also from when the node was told | `tokens::cut_within_a_second` |
//! | no event by a revoked token from a node that was not told, if it was published after the acknowledgement; from a node that starts later none at all. Not judged: revocations that Redis has lost | at once | `tokens::withheld_out_of_reach` |
//! | no byte of a session comes when its token has ended, and no event to whoever comes with one that has | `exp`; of a ticket its lifetime from its first use | `tokens::after_the_end` |
//! | a ticket that is good is refused neither with `204` nor, where Redis has lost nothing, with `401`; no stream begins by one whose maker is revoked | 4 s before its end; 1 s from the acknowledgement | `tokens::refusals` |
//!
//! **In a third of the worlds nodes count readers** (`occupancy`), of all channels, and some clients ask to be told. Readers of a channel that
//! nobody else reads come and go on both nodes while everything breaks, and others ask how many there are. Afterwards it is known how many
//! there are, and there are four verdicts:
//!
//! | verdict | bound | where |
//! |---|---|---|
//! | every node says how many there are, and every reader that asked has been told, whoever came, left, or was killed together with a node | 3 s; from the end of the faults 40 s, since a round that was held up puts the next one off, and the time by which the clock of Redis is behind, which lengthens the lives of the dead | `occupancy::census` |
//! | a channel that nobody reads any more has no readers, on every node | when all of that is over | `occupancy::census` |
//! | nobody is told the same number twice, or twice within a second (900 ms: rounds are not told to all at one moment) | of streams that read at once | `occupancy::told` |
//! | nobody is told anything who did not ask | at once, in all worlds | `occupancy::told` |
//!
//! **In a third of the worlds some clients are tabs of one browser that speaks HTTP/2** (`browser`): each is a stream of its own on one
//! connection to each node, and judged as all clients are. The connection is lost after any byte; a tab that leaves resets its stream, one that
//! pauses grants no window, and one, which is not judged, never grants any. Nodes that drain say `GOAWAY`.
//!
//! **A seed repeats**: one thread, paused time, no `select!` by chance, no unseeded number. `tests/repeats.rs` compares a
//! hash of every byte to clients and every command to Redis, with their times. Nothing that runs in a world may iterate over a
//! `HashMap` where the order matters, or read another clock than tokio's.
//!
//! What it does not see: threads (`crates/log/tests/threads.rs` does), the kernel's sockets, a real Redis
//! (`crates/e2e` does). Single histories of a log, step by step, are told in `crates/log/tests/histories`.
//!
//! ```text
//! make sim                      # 3000 seeds
//! FANFARE_SEEDS=100000 make sim # as many
//! FANFARE_FIRST_SEED=3000 …     # beginning there
//! FANFARE_SEED=17 make sim      # one, with a trace to read
//! ```
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr};

mod bounds;
mod broken_promise;
mod browser;
mod client;
mod eviction;
mod fault_injector;
mod feed_muter;
mod forger;
mod hardships;
mod hostile;
mod http2_stream;
mod late_expiries;
mod life;
mod mute_feeds;
mod names;
mod net;
mod node;
mod occupancy;
mod outcome;
mod payload;
mod publisher;
mod redis;
mod response;
mod revoked_record;
mod rng;
mod scenario;
mod seasons;
mod setup;
mod short_lives;
mod siege;
mod stored_record;
mod ticket_record;
mod tokens;
mod torn_socket;
mod trace;
mod world;

pub use life::run;
pub use occupancy::census::OccupancyCounts;
pub use outcome::Outcome;
pub use tokens::access::AccessCounts;

/// What every key and Pub/Sub channel of the simulation begins with.
pub(crate) const PREFIX: &str = "sse:";

/// The key, and the Pub/Sub channel, of the log of revocations.
pub(crate) const OWN_LOG: &str = "$fanfare:{sse:}:revoked";

/// Where all clients come from but strangers.
pub(crate) const CLIENT_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Nodes of a world.
pub(crate) const NODES: usize = 2;

/// The machine's clock when a world begins, in milliseconds since the Unix epoch.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;
