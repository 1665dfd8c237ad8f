//! How long the other clients take to open a new stream.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::stream::{Asked, Stream};
use crate::latency::Latency;
use crate::transport::tls::Connector;

/// Between two openings.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one may take. One that is refused or takes longer counts with this time.
const PATIENCE: Duration = Duration::from_secs(3);
/// The address of these clients, which no attacker has.
pub(super) const OTHERS: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 1);
/// The share of openings that may take longer than the figure says, since other programs of the machine hold up some.
const SHARE: f64 = 0.95;

/// The openings of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Opened {
    /// How often it was tried.
    pub(super) tries: u64,
    /// How often no head of a stream, or no position, came in time.
    pub(super) failed: u64,
    /// From the connect to the head of the answer.
    pub(super) head: Latency,
    /// From the connect to the first position, from which on nothing is missed.
    pub(super) primed: Latency,
}

/// All openings of one part.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Openings {
    /// Streams of a channel that has readers.
    pub(super) known: Opened,
    /// Streams of a channel that the node has never heard of.
    pub(super) new: Opened,
}

impl Opened {
    /// Milliseconds until 95 of 100 have their first position.
    pub(super) fn primed_ms(&self) -> f64 {
        self.primed.0.value_at_quantile(SHARE) as f64 / 1e3
    }

    /// Milliseconds until 95 of 100 have the head of the answer.
    pub(super) fn head_ms(&self) -> f64 {
        self.head.0.value_at_quantile(SHARE) as f64 / 1e3
    }

    fn try_once(&mut self, asked: &Asked) {
        let begun = Instant::now();
        self.tries += 1;
        let stream = Stream::open(asked, PATIENCE);
        let head = begun.elapsed();
        let primed = stream.and_then(|mut stream| stream.find(begun + PATIENCE, |block| block.id.is_some()));
        let came = matches!(primed, Ok(Some(_)));
        self.failed += u64::from(!came);
        let primed = if came { begun.elapsed() } else { PATIENCE };
        self.head.0.saturating_record(head.as_micros() as u64);
        self.primed.0.saturating_record(primed.as_micros() as u64);
    }
}

/// Opens streams until `done`, in turns of a channel that has readers and one that is new.
///
/// # Errors
/// None: a stream that cannot be opened counts.
pub(super) fn keep_opening(
    node: SocketAddr,
    tls: Option<&Arc<Connector>>,
    prefix: &str,
    done: &AtomicBool,
) -> Result<Openings> {
    let mut openings = Openings::default();
    let ask = |channel: String| Asked {
        node,
        query: format!("channel={channel}"),
        position: None,
        from: OTHERS,
        tls: tls.cloned(),
    };
    while !done.load(Ordering::Relaxed) {
        openings.known.try_once(&ask(format!("{prefix}0")));
        openings.new.try_once(&ask(format!("{prefix}new-{:016x}", fastrand::u64(..))));
        std::thread::sleep(PAUSE);
    }
    Ok(openings)
}
