//! What is to be published.

/// An event on its way.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingEvent {
    pub(crate) channel: String,
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) maxlen: String,
    /// The stream expires so many seconds after its newest event; only for ways of the publishing function.
    pub(crate) ttl: Option<&'static str>,
}

impl OutgoingEvent {
    /// The option of the publishing function that says so.
    pub(crate) fn ttl(&self) -> Vec<&str> {
        self.ttl.map_or(Vec::new(), |seconds| vec!["TTL", seconds, "EXPIRES", "1"])
    }
}
