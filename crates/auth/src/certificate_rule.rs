//! What certificates of clients give.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{GRANT_PATTERNS_MAX, TOKEN_LIFETIME_MAX, TOKEN_LIFETIME_MIN};
use serde_json::{Map, Value};

use crate::certified_client::CertifiedClient;
use crate::claimed_channels;
use crate::claims::{Claims, SUBJECT_CLAIM};
use crate::gate_options::{CertificateOptions, Templates};
use crate::grant::Grant;
use crate::refusal::Refusal;
use crate::right::Right;
use crate::template::Template;
use crate::unix_seconds::UnixSeconds;

/// The issuer of grants by certificate, for revocation and for whatever is kept by subject.
pub const CERTIFICATE_ISSUER: &str = "client_certificates";

/// What is wrong with the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRuleError {
    /// It gives nothing.
    #[error("they give nothing with any channel")]
    Nothing,
    /// It gives too much.
    #[error("they have {1} patterns to {right}; expected at most {GRANT_PATTERNS_MAX}", right = .0.as_str())]
    Templates(Right, usize),
    /// A pattern names something that no certificate has.
    #[error("a pattern has {{{0}}} in it; expected {{sub}}, which is all that is read of a certificate")]
    Claim(String),
    /// A certificate may live for too short or too long a time.
    #[error("`max_lifetime` is out of bounds")]
    Lifetime,
}

/// Judges clients by their certificates.
#[derive(Debug)]
pub(crate) struct CertificateRule {
    issuer: Arc<str>,
    templates: Templates,
    max_lifetime: Duration,
}

impl CertificateRule {
    pub(crate) fn new(options: CertificateOptions) -> Result<Self, CertificateRuleError> {
        let CertificateOptions { templates, max_lifetime } = options;
        if let Some((right, patterns)) = templates.too_many() {
            return Err(CertificateRuleError::Templates(right, patterns));
        }
        let foreign = templates
            .lists()
            .into_iter()
            .flat_map(|(_, list)| list)
            .flat_map(Template::claims)
            .find(|name| *name != SUBJECT_CLAIM)
            .map(ToOwned::to_owned);
        if let Some(other) = foreign {
            return Err(CertificateRuleError::Claim(other));
        }
        if templates.are_none() {
            return Err(CertificateRuleError::Nothing);
        }
        if !(TOKEN_LIFETIME_MIN..=TOKEN_LIFETIME_MAX).contains(&max_lifetime) {
            return Err(CertificateRuleError::Lifetime);
        }
        Ok(Self { issuer: Arc::from(CERTIFICATE_ISSUER), templates, max_lifetime })
    }

    /// What a client may do by its certificate at this time. What it was *given* is the certificate, when that began to be valid: a
    /// revocation hits all that began before, however often their holders connect again.
    pub(crate) fn check(
        &self,
        client: &CertifiedClient,
        public: &Arc<[Pattern]>,
        now: UnixSeconds,
    ) -> Result<Grant, Refusal> {
        let subject = client.subject.as_deref().ok_or(Refusal::Certificate(
            "it has no name, or several, where `auth.client_certificates.subject` looks for one",
        ))?;
        // Longer than revocations are kept: it would be good again when its own is forgotten.
        if client.ends_at.since(client.begins_at) > self.max_lifetime {
            return Err(Refusal::Certificate("it is valid for longer than `auth.client_certificates.max_lifetime`"));
        }
        if client.is_over(now) {
            return Err(Refusal::Expired);
        }
        let claims = Claims::of(Map::from_iter([(SUBJECT_CLAIM.to_owned(), Value::from(subject))]));
        Ok(Grant {
            issuer: Some(Arc::clone(&self.issuer)),
            subject: Some(subject.into()),
            token_id: None,
            issued_at: Some(client.begins_at),
            expires_at: Some(client.proven_until),
            rights: claimed_channels::rights(&claims, None, &self.templates)?.and_public(Arc::clone(public)),
            stream: None,
        })
    }
}
