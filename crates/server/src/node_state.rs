//! What every request handler of the node shares.

use std::sync::{Arc, Once};

use http::header::{self, HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::body_bytes::BodyBytes;
use crate::common_headers::CommonHeaders;
use crate::occupancy::Counts;
use crate::options::Options;
use crate::payer_places::PayerPlaces;
use crate::payer_turns::PayerTurns;
use crate::store::StoreHandles;
use crate::tickets::Tickets;
use crate::worthless_tokens::WorthlessTokens;

/// One node's configuration, doorkeeper and store.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(crate) options: Options,
    pub(crate) admission: Arc<Admission>,
    pub(crate) store: StoreHandles,
    /// Bounds the history answers that are being made or have not been taken. Never waited for: no place, no answer.
    pub(crate) history_places: Arc<PayerPlaces>,
    /// Bounds the archive reads that they cause at once.
    pub(crate) history_reads: PayerTurns,
    /// Bounds the bodies of publishes. The orders of tickets have a bound of their own.
    pub(crate) body_bytes: BodyBytes,
    /// Bounds the decisions about subscriptions that are awaited at once. Never waited for either.
    pub(crate) decision_slots: Semaphore,
    /// Who has sent worthless tokens, for each connection thread.
    pub(crate) worthless_tokens: Box<[WorthlessTokens]>,
    /// `None`: none are made and none counts.
    pub(crate) tickets: Option<Tickets>,
    /// `None`: no readers are counted.
    pub(crate) counts: Option<Counts>,
    /// That there are trusted proxies which send no PROXY header was said.
    pub(crate) told_of_proxies: Once,
    /// That there are clients which speak HTTP where TLS is spoken was said.
    pub(crate) told_of_plain: Once,
}

impl NodeState {
    pub(crate) fn new(options: Options, admission: Arc<Admission>, store: StoreHandles) -> Self {
        let history_places = Arc::new(PayerPlaces::new(options.history.answers));
        let history_reads = PayerTurns::new(options.history.concurrency);
        let body_bytes = BodyBytes::new(options.requests.publish_bytes);
        let start = Instant::now();
        let worthless_tokens = (0..options.core_count()).map(|_| WorthlessTokens::new(start)).collect();
        let tickets = options
            .tickets
            .clone()
            .map(|tickets| Tickets::new(tickets, options.revocations.clone(), &options.requests, start));
        let counts = options.occupancy.clone().map(|occupancy| Counts::new(occupancy, start));
        let decision_slots = Semaphore::new(options.requests.decisions);
        Self {
            options,
            admission,
            store,
            history_places,
            history_reads,
            body_bytes,
            decision_slots,
            worthless_tokens,
            tickets,
            counts,
            told_of_proxies: Once::new(),
            told_of_plain: Once::new(),
        }
    }

    /// What every answer carries, streams included. Where tokens are asked for, or the way is private, what an answer holds may be for
    /// its asker alone: no page of another origin is to load it as a script or a style sheet (Fetch section 3.6).
    pub(crate) fn headers(&self, common: &CommonHeaders) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let nosniff = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let is_private = self.options.authorizer.is_some() || self.speaks_tls(common.listener);
        self.options
            .cors
            .headers(&common.verdict)
            .chain(is_private.then_some(nosniff))
            .chain(self.strict_transport(common.listener))
    }

    fn speaks_tls(&self, listener: u8) -> bool {
        self.options.listeners.get(usize::from(listener)).is_some_and(|listener| listener.tls.is_some())
    }

    /// What the answers of this listener say of HTTPS. Over a plain connection it would mean nothing (RFC 6797, section 7.2).
    pub(crate) fn strict_transport(&self, listener: u8) -> Option<(HeaderName, HeaderValue)> {
        let listener = self.options.listeners.get(usize::from(listener))?;
        let value = self.options.strict_transport.as_ref().filter(|_| listener.tls.is_some())?;
        Some((header::STRICT_TRANSPORT_SECURITY, value.value().clone()))
    }
}
