//! The tables of a file that may be several.

use super::channel_rule::ChannelRule;
use super::error::Place;
use super::issuer_rule::IssuerRule;
use super::listener_rule::ListenerRule;

/// The tables of a file that may be several, in their order.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) channels: Vec<(Place, ChannelRule)>,
    pub(super) issuers: Vec<(Place, IssuerRule)>,
    pub(super) listeners: Vec<(Place, ListenerRule)>,
}
