//! How a stream ends that has not come to its end.

/// How a stream ends because the node drains, or before it has begun. Clients on `fetch` take a clean end for the end of the
/// matter and stay away; browsers' `EventSource` comes back after either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Close {
    /// As a whole response, and a refusal as a polite one.
    #[default]
    Clean,
    /// As a response that breaks off, and a refusal as a status.
    Abort,
}
