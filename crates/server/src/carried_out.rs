//! How far a connection thread has carried out what is revoked.

use crate::known_revocations::KnownRevocations;

/// How far a connection thread has carried out what is revoked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CarriedOut {
    /// The link of the feed on which it has carried out all that had been revoked when that came up. `None`: it is told to wait, or there is none.
    pub(crate) link: Option<u64>,
    /// The number of the last revocation that it has carried out.
    pub(crate) latest: u64,
}

impl CarriedOut {
    /// Whether that is all that is revoked, as far as the node knows now, and the node knows all. If not, what is known of it changes later
    /// ([`Progress`](crate::progress::Progress)), and the thread catches up.
    pub(crate) fn is_all_of(self, known: &KnownRevocations) -> bool {
        let link = known.link();
        // The numbers last: what a later proof is about has its number before that proof is told.
        link.is_some() && self.link == link && known.is_proven() && self.latest >= known.latest()
    }
}
