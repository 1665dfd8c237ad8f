//! Whose tokens a node believes, and what they may give.

use std::fmt;
use std::time::Duration;

use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{
    AUTH_LEEWAY_DEFAULT, CLAIM_NAME_DEFAULT, EXPIRED_GRACE_DEFAULT, GRANT_PATTERNS_MAX, KEY_SET_AGE_DEFAULT,
    TOKEN_LIFETIME_DEFAULT,
};

use crate::algorithm::Algorithm;
use crate::right::Right;
use crate::safe_url::SafeUrl;
use crate::template::Template;

/// What a [`Gate`](crate::Gate) goes by. By default no token is believed and nothing is public.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// Channels that anybody may follow and read as history, without a token. Nobody may publish to them because of this.
    pub public: Vec<Pattern>,
    /// The name of the cookie that may hold a token.
    pub cookie: Option<String>,
    /// The name of the claim that holds the channels, for issuers without [templates](IssuerOptions::templates).
    pub claim: String,
    /// How far the clocks of issuers and this node may be apart.
    pub leeway: Duration,
    /// How long after its end a genuine token is [`Expired`](crate::Refusal::Expired), and not worthless.
    pub expired_grace: Duration,
    /// Tokens that live longer are refused.
    pub max_token_lifetime: Duration,
    /// Whose tokens are believed.
    pub issuers: Vec<IssuerOptions>,
    /// What clients may do by their certificates. `None`: nothing.
    pub client_certificates: Option<CertificateOptions>,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            public: Vec::new(),
            cookie: None,
            claim: CLAIM_NAME_DEFAULT.to_owned(),
            leeway: AUTH_LEEWAY_DEFAULT,
            expired_grace: EXPIRED_GRACE_DEFAULT,
            max_token_lifetime: TOKEN_LIFETIME_DEFAULT,
            issuers: Vec::new(),
            client_certificates: None,
        }
    }
}

/// Somebody who signs tokens.
#[derive(Debug, Clone)]
pub struct IssuerOptions {
    /// The name in `iss`. `None`: any, also none; only where there is no other issuer.
    pub issuer: Option<String>,
    /// Whom its tokens have to be for.
    pub audience: Audience,
    /// The algorithms that it uses; empty: all that its keys fit.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub keys: Vec<KeySource>,
    /// What its tokens give. Those of an issuer without any say so themselves, in the claim of [`GateOptions::claim`].
    pub templates: Templates,
    /// The name of the claim in which its tokens say themselves what they give. Those without it give what the templates say. `None` with
    /// templates: no token says anything itself.
    pub claim: Option<String>,
    /// A channel that matches none of these is given by none of its tokens, whatever they say. `None`: each may be.
    pub within: Option<Vec<Pattern>>,
    /// How long after it was read a published key set is believed while it cannot be read again.
    pub max_key_age: Duration,
}

/// An issuer that is [refused](crate::IssuerError), since it names neither keys nor audience: those have to be said.
impl Default for IssuerOptions {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Audience::OneOf(Vec::new()),
            algorithms: Vec::new(),
            keys: Vec::new(),
            templates: Templates::default(),
            claim: None,
            within: None,
            max_key_age: KEY_SET_AGE_DEFAULT,
        }
    }
}

/// What certificates of clients give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateOptions {
    /// What each may do; `{sub}` is the subject that its certificate names.
    pub templates: Templates,
    /// Certificates that are valid for longer, from their first second to their last, are refused. Revocations are to be kept for as long.
    pub max_lifetime: Duration,
}

/// Whom tokens have to be for (`aud`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// One of these.
    OneOf(Vec<String>),
    /// Anybody: also what the same issuer signed for another service is believed here.
    Any,
}

/// Patterns for each right, with claims in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    /// What may be followed.
    pub subscribe: Vec<Template>,
    /// Where may be published.
    pub publish: Vec<Template>,
    /// What may be read as history. `None`: what may be followed, since who follows can read the past with a position.
    pub history: Option<Vec<Template>>,
    /// For which channels tickets may be made, with which others follow them.
    pub tickets: Vec<Template>,
}

impl Templates {
    /// The first right with more patterns than there may be, and their number.
    pub(crate) fn too_many(&self) -> Option<(Right, usize)> {
        self.lists()
            .into_iter()
            .find(|(_, list)| list.len() > GRANT_PATTERNS_MAX)
            .map(|(right, list)| (right, list.len()))
    }

    /// All of them, by right.
    pub(crate) fn lists(&self) -> [(Right, &[Template]); 4] {
        [
            (Right::Subscribe, &self.subscribe),
            (Right::Publish, &self.publish),
            (Right::History, self.history.as_deref().unwrap_or_default()),
            (Right::Tickets, &self.tickets),
        ]
    }

    /// Whether there is none.
    pub(crate) fn are_none(&self) -> bool {
        self.lists().into_iter().all(|(_, list)| list.is_empty())
    }
}

/// Where keys come from. What stands in files is read by whoever reads the configuration.
#[derive(Clone)]
pub enum KeySource {
    /// A shared secret, of at least 32 bytes.
    Secret(Vec<u8>),
    /// Public keys, as the text of a PEM file.
    Pem(String),
    /// A key set, as the text of a file.
    KeySet(Vec<u8>),
    /// A key set that is published and followed. One for each issuer at most.
    Url(SafeUrl),
}

/// What is printed ends in logs.
impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret"),
            Self::Pem(_) => f.write_str("Pem"),
            Self::KeySet(_) => f.write_str("KeySet"),
            Self::Url(url) => url.fmt(f),
        }
    }
}
