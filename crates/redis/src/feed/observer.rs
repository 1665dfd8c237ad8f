//! Who hears how the feed is.

/// What the feed reports of itself.
pub(crate) trait FeedObserver: Send + Sync + 'static {
    /// A connection is up.
    fn connected(&self);
    /// The connection is gone, or could not be made.
    fn disconnected(&self, reason: &str);
    /// A round trip through the path of pushes was just proven.
    fn probed(&self);
    /// Number of subscriptions acknowledged on the current connection.
    fn subscribed(&self, count: usize);
    /// Everything that was desired when the current connection came up has been asked for and answered.
    fn caught_up(&self) {}
}
