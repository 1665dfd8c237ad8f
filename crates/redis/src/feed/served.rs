//! What one connection of the feed was good for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fanfare_protocol::limits;
use tokio::time::Instant;

use super::observer::FeedObserver;

/// Watches one connection, and passes everything on.
pub(super) struct Served {
    observer: Arc<dyn FeedObserver>,
    began: Instant,
    /// How long it took to subscribe to everything that was desired when the connection began.
    subscribed_after: OnceLock<Duration>,
    proven: AtomicBool,
}

impl Served {
    /// The connection begins.
    pub(super) fn new(observer: Arc<dyn FeedObserver>) -> Self {
        Self { observer, began: Instant::now(), subscribed_after: OnceLock::new(), proven: AtomicBool::new(false) }
    }

    /// Whether a round trip was proven.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// How long its successor has to wait: as long as it took until the connection was good for all channels, which is work for
    /// both sides, and at most [`limits::FEED_PAUSE_MAX`].
    pub(super) fn pause(&self) -> Duration {
        let cost = self.subscribed_after.get().copied().unwrap_or_else(|| self.began.elapsed());
        cost.min(limits::FEED_PAUSE_MAX)
    }
}

impl FeedObserver for Served {
    fn connected(&self) {
        self.observer.connected();
    }

    fn disconnected(&self, reason: &str) {
        self.observer.disconnected(reason);
    }

    fn probed(&self) {
        self.proven.store(true, Ordering::Relaxed);
        self.observer.probed();
    }

    fn subscribed(&self, count: usize) {
        self.observer.subscribed(count);
    }

    fn caught_up(&self) {
        self.subscribed_after.get_or_init(|| self.began.elapsed());
        self.observer.caught_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[tokio::test(start_paused = true)]
    async fn the_next_connection_waits_for_as_long_as_subscribing_took() {
        let served = Served::new(Arc::new(Status::default()));
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!((served.pause(), served.is_proven()), (Duration::from_millis(700), false));
        served.subscribed(3);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(served.pause(), Duration::from_millis(800), "a part of the channels is not all of them");
        served.caught_up();
        tokio::time::advance(Duration::from_secs(60)).await;
        served.subscribed(4);
        served.caught_up();
        served.probed();
        assert_eq!((served.pause(), served.is_proven()), (Duration::from_millis(800), true));
        let late = Served::new(Arc::new(Status::default()));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(late.pause(), limits::FEED_PAUSE_MAX);
    }
}
