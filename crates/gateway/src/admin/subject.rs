//! What the operators' listener asks of a node.

use std::sync::Arc;

use serde_json::Value;

use super::listed_channel::ListedChannel;
use super::ready::Health;
use crate::metrics::Source;
use crate::revocation_writer::RevocationWriter;

/// What the listener shows.
pub trait Subject: Source {
    /// Whether the node should get connections, and if not, why.
    fn health(&self) -> Health;
    /// Who it is: version, addresses, the store without its password.
    fn identity(&self) -> Value;
    /// The channels with the most readers, those with the most first; within a second, whatever its threads and its store do.
    fn top_channels(&self) -> impl Future<Output = Vec<ListedChannel>> + Send;
    /// What revokes, where tokens are asked for.
    fn revocation_writer(&self) -> Option<Arc<RevocationWriter>>;
}
