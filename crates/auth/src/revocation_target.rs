//! What a revocation is about, and how an entry of the log of revocations says it.

use std::sync::Arc;

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{ISSUER_BYTES_MAX, REVOCATION_BYTES_MAX, SUBJECT_BYTES_MAX};
use serde_json::{Map, Value, json};

use crate::name_text::is_name;

/// The version of the format. What a later one says is not understood here.
const VERSION: u64 = 1;

/// Whose grants are revoked. Cloning shares the texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RevocationTarget {
    /// All that an issuer's tokens give to one subject (`sub`).
    Subject {
        /// The configured name of the issuer; `None`: the one without a name.
        issuer: Option<Arc<str>>,
        /// Whose.
        subject: Arc<str>,
    },
    /// What one token gives (`jti`).
    Token {
        /// As above.
        issuer: Option<Arc<str>>,
        /// Which token.
        token_id: Arc<str>,
    },
    /// What any token gives with this channel among what it is used for.
    Channel(ChannelName),
}

/// Why something cannot be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No token says such a thing.
    #[error("a subject or a token's id has 1 to {SUBJECT_BYTES_MAX} bytes and no control characters")]
    Name,
    /// No issuer is called so.
    #[error("an issuer's name has 1 to {ISSUER_BYTES_MAX} bytes")]
    Issuer,
}

/// Why an entry of the log says nothing to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetUnreadable {
    /// It is none of ours.
    #[error("it is no revocation")]
    Garbage,
    /// It may come from a newer node.
    #[error("it revokes something that this version does not know")]
    Unknown,
}

impl RevocationTarget {
    /// What an issuer's tokens give to a subject.
    ///
    /// # Errors
    /// No token can say so.
    pub fn subject(issuer: Option<&str>, subject: &str) -> Result<Self, TargetError> {
        Ok(Self::Subject { issuer: checked_issuer(issuer)?, subject: checked_name(subject)? })
    }

    /// What one token gives.
    ///
    /// # Errors
    /// No token can say so.
    pub fn token(issuer: Option<&str>, token_id: &str) -> Result<Self, TargetError> {
        Ok(Self::Token { issuer: checked_issuer(issuer)?, token_id: checked_name(token_id)? })
    }

    /// As an entry of the log says it.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Subject { issuer, subject } => {
                json!({ "v": VERSION, "kind": "subject", "issuer": issuer.as_deref(), "subject": &**subject })
            }
            Self::Token { issuer, token_id } => {
                json!({ "v": VERSION, "kind": "token", "issuer": issuer.as_deref(), "token_id": &**token_id })
            }
            Self::Channel(channel) => json!({ "v": VERSION, "kind": "channel", "channel": channel.as_str() }),
        }
    }

    /// What an entry with these members says. Others are passed over.
    pub(crate) fn from_members(entry: &Map<String, Value>) -> Result<Self, TargetUnreadable> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).ok_or(TargetUnreadable::Garbage);
        let issuer = || match entry.get("issuer") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.as_str())),
            Some(_) => Err(TargetUnreadable::Garbage),
        };
        match text("kind")? {
            "subject" => Self::subject(issuer()?, text("subject")?).map_err(|_| TargetUnreadable::Garbage),
            "token" => Self::token(issuer()?, text("token_id")?).map_err(|_| TargetUnreadable::Garbage),
            "channel" => ChannelName::parse(text("channel")?).map(Self::Channel).map_err(|_| TargetUnreadable::Garbage),
            _ => Err(TargetUnreadable::Unknown),
        }
    }

    /// Whose grants it is about, if it is about those of one issuer that has a name.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Subject { issuer, .. } | Self::Token { issuer, .. } => issuer.as_deref(),
            Self::Channel(_) => None,
        }
    }

    /// Its kind, as entries, metrics and logs name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Subject { .. } => "subject",
            Self::Token { .. } => "token",
            Self::Channel(_) => "channel",
        }
    }
}

/// The members of an entry of a version that is understood.
pub(crate) fn members(json: &[u8]) -> Result<Map<String, Value>, TargetUnreadable> {
    if json.len() > REVOCATION_BYTES_MAX {
        return Err(TargetUnreadable::Garbage);
    }
    let entry: Map<String, Value> = serde_json::from_slice(json).map_err(|_| TargetUnreadable::Garbage)?;
    match entry.get("v").and_then(Value::as_u64) {
        Some(VERSION) => Ok(entry),
        Some(_) => Err(TargetUnreadable::Unknown),
        None => Err(TargetUnreadable::Garbage),
    }
}

/// As tokens are checked.
fn checked_name(name: &str) -> Result<Arc<str>, TargetError> {
    if is_name(name) { Ok(name.into()) } else { Err(TargetError::Name) }
}

fn checked_issuer(issuer: Option<&str>) -> Result<Option<Arc<str>>, TargetError> {
    match issuer {
        Some(name) if !(1..=ISSUER_BYTES_MAX).contains(&name.len()) => Err(TargetError::Issuer),
        issuer => Ok(issuer.map(Arc::from)),
    }
}
