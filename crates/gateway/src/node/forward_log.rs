//! Says in the log when the application gives no clear answers, and when it does again.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Forward, ForwardStatus};
use fanfare_protocol::limits::{ASK_LOG_INTERVAL, FORWARD_LOG_PAUSE};
use tokio::time::Instant;
use tracing::{info, warn};

/// What the log says of the application. One failure among many answers makes it unclear; it is clear again when there was none for a while. So a
/// client that provokes failures gets a line now and then, and no two a second.
pub(super) struct ForwardLog {
    /// Questions without an answer so far.
    failed: u64,
    /// `None`: all answers are clear.
    unclear: Option<Unclear>,
}

struct Unclear {
    /// Why, as the log said it last.
    why: Option<Box<str>>,
    said_at: Instant,
    /// Questions without an answer that the log has told of.
    said: u64,
    last_failure: Instant,
}

/// What there is to say.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// So many questions have had no clear answer since the last line.
    Unclear {
        why: Box<str>,
        questions: u64,
    },
    Clear,
}

impl ForwardLog {
    pub(super) fn new() -> Self {
        Self { failed: 0, unclear: None }
    }

    /// Looks for ever. Dropping it ends it at any time.
    pub(super) async fn run(mut self, forward: Arc<Forward>) {
        loop {
            match self.look(&forward.status(), Instant::now()) {
                Some(Line::Unclear { why, questions }) => {
                    warn!(error = %why, questions, "the application that decides about requests gives no clear answer");
                }
                Some(Line::Clear) => info!("the application that decides about requests answers again"),
                None => {}
            }
            tokio::time::sleep(ASK_LOG_INTERVAL).await;
        }
    }

    fn look(&mut self, status: &ForwardStatus, now: Instant) -> Option<Line> {
        let said = std::mem::replace(&mut self.failed, status.failed());
        let has_failed = self.failed > said;
        let is_older = |since: Instant, age: Duration| now.saturating_duration_since(since) >= age;
        let Some(unclear) = &mut self.unclear else {
            if !has_failed {
                return None;
            }
            self.unclear = Some(Unclear { why: None, said_at: now, said, last_failure: now });
            return self.line(status, now);
        };
        if has_failed {
            unclear.last_failure = now;
        } else if is_older(unclear.last_failure, FORWARD_LOG_PAUSE) {
            self.unclear = None;
            return Some(Line::Clear);
        }
        let is_news = unclear.why != status.last_failure && is_older(unclear.said_at, FORWARD_LOG_PAUSE);
        if is_news { self.line(status, now) } else { None }
    }

    fn line(&mut self, status: &ForwardStatus, now: Instant) -> Option<Line> {
        let unclear = self.unclear.as_mut()?;
        let questions = self.failed - unclear.said;
        (unclear.said, unclear.said_at, unclear.why) = (self.failed, now, status.last_failure.clone());
        Some(Line::Unclear { why: status.last_failure.clone()?, questions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second, at what this says of each second: how many failed, and why last.
    fn lines(seconds: &[(u64, &str)]) -> Vec<(usize, Line)> {
        let mut log = ForwardLog::new();
        let start = Instant::now();
        let mut status = ForwardStatus::default();
        let mut lines = Vec::new();
        for (second, (failed, why)) in seconds.iter().enumerate() {
            status.failures[0] += failed;
            if *failed > 0 {
                status.last_failure = Some((*why).into());
            }
            let now = start + Duration::from_secs(second as u64);
            lines.extend(log.look(&status, now).map(|line| (second, line)));
        }
        lines
    }

    fn unclear(why: &str, questions: u64) -> Line {
        Line::Unclear { why: why.into(), questions }
    }

    // Fails when the log says each second that the application answers again, and does not.
    #[tokio::test]
    async fn failures_among_answers_are_one_line_and_it_is_clear_again_after_a_while() {
        let pause = usize::try_from(FORWARD_LOG_PAUSE.as_secs()).unwrap();
        let mut seconds = vec![(0, ""), (1, "302"), (0, ""), (3, "302"), (0, "")];
        seconds.extend([(1, "302"), (0, "")].repeat(30));
        let last_failure = seconds.len() - 2;
        seconds.extend(vec![(0, ""); 2 * pause]);
        assert_eq!(lines(&seconds), [(1, unclear("302", 1)), (last_failure + pause, Line::Clear)]);
    }

    // Fails when only the first reason is told.
    #[tokio::test]
    async fn another_reason_is_told_but_not_each_second() {
        let pause = usize::try_from(FORWARD_LOG_PAUSE.as_secs()).unwrap();
        let seconds = [(1, "no answer"), (1, "expired")].repeat(pause);
        let said = lines(&seconds);
        assert_eq!(said[0], (0, unclear("no answer", 1)));
        assert!(matches!(&said[1], (_, Line::Unclear { why, .. }) if &**why == "expired"), "{said:?}");
        assert!(said.len() <= 3, "{said:?}");
    }
}
