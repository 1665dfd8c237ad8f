//! How long answers of services outside take.

use std::sync::Arc;

use fanfare_auth::{Answering, Ask, AskRequest};
use fanfare_log::stats::Durations;
use tokio::time::Instant;

/// Asks through another, and takes the time: until the answer, the error in its place, or until the question is given up.
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
        let stopwatch = Stopwatch { began: Instant::now(), lengths: Arc::clone(&self.lengths) };
        let answer = self.ask.ask(request);
        Box::pin(async move {
            let _stopwatch = stopwatch;
            answer.await
        })
    }
}

/// Takes the time until it is dropped.
struct Stopwatch {
    began: Instant,
    lengths: Arc<Durations>,
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.lengths.record(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanfare_auth::AskError;

    use super::*;

    struct Hanging;

    impl Ask for Hanging {
        fn ask(&self, _: AskRequest) -> Answering {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Err(AskError::Failed("too late".into()))
            })
        }
    }

    // Fails when only questions that come to an end are counted: while the application hangs, there would be none.
    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_given_up_has_taken_its_time() {
        let lengths = Arc::<Durations>::default();
        let asks = TimedAsk::new(Hanging, Arc::clone(&lengths));
        let request = AskRequest {
            method: http::Method::GET,
            uri: http::Uri::from_static("https://app.example/"),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            max_bytes: 1,
            timeout: Duration::from_secs(1),
        };
        assert!(tokio::time::timeout(Duration::from_secs(3), asks.ask(request)).await.is_err());
        let (counts, sum) = lengths.snapshot();
        assert_eq!((counts.iter().sum::<u64>(), sum), (1, Duration::from_secs(3)));
    }
}
