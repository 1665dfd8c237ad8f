//! What Redis refuses, in the log: once for each kind of refusal, and then now and then.

use std::sync::{Mutex, PoisonError};

use fanfare_protocol::limits::PUBLISH_REFUSAL_SAID_INTERVAL;
use tokio::time::Instant;

/// Longest code of an error reply that is told apart from others, in characters.
const CODE_MAX: usize = 32;

/// Keeps a refusal that thousands of callers meet from filling the log.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    /// What is refused, as the log says it.
    what: &'static str,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// The first word of the reason: `OOM`, `NOPERM`.
    code: String,
    at: Option<Instant>,
    /// Refusals of this kind since then.
    untold: u64,
}

impl RefusalLog {
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, said: Mutex::default() }
    }

    pub(crate) fn note(&self, reason: &str) {
        let code: String = reason.chars().take_while(|character| *character != ' ').take(CODE_MAX).collect();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = said.at.is_some_and(|at| at.elapsed() < PUBLISH_REFUSAL_SAID_INTERVAL);
        if is_recent && said.code == code {
            said.untold += 1;
            return;
        }
        let before = if said.code == code { said.untold } else { 0 };
        *said = Said { code, at: Some(Instant::now()), untold: 0 };
        drop(said);
        tracing::warn!(reason, before, "{}", self.what);
    }
}
