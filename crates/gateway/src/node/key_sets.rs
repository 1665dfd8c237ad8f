//! The key sets of issuers that publish their keys, as operators see them.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Gate, KeyStatus, UnixSeconds};
use fanfare_server::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::metrics::Samples;
use crate::metrics::table as m;

/// What the gate of a node knows of them. Without a gate there are none.
pub(super) struct KeySets {
    gate: Option<Arc<Gate>>,
    /// When the node began.
    began: Instant,
}

impl KeySets {
    pub(super) const fn new(gate: Option<Arc<Gate>>, began: Instant) -> Self {
        Self { gate, began }
    }

    pub(super) fn collect(&self, samples: &mut Samples) {
        for status in self.gate.iter().flat_map(|gate| gate.key_status()) {
            let issuer = status.issuer.as_deref().unwrap_or_default();
            samples.add_labelled(&m::KEY_SET_KEYS, issuer, status.keys as u64);
            samples.add_labelled_f64(&m::KEY_SET_AGE, issuer, self.age(&status).as_secs_f64());
            samples.add_labelled(&m::KEY_SET_LOOKS, issuer, status.looks);
            samples.add_labelled(&m::KEY_SET_FAILURES, issuer, status.failures);
        }
    }

    /// For people. `None`: the node has no gate.
    pub(super) fn to_json(&self) -> Option<Value> {
        let shown = |status: KeyStatus| {
            json!({
                "issuer": status.issuer,
                "keys": status.keys,
                "age_seconds": status.read_at.map(|_| self.age(&status).as_secs()),
                "looks": status.looks,
                "failures": status.failures,
                "last_error": status.last_error,
            })
        };
        self.gate.as_ref().map(|gate| gate.key_status().into_iter().map(shown).collect())
    }

    /// How long ago they were read; as old as the node, if they never were.
    fn age(&self, status: &KeyStatus) -> Duration {
        let now = UnixSeconds(Clock::system().wall_ms() / 1_000);
        status.read_at.map_or_else(|| self.began.elapsed(), |read_at| now.since(read_at))
    }
}
