//! A subscriber that can be forgotten.

/// The connection is over: closed by the peer, failed, or hopelessly behind.
#[derive(Debug)]
pub(super) struct Gone;
