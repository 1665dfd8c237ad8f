//! Asks the application whether a request may do what it wants.
//!
//! What is sent is made by [`request`], what comes back is judged by [`answer`], and what was allowed a moment ago is kept by [`kept`].
//! Whose question is asked next, and whose is not, is decided by [`turns`].
//! Whatever is no clear answer counts as none: nobody is let in because an application could not be asked.

mod answer;
mod kept;
mod options;
mod request;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use tokio::time::timeout;

pub use answer::{ForwardError, Verdict};
pub use options::{FORWARD_ISSUER, ForwardOptions};
pub use request::{ForwardQuestion, ForwardRequest, is_forwardable};

use crate::ask::{Ask, AskError};
use crate::grant::Grant;
use crate::unix_seconds::UnixSeconds;
use kept::KeptGrants;
use turns::Turns;

/// Asks the application. Shared by all threads.
pub struct Forward {
    options: ForwardOptions,
    ask: Arc<dyn Ask>,
    turns: Turns,
    kept: KeptGrants,
    counts: Counts,
    last_error: Mutex<Option<Box<str>>>,
}

#[derive(Default)]
struct Counts {
    allowed: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
    kept: AtomicU64,
    refused: AtomicU64,
}

/// How it went, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Answers that allowed what was asked for, or something else.
    pub allowed: u64,
    /// Answers that did not.
    pub denied: u64,
    /// Questions without an answer.
    pub failed: u64,
    /// Requests that were allowed because they were a moment ago.
    pub kept: u64,
    /// Questions that were not asked, because too many waited.
    pub refused: u64,
    /// Questions under way.
    pub asking: usize,
    /// Why the last one has no answer; none if it has.
    pub last_error: Option<Box<str>>,
}

impl Forward {
    /// Asks through `ask`, which keeps the deadline of a request.
    #[must_use]
    pub fn new(options: ForwardOptions, ask: Arc<dyn Ask>) -> Self {
        let (turns, kept) = (Turns::new(options.concurrency), KeptGrants::new(options.keep));
        Self { options, ask, turns, kept, counts: Counts::default(), last_error: Mutex::default() }
    }

    /// What the application is to be asked about a request.
    #[must_use]
    pub fn request(&self, question: &ForwardQuestion<'_>) -> ForwardRequest {
        request::request(&self.options, question)
    }

    /// Whether one of these headers is sent along.
    #[must_use]
    pub fn takes_one_of(&self, headers: &HeaderMap) -> bool {
        self.options.headers.iter().any(|name| headers.contains_key(name))
    }

    /// What was allowed a moment ago to exactly this.
    #[must_use]
    pub fn kept(&self, request: &ForwardRequest, now: UnixSeconds) -> Option<Grant> {
        let grant = self.kept.get(&request.key, now)?;
        self.counts.kept.fetch_add(1, Ordering::Relaxed);
        Some(grant)
    }

    /// Asks. Dropping the future gives the question up. `clock` says what time it is.
    ///
    /// # Errors
    /// There is no clear answer in time, or too many questions wait for a place, or too many of this payer: then it is known at once.
    pub async fn ask(&self, request: ForwardRequest, clock: impl Fn() -> UnixSeconds) -> Result<Verdict, ForwardError> {
        let Some(waiting) = self.turns.enter(request.payer) else {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(ForwardError::Crowded);
        };
        let asked_at = clock();
        let late = AskError::TimedOut(self.options.timeout);
        let answer = timeout(self.options.timeout, async {
            let _turn = waiting.turn().await;
            self.ask.ask(request.ask).await
        });
        let answer = answer.await.unwrap_or(Err(late)).map_err(ForwardError::from);
        let now = clock();
        let judged =
            answer.and_then(|answer| answer::judge(&answer, request.right, &request.channels, &self.options, now));
        match &judged {
            Ok(verdict) => {
                self.kept.put(request.key, verdict, asked_at);
                let is_granted = matches!(verdict, Verdict::Granted(_));
                let count = if is_granted { &self.counts.allowed } else { &self.counts.denied };
                count.fetch_add(1, Ordering::Relaxed);
                self.note(None);
            }
            Err(error) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.note(Some(error.to_string().into()));
            }
        }
        judged
    }

    /// How it went so far.
    #[must_use]
    pub fn status(&self) -> ForwardStatus {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ForwardStatus {
            allowed: count(&self.counts.allowed),
            denied: count(&self.counts.denied),
            failed: count(&self.counts.failed),
            kept: count(&self.counts.kept),
            refused: count(&self.counts.refused),
            asking: self.turns.under_way(),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn note(&self, error: Option<Box<str>>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Without what asks, which may be anything.
impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forward").field("options", &self.options).finish_non_exhaustive()
    }
}
