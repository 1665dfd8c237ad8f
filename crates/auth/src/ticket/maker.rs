//! Whose token a ticket was made with.

use fanfare_protocol::limits::{ISSUER_BYTES_MAX, SUBJECT_BYTES_MAX};
use serde_json::{Map, Value, json};

use super::stored::{MalformedTicket, text};
use crate::grant::Grant;
use crate::unix_seconds::UnixSeconds;

/// What the grant of a ticket's maker said of its holder: when that is revoked, so are the tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketMaker {
    issuer: Option<Box<str>>,
    subject: Option<Box<str>>,
    token_id: Option<Box<str>>,
    issued_at: Option<UnixSeconds>,
}

impl TicketMaker {
    /// The holder of this grant.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        Self {
            issuer: grant.issuer.as_deref().map(Box::from),
            subject: grant.subject.clone(),
            token_id: grant.token_id.clone(),
            issued_at: grant.issued_at,
        }
    }

    /// The same as a grant that gives nothing.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            issuer: self.issuer.as_deref().map(Into::into),
            subject: self.subject.clone(),
            token_id: self.token_id.clone(),
            issued_at: self.issued_at,
            ..Grant::default()
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { issuer, subject, token_id, issued_at } = self;
        json!({ "iss": issuer, "sub": subject, "jti": token_id, "iat": issued_at.map(|at| at.0) })
    }

    pub(super) fn read(said: &Map<String, Value>) -> Result<Self, MalformedTicket> {
        let issued_at = match said.get("iat") {
            None | Some(Value::Null) => None,
            Some(at) => Some(UnixSeconds(at.as_u64().ok_or(MalformedTicket)?)),
        };
        Ok(Self {
            issuer: text(said, "iss", ISSUER_BYTES_MAX)?.map(Box::from),
            subject: text(said, "sub", SUBJECT_BYTES_MAX)?.map(Box::from),
            token_id: text(said, "jti", SUBJECT_BYTES_MAX)?.map(Box::from),
            issued_at,
        })
    }
}
