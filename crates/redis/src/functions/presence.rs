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

/// Redis' word for a function that is not loaded. The library's own errors quote what a publisher wrote, which may be the same words.
pub(crate) fn is_not_found(text: &str) -> bool {
    text.starts_with("ERR Function not found")
}

/// Redis' word for a command that this user may not run (7.0: `NOPERM User ada has no permissions to run the 'fcall' command`; 6.2: `this
/// user`, and more words after it). The library's own begin with `NOPERM fanfare: `.
pub(crate) fn is_denied_command(text: &str, command: &str) -> bool {
    !text.starts_with("NOPERM fanfare: ")
        && text.contains(&format!(" has no permissions to run the '{command}' command"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the words may stand anywhere.
    #[test]
    fn what_a_publisher_wrote_is_not_taken_for_a_word_of_redis() {
        assert!(is_not_found("ERR Function not found"));
        assert!(!is_not_found("ERR fanfare: unknown option 'Function not found'"));
        for text in [
            "NOPERM User ada has no permissions to run the 'fcall' command",
            "NOPERM this user has no permissions to run the 'fcall' command or its subcommand",
        ] {
            assert!(is_denied_command(text, "fcall"));
            assert!(!is_denied_command(text, "eval"));
        }
        let quoted =
            "NOPERM fanfare: this user may not run xadd on 'sse: has no permissions to run the 'fcall' command'";
        assert!(!is_denied_command(quoted, "fcall"));
        assert!(!is_denied_command("NOPERM no permissions to access the 'fcall' command key", "fcall"));
    }
}
