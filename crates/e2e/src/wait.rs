//! Waiting for conditions. No test sleeps to let something happen: it waits until it has happened, or fails by name.

use std::time::{Duration, Instant};

/// How long a condition may take that normally takes milliseconds. Generous, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(10);

/// Asks `look` again and again until it gives a value; panics after [`PATIENCE`], naming `what`.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// Like [`eventually`] with a deadline of the caller's choice.
#[track_caller]
pub fn eventually_within<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain for: {what}");
        pace(POLL);
    }
}

/// Lets time pass: the pace of a publisher, an interval between two looks, an observation over time. Never a way to wait
/// for something to have happened. Blocks a thread that has nothing else to do.
#[allow(clippy::disallowed_methods)]
pub fn pace(duration: Duration) {
    std::thread::sleep(duration);
}
