//! First uses of tickets, told by the fake Redis, which stores them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fanfare_auth::TicketState;
use fanfare_protocol::TicketName;

/// When the last of several first uses says that a ticket ends, and when the first does: milliseconds of the clock of Redis. More than one is
/// stored only where Redis has lost one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TicketEnd {
    pub(crate) earliest_ms: u64,
    pub(crate) latest_ms: u64,
}

/// The record. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TicketRecord(Arc<Mutex<BTreeMap<String, TicketEnd>>>);

/// What the keys of tickets begin with, and those of used ones end with.
const KEY: &str = "$fanfare:{sse:}:ticket:";
const USED: &str = ":used";

/// Whether a key is one of a ticket.
pub(crate) fn is_key(key: &str) -> bool {
    key.starts_with(KEY)
}

/// The keys of a ticket: until it is used, and from then on.
pub(crate) fn keys(name: TicketName) -> [String; 2] {
    [format!("{KEY}{name}"), format!("{KEY}{name}{USED}")]
}

impl TicketRecord {
    /// This key was stored. `longest_ms`: how long a ticket lives at most.
    pub(crate) fn store(&self, key: &str, value: &[u8], longest_ms: u64) {
        let Some(name) = key.strip_prefix(KEY).and_then(|name| name.strip_suffix(USED)) else { return };
        let Ok(TicketState::Used(used)) = TicketState::read(None, Some(value)) else { return };
        let of_use = used.first_use_ms + u64::try_from(used.record.lifetime.as_millis()).unwrap_or(u64::MAX);
        let ends_ms = of_use.min(used.record.made_at.0 * 1_000 + longest_ms);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = all.entry(name.to_owned()).or_insert(TicketEnd { earliest_ms: ends_ms, latest_ms: ends_ms });
        (end.earliest_ms, end.latest_ms) = (end.earliest_ms.min(ends_ms), end.latest_ms.max(ends_ms));
    }

    /// When a ticket ends. `None`: nobody has used it.
    pub(crate) fn end(&self, name: TicketName) -> Option<TicketEnd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name.to_string()).copied()
    }
}
