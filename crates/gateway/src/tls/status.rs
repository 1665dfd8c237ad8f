//! What operators see of certificates.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fanfare_log::stats::Cell;
use fanfare_tls::Facts;
use serde_json::{Value, json};

use super::validity::date;

/// What a listener shows.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Where it listens.
    pub listener: String,
    /// Its certificates, by their files.
    pub certificates: Vec<(String, Facts)>,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Why the files that are there now are not shown.
    pub failure: Option<String>,
}

/// What listeners show, and how often that was replaced. The looks of one thread write it.
#[derive(Debug, Default)]
pub struct TlsStatus {
    shown: Mutex<Vec<Shown>>,
    /// Files that were read anew and are shown.
    pub replaced: Cell,
    /// Looks at files that cannot be shown.
    pub failed: Cell,
}

impl TlsStatus {
    pub(super) fn set(&self, shown: Vec<Shown>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    /// What each listener with TLS shows.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the certificate of each file ends, in Unix seconds; the earliest of what listeners show of it.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<String, u64> {
        let mut ends = BTreeMap::new();
        for (path, facts) in self.shown().into_iter().flat_map(|shown| shown.certificates) {
            let end = ends.entry(path).or_insert(facts.ends);
            *end = facts.ends.min(*end);
        }
        ends
    }

    /// The same for people.
    pub(crate) fn to_json(&self) -> Value {
        let certificate = |(path, facts): (String, Facts)| json!({ "file": path, "names": facts.names, "begins": date(facts.begins), "ends": date(facts.ends) });
        let listener = |shown: Shown| {
            json!({
                "listener": shown.listener,
                "certificates": shown.certificates.into_iter().map(certificate).collect::<Vec<_>>(),
                "since": date(shown.since),
                "last_error": shown.failure,
            })
        };
        self.shown().into_iter().map(listener).collect::<Vec<_>>().into()
    }
}
