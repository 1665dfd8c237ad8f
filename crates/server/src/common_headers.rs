//! What the headers depend on that every answer carries.

use crate::cors::CorsVerdict;

/// Small, so that it goes along where the request does not.
#[derive(Debug, Clone)]
pub(crate) struct CommonHeaders {
    /// The outcome of the origin check.
    pub(crate) verdict: CorsVerdict,
    /// The place of the listener among those of the node.
    pub(crate) listener: u8,
}
