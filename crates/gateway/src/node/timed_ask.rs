//! How long answers of services outside take.

use std::sync::Arc;

use fanfare_auth::{Answering, Ask, AskRequest};
use fanfare_log::stats::Durations;
use tokio::time::Instant;

/// Asks through another, and takes the time.
#[derive(Debug, Clone)]
pub(super) struct TimedAsk<A> {
    ask: A,
    lengths: Arc<Durations>,
}

impl<A> TimedAsk<A> {
    pub(super) fn new(ask: A, lengths: Arc<Durations>) -> Self {
        Self { ask, lengths }
    }
}

impl<A: Ask> Ask for TimedAsk<A> {
    fn ask(&self, request: AskRequest) -> Answering {
        let (began, lengths) = (Instant::now(), Arc::clone(&self.lengths));
        let answer = self.ask.ask(request);
        Box::pin(async move {
            let answer = answer.await;
            lengths.record(began.elapsed());
            answer
        })
    }
}
