//! The keys of session tickets, which let a client that comes back leave out half of a handshake (RFC 8446 section 2.2, RFC 5077).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use crate::certificate_error::CertificateError;

/// The keys that session tickets are encrypted with. Nothing is kept of a client: all is in its session ticket.
///
/// They change every six hours, and each is good for as long again. They are this process's own: at another node, or after a restart, a
/// session ticket is worth nothing, and its client makes a whole handshake. That costs it a moment and a signature, and nothing else.
/// They outlive what is shown: a certificate that is replaced does not make everybody's session tickets worthless.
#[derive(Clone)]
pub struct ResumptionKeys(Arc<dyn ProducesTickets>);

impl ResumptionKeys {
    /// New keys.
    ///
    /// # Errors
    /// This machine has no randomness.
    pub fn new() -> Result<Self, CertificateError> {
        Ticketer::new().map(Self).map_err(|error| CertificateError::Cryptography(error.to_string()))
    }

    pub(crate) fn into_inner(self) -> Arc<dyn ProducesTickets> {
        self.0
    }
}

impl fmt::Debug for ResumptionKeys {
    /// Says nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumptionKeys").finish_non_exhaustive()
    }
}
