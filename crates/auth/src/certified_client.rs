//! A client that has shown a certificate.

use fanfare_protocol::limits::{EXPIRY_SPREAD_MAX, EXPIRY_SPREAD_PART};

use crate::unix_seconds::UnixSeconds;

/// What a client has proven in the handshake of its connection: that a certificate is its own, which one of the authorities that are
/// believed has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedClient {
    /// Whom the certificate names. `None`: nobody, where a name is looked for.
    pub subject: Option<Box<str>>,
    /// From when on the certificate is valid (`notBefore`).
    pub begins_at: UnixSeconds,
    /// Until when it is (`notAfter`).
    pub ends_at: UnixSeconds,
    /// When the handshake was.
    pub proven_at: UnixSeconds,
    /// From when on the proof counts no longer: the certificate has ended, or the handshake is too long ago.
    pub proven_until: UnixSeconds,
}

impl CertifiedClient {
    /// Whether the proof is over at this time. Only another handshake can renew it.
    #[must_use]
    pub fn is_over(&self, now: UnixSeconds) -> bool {
        self.proven_until <= now
    }

    /// Whether the proof is over soon: streams by it begin to end, and what comes back has to come by another connection.
    #[must_use]
    pub fn is_ending(&self, now: UnixSeconds) -> bool {
        let life = self.proven_until.since(self.proven_at);
        self.proven_until.since(now) <= (life / EXPIRY_SPREAD_PART).min(EXPIRY_SPREAD_MAX)
    }
}
