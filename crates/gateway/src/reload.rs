//! What SIGHUP changes in a running node, and what it cannot.

use crate::config::{Config, Layered, all_keys};

/// Keys that take effect on SIGHUP. Everything else is part of something that was built once: a listener, a
/// connection, a budget that others have been promised.
const RELOADED: [&str; 1] = ["log.level"];

/// Whether a change of this key takes effect on SIGHUP.
#[must_use]
pub fn reloads(path: &str) -> bool {
    RELOADED.contains(&path)
}

/// The keys whose values differ, split into those that take effect and those that wait for a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Take effect now.
    pub applied: Vec<String>,
    /// Wait for a restart.
    pub waiting: Vec<String>,
}

/// Compares the running configuration with a newly read one.
#[must_use]
pub fn changes(running: &Config, new: &Layered) -> Changes {
    let mut changes = Changes::default();
    for key in all_keys() {
        if running.differs(&new.config, key.section, key.name) {
            let path = key.path();
            if reloads(&path) { changes.applied.push(path) } else { changes.waiting.push(path) }
        }
    }
    let listen = "server.listen".to_owned();
    if running.listeners != new.config.listeners && !changes.waiting.contains(&listen) {
        changes.waiting.push(listen);
    }
    if running.channels != new.config.channels {
        changes.waiting.push("channels".to_owned());
    }
    if running.issuers != new.config.issuers {
        changes.waiting.push("auth.issuers".to_owned());
    }
    changes
}
