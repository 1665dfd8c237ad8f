//! Why a channel cannot be followed at present.

use std::sync::Arc;

/// What its readers are told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its key holds another type than a stream. Waiting does not mend that.
    #[error("the channel's key holds another type than a stream")]
    WrongType,
    /// The store does not let this node follow it, in the store's own words.
    #[error("{0}")]
    Denied(Arc<str>),
}
