//! Whether the library is in Redis: what those who call it and the one who loads it tell each other.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Shared by the publisher, the archive and the control connection.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    is_missing: AtomicBool,
    missed: Notify,
}

impl Presence {
    /// Redis says that there is no such function, though it knows functions.
    pub(crate) fn miss(&self) {
        self.is_missing.store(true, Ordering::Relaxed);
        self.missed.notify_one();
    }

    /// Functions cannot be called here, which loading them would not change.
    pub(crate) fn give_up(&self) {
        self.is_missing.store(true, Ordering::Relaxed);
    }

    /// They may be there: the next caller tries.
    pub(crate) fn try_again(&self) {
        self.is_missing.store(false, Ordering::Relaxed);
    }

    /// Whether publishers use the script meanwhile.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing.load(Ordering::Relaxed)
    }

    /// Waits until somebody missed a function, also if that was before. For one waiter; cancel-safe.
    pub(crate) async fn missed(&self) {
        self.missed.notified().await;
    }
}

/// Redis' word for a function that is not loaded.
pub(crate) fn is_not_found(text: &str) -> bool {
    text.contains("Function not found")
}
