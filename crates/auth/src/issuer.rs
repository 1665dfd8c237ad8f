//! Somebody who signs tokens: with what, for whom, and for which channels.

use std::sync::Arc;

use fanfare_protocol::limits::{
    AUDIENCES_MAX, GRANT_PATTERNS_MAX, ISSUER_BYTES_MAX, ISSUER_KEYS_MAX, KEYS_TRIED_MAX, SIGNING_SECRET_BYTES_MAX,
    SIGNING_SECRET_BYTES_MIN,
};

use crate::algorithm::Algorithm;
use crate::followed_keys::{FollowedKeys, KeysWanted};
use crate::gate_options::{Audience, IssuerOptions, KeySource, Templates};
use crate::key_follower::KeyFollower;
use crate::key_set::{self, KeySetError, Publicity};
use crate::pem::{self, PemError};
use crate::refusal::Refusal;
use crate::right::Right;
use crate::template::Template;
use crate::token::Token;
use crate::verifying_key::VerifyingKey;

/// An issuer, ready to judge tokens.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// `None`: any.
    pub(crate) name: Option<Box<str>>,
    audience: Audience,
    /// Empty: any.
    algorithms: Box<[Algorithm]>,
    keys: Box<[VerifyingKey]>,
    pub(crate) followed: Option<Arc<FollowedKeys>>,
    templates: Templates,
}

/// What is wrong with an issuer as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It has no key.
    #[error("it has no key")]
    NoKeys,
    /// It has too many.
    #[error("it has {0} keys; expected at most {ISSUER_KEYS_MAX}")]
    TooManyKeys(usize),
    /// A shared secret is too short or too long.
    #[error("its secret has {0} bytes; expected {SIGNING_SECRET_BYTES_MIN} to {SIGNING_SECRET_BYTES_MAX}")]
    Secret(usize),
    /// A PEM file has no keys.
    #[error("its PEM file: {0}")]
    Pem(#[from] PemError),
    /// A key set is none.
    #[error("its key set: {0}")]
    KeySet(#[from] KeySetError),
    /// It has several addresses.
    #[error("its keys are published at several addresses; expected one at most")]
    SeveralUrls,
    /// No key can be used with an algorithm that it names.
    #[error("none of its keys can be used with {0}")]
    Algorithm(Algorithm),
    /// Its name is empty or too long.
    #[error("its name has {0} bytes; expected 1 to {ISSUER_BYTES_MAX}")]
    Name(usize),
    /// It says for whom its tokens are, and names nobody, or too many.
    #[error("it names {0} audiences; expected 1 to {AUDIENCES_MAX}")]
    Audiences(usize),
    /// It gives too much.
    #[error("it has {1} patterns to {right}; expected at most {GRANT_PATTERNS_MAX}", right = .0.as_str())]
    Templates(Right, usize),
}

impl Issuer {
    /// Checks the options. What keeps published keys up comes with it.
    pub(crate) fn new(options: IssuerOptions) -> Result<(Self, Option<KeyFollower>), IssuerError> {
        if let Some(name) = options.issuer.as_ref().filter(|name| !(1..=ISSUER_BYTES_MAX).contains(&name.len())) {
            return Err(IssuerError::Name(name.len()));
        }
        if let Audience::OneOf(names) = &options.audience
            && !(1..=AUDIENCES_MAX).contains(&names.len())
        {
            return Err(IssuerError::Audiences(names.len()));
        }
        check_templates(&options.templates)?;
        let (mut keys, mut follower) = (Vec::new(), None);
        for source in options.keys {
            match source {
                KeySource::Secret(secret) => keys.push(secret_key(&secret)?),
                KeySource::Pem(text) => keys.extend(pem::public_keys(&text)?.into_iter().map(VerifyingKey::public)),
                KeySource::KeySet(text) => keys.extend(key_set::parse(&text, Publicity::Private)?),
                KeySource::Url(_) if follower.is_some() => return Err(IssuerError::SeveralUrls),
                KeySource::Url(url) => follower = Some(KeyFollower::new(url, FollowedKeys::new())),
            }
        }
        check_keys(&keys, follower.is_some(), &options.algorithms)?;
        let issuer = Self {
            name: options.issuer.map(Box::from),
            audience: options.audience,
            algorithms: options.algorithms.into(),
            keys: keys.into(),
            followed: follower.as_ref().map(KeyFollower::keys),
            templates: options.templates,
        };
        Ok((issuer, follower))
    }

    /// Whether one of the issuer's keys signed the token, for somebody like this node. `Ok(Some)`: nobody knows the key yet.
    pub(crate) fn vouch(&self, token: &Token<'_>) -> Result<Option<KeysWanted>, Refusal> {
        if !self.algorithms.is_empty() && !self.algorithms.contains(&token.algorithm) {
            return Err(Refusal::Invalid("its `alg` is none of those that its issuer uses"));
        }
        let published = self.followed.as_ref().map(|followed| followed.keys());
        let published = published.as_deref().unwrap_or_default();
        let is_named = |key: &&VerifyingKey| key.is_named(token.key_id.as_deref());
        let named: Vec<&VerifyingKey> = self.keys.iter().chain(published).filter(is_named).collect();
        if let Err(refusal) = signed_by_one_of(&named, token) {
            let is_known = published.iter().any(|key| is_named(&key));
            return match &self.followed {
                Some(followed) if !is_known => followed.unknown_key().map(Some),
                _ => Err(refusal),
            };
        }
        match &self.audience {
            Audience::OneOf(names) if !token.claims.is_for_one_of(names) => {
                Err(Refusal::Invalid("it is for somebody else (`aud`)"))
            }
            Audience::OneOf(_) | Audience::Any => Ok(None),
        }
    }

    /// What tokens give that do not say it themselves.
    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }
}

/// Whether one of the keys that a token may mean signed it.
fn signed_by_one_of(named: &[&VerifyingKey], token: &Token<'_>) -> Result<(), Refusal> {
    if named.is_empty() {
        return Err(Refusal::Invalid("its issuer has no key of its `kid`"));
    }
    let fitting: Vec<_> = named.iter().filter(|key| key.is_for(token.algorithm)).collect();
    let verifies = |key: &&&VerifyingKey| key.verifies(token.algorithm, token.signed, &token.signature);
    match fitting.len() {
        0 => Err(Refusal::Invalid("its `alg` does not fit its issuer's key")),
        1..=KEYS_TRIED_MAX if fitting.iter().any(verifies) => Ok(()),
        1..=KEYS_TRIED_MAX => Err(Refusal::Invalid("its signature is wrong")),
        _ => Err(Refusal::Invalid("its issuer has several keys, and it does not say with which it is signed (`kid`)")),
    }
}

fn secret_key(secret: &[u8]) -> Result<VerifyingKey, IssuerError> {
    let bytes = secret.len();
    if !(SIGNING_SECRET_BYTES_MIN..=SIGNING_SECRET_BYTES_MAX).contains(&bytes) {
        return Err(IssuerError::Secret(bytes));
    }
    VerifyingKey::secret(secret).ok_or(IssuerError::Secret(bytes))
}

fn check_keys(keys: &[VerifyingKey], more_come: bool, algorithms: &[Algorithm]) -> Result<(), IssuerError> {
    if keys.is_empty() && !more_come {
        return Err(IssuerError::NoKeys);
    }
    if keys.len() > ISSUER_KEYS_MAX {
        return Err(IssuerError::TooManyKeys(keys.len()));
    }
    let unfit = |algorithm: &&Algorithm| !more_come && !keys.iter().any(|key| key.is_for(**algorithm));
    algorithms.iter().find(unfit).map_or(Ok(()), |algorithm| Err(IssuerError::Algorithm(*algorithm)))
}

fn check_templates(templates: &Templates) -> Result<(), IssuerError> {
    let history: &[Template] = templates.history.as_deref().unwrap_or_default();
    let all =
        [(Right::Subscribe, &*templates.subscribe), (Right::Publish, &*templates.publish), (Right::History, history)];
    let too_many = all.into_iter().find(|(_, templates)| templates.len() > GRANT_PATTERNS_MAX);
    too_many.map_or(Ok(()), |(right, templates)| Err(IssuerError::Templates(right, templates.len())))
}
