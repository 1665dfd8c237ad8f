//! Asks the application whether a request may do what it wants.
//!
//! What is sent is made by [`request`], what comes back is judged by [`answer`], and what was allowed a moment ago is kept by [`kept`].
//! Whose question is asked next, and whose is not, is decided by [`turns`]. Since when something is denied is remembered by [`denials`].
//! Whatever is no clear answer counts as none: nobody is let in because an application could not be asked.

mod answer;
mod denials;
mod failure;
mod kept;
mod options;
mod request;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::FORWARD_MARGIN;
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};

pub use answer::{ForwardError, Verdict};
pub use failure::ForwardFailure;
pub use options::{FORWARD_ISSUER, ForwardOptions};
pub use request::{Asker, ForwardQuestion, ForwardRequest, is_forwardable};

use crate::ask::{Ask, AskAnswer, AskError, AskRequest};
use crate::grant::Grant;
use crate::right::Right;
use crate::unix_seconds::UnixSeconds;
use denials::Denials;
use kept::KeptGrants;
use turns::{Turns, Waiting};

/// Asks the application. Shared by all threads.
pub struct Forward {
    options: ForwardOptions,
    ask: Arc<dyn Ask>,
    turns: Turns,
    kept: KeptGrants,
    denials: Denials,
    counts: Counts,
    last: Mutex<Last>,
}

/// How the last question went, and the last that had no answer.
#[derive(Default)]
struct Last {
    has_failed: bool,
    failure: Option<Box<str>>,
}

#[derive(Default)]
struct Counts {
    allowed: AtomicU64,
    denied: AtomicU64,
    failed: [AtomicU64; ForwardFailure::ALL.len()],
    kept: AtomicU64,
    refused: AtomicU64,
}

/// How it went, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Answers that allowed what was asked for.
    pub allowed: u64,
    /// Answers that did not, whatever else they allowed.
    pub denied: u64,
    /// Questions without an answer, in the order of [`ForwardFailure::ALL`].
    pub failures: [u64; ForwardFailure::ALL.len()],
    /// Requests that were allowed because they were a moment ago.
    pub kept: u64,
    /// Questions that were not asked, because too many waited.
    pub refused: u64,
    /// Questions under way.
    pub asking: usize,
    /// Why the last one has no answer; none if it has.
    pub last_error: Option<Box<str>>,
    /// Why the last one that has no answer has none.
    pub last_failure: Option<Box<str>>,
}

impl ForwardStatus {
    /// Questions without an answer.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }
}

impl Forward {
    /// Asks through `ask`, which keeps the deadline of a request.
    #[must_use]
    pub fn new(options: ForwardOptions, ask: Arc<dyn Ask>) -> Self {
        let (turns, kept) = (Turns::new(options.concurrency), KeptGrants::new(options.keep));
        let denials = Denials::new(options.denied_grace);
        Self { options, ask, turns, kept, denials, counts: Counts::default(), last: Mutex::default() }
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

    /// What was allowed a moment ago to exactly this. `after`: answers to what was asked by then do not count.
    #[must_use]
    pub fn kept(&self, request: &ForwardRequest, now: UnixSeconds, after: Option<UnixSeconds>) -> Option<Grant> {
        let grant = self.kept.get(&request.key, now, after)?;
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
        let ForwardRequest { ask, right, channels, key, asker, .. } = request;
        let answer = self.answer(&waiting, ask).await;
        let judged =
            answer.and_then(|answer| answer::judge(&answer, right, &channels, &self.options, (asked_at, clock())));
        match &judged {
            Ok(verdict) => {
                let is_enough = matches!(verdict, Verdict::Granted(grant) if covers(grant, right, &channels));
                // A yes that is not enough is asked about again, as a no is.
                self.kept.put(key, if is_enough { verdict } else { &Verdict::Forbidden }, asked_at);
                if is_enough {
                    self.denials.forget(&asker.0);
                }
                let count = if is_enough { &self.counts.allowed } else { &self.counts.denied };
                count.fetch_add(1, Ordering::Relaxed);
                self.last().has_failed = false;
            }
            Err(error) => self.note(error),
        }
        judged
    }

    /// Waits for a place, and for an answer. Both have one deadline; who asks knows it too, and better what it waited for.
    async fn answer(&self, waiting: &Waiting<'_>, mut ask: AskRequest) -> Result<AskAnswer, ForwardError> {
        let most = self.options.timeout;
        let deadline = Instant::now() + most;
        let _turn = timeout_at(deadline, waiting.turn()).await.map_err(|_| ForwardError::NoPlace(most))?;
        ask.timeout = deadline.saturating_duration_since(Instant::now());
        let answer = timeout_at(deadline + FORWARD_MARGIN, self.ask.ask(ask)).await;
        answer.unwrap_or(Err(AskError::TimedOut(most))).map_err(|error| {
            // Those who mend it know the time that is configured.
            ForwardError::Ask(match error {
                AskError::TimedOut(_) => AskError::TimedOut(most),
                AskError::NotReached(step, _) => AskError::NotReached(step, most),
                other => other,
            })
        })
    }

    /// Whether a denial is young: who comes back to a stream may come again, since an application that is in trouble often denies what
    /// it allowed before. To be asked once for each denial.
    pub fn is_young_denial(&self, asker: &Asker, now: UnixSeconds) -> bool {
        self.denials.note(&asker.0, now)
    }

    /// How it went so far.
    #[must_use]
    pub fn status(&self) -> ForwardStatus {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let last = self.last();
        ForwardStatus {
            allowed: count(&self.counts.allowed),
            denied: count(&self.counts.denied),
            failures: std::array::from_fn(|index| count(&self.counts.failed[index])),
            kept: count(&self.counts.kept),
            refused: count(&self.counts.refused),
            asking: self.turns.under_way(),
            last_error: last.failure.clone().filter(|_| last.has_failed),
            last_failure: last.failure.clone(),
        }
    }

    fn note(&self, error: &ForwardError) {
        let Some(failure) = ForwardFailure::of(error) else { return };
        self.counts.failed[failure as usize].fetch_add(1, Ordering::Relaxed);
        *self.last() = Last { has_failed: true, failure: Some(error.to_string().into()) };
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a grant covers what was asked for: these channels, or those that it names itself.
fn covers(grant: &Grant, right: Right, channels: &[ChannelName]) -> bool {
    let channels = if channels.is_empty() { grant.named_channels() } else { channels };
    grant.permit(right, channels).is_ok()
}

/// Without what asks, which may be anything.
impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forward").field("options", &self.options).finish_non_exhaustive()
    }
}
