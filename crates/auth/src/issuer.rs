//! Somebody who signs tokens: with what, for whom, and for which channels.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{
    AUDIENCES_MAX, CLAIM_NAME_BYTES_MAX, GRANT_PATTERNS_MAX, ISSUER_BYTES_MAX, ISSUER_KEYS_MAX, KEY_SET_AGE_MAX,
    KEY_SET_AGE_MIN, KEYS_TRIED_MAX, SIGNING_SECRET_BYTES_MAX, SIGNING_SECRET_BYTES_MIN,
};

use crate::algorithm::Algorithm;
use crate::certificate_rule::CERTIFICATE_ISSUER;
use crate::followed_keys::{FollowedKeys, KeysWanted};
use crate::forward::FORWARD_ISSUER;
use crate::gate_options::{Audience, IssuerOptions, KeySource, Templates};
use crate::key_follower::KeyFollower;
use crate::key_set::{self, KeySetError, Publicity};
use crate::pem::{self, PemError};
use crate::refusal::Refusal;
use crate::right::Right;
use crate::ticket::TICKET_ISSUER;
use crate::token::Token;
use crate::unix_seconds::UnixSeconds;
use crate::verifying_key::{SecretError, VerifyingKey};

/// The issuers of grants that are no token's: subjects are told apart by these names, and no configured issuer has one of them.
pub const RESERVED_ISSUERS: [&str; 3] = [FORWARD_ISSUER, TICKET_ISSUER, CERTIFICATE_ISSUER];

const UNFIT: Refusal = Refusal::Invalid("its `alg` does not fit its issuer's key");

/// An issuer, ready to judge tokens.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// `None`: any.
    pub(crate) name: Option<Arc<str>>,
    audience: Audience,
    /// Empty: any.
    algorithms: Box<[Algorithm]>,
    keys: Box<[VerifyingKey]>,
    pub(crate) followed: Option<Arc<FollowedKeys>>,
    pub(crate) templates: Templates,
    claim: Option<Box<str>>,
    /// What its tokens give at most. `None`: whatever they say.
    pub(crate) within: Option<Arc<[Pattern]>>,
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
    /// A shared secret is the text of a key.
    #[error(
        "its secret is the text of a key, which others may know; expected bytes by chance (`openssl rand -base64 48`)"
    )]
    KeyText,
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
    /// Its name is that of grants which are no token's.
    #[error("it is called {0}, as the node calls what it grants itself")]
    Reserved(String),
    /// It says for whom its tokens are, and names nobody, or too many.
    #[error("it names {0} audiences; expected 1 to {AUDIENCES_MAX}")]
    Audiences(usize),
    /// It gives too much.
    #[error("it has {1} patterns to {right}; expected at most {GRANT_PATTERNS_MAX}", right = .0.as_str())]
    Templates(Right, usize),
    /// The name of its claim is empty or too long.
    #[error("its claim's name has {0} bytes; expected 1 to {CLAIM_NAME_BYTES_MAX}")]
    Claim(usize),
    /// What its tokens give at most is nothing, or too much to compare with.
    #[error("its tokens stay `within` {0} patterns; expected 1 to {GRANT_PATTERNS_MAX}")]
    Within(usize),
    /// Its published keys are believed for too short or too long a time.
    #[error("`max_key_age` is out of bounds")]
    KeyAge,
}

impl Issuer {
    /// Checks the options. What keeps published keys up comes with it.
    pub(crate) fn new(options: IssuerOptions) -> Result<(Self, Option<KeyFollower>), IssuerError> {
        check(&options)?;
        if let Some((right, patterns)) = options.templates.too_many() {
            return Err(IssuerError::Templates(right, patterns));
        }
        let (keys, follower) = read_keys(options.keys, options.max_key_age)?;
        check_keys(&keys, follower.is_some(), &options.algorithms)?;
        let issuer = Self {
            name: options.issuer.map(Arc::from),
            audience: options.audience,
            algorithms: options.algorithms.into(),
            keys: keys.into(),
            followed: follower.as_ref().map(KeyFollower::keys),
            templates: options.templates,
            claim: options.claim.map(Box::from),
            within: options.within.map(Arc::from),
        };
        Ok((issuer, follower))
    }

    /// Whether one of the issuer's keys signed the token, for somebody like this node. `Ok(Some)`: nobody knows the key yet.
    pub(crate) fn vouch(&self, token: &Token<'_>, now: UnixSeconds) -> Result<Option<KeysWanted>, Refusal> {
        if !self.algorithms.is_empty() && !self.algorithms.contains(&token.algorithm) {
            return Err(Refusal::Invalid("its `alg` is none of those that its issuer uses"));
        }
        // Nobody publishes a secret, so no look brings one.
        if token.algorithm.is_of_secrets() && !self.keys.iter().any(|key| key.is_for(token.algorithm)) {
            return Err(UNFIT);
        }
        let published = self.followed.as_ref().map(|followed| followed.keys(now));
        let published = published.as_deref().unwrap_or_default();
        let is_named = |key: &&VerifyingKey| key.is_named(token.key_id.as_deref());
        let named: Vec<&VerifyingKey> = self.keys.iter().chain(published).filter(is_named).collect();
        if let Err(refusal) = signed_by_one_of(&named, token) {
            // A key without a name may have been replaced by another without one.
            let is_known = published.iter().any(|key| key.has_name() && is_named(&key));
            return match &self.followed {
                Some(followed) if !is_known && !token.algorithm.is_of_secrets() => {
                    followed.unknown_key(token.claims.issued_at()?, refusal).map(Some)
                }
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

    /// The claim in which its tokens say what they give, if they may: those of an issuer without patterns of its own may, in the claim
    /// of this name, and others where the issuer has a name for it.
    pub(crate) fn claim<'a>(&'a self, usual: &'a str) -> Option<&'a str> {
        self.claim.as_deref().or_else(|| self.templates.are_none().then_some(usual))
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
        0 => Err(UNFIT),
        1..=KEYS_TRIED_MAX if fitting.iter().any(verifies) => Ok(()),
        1..=KEYS_TRIED_MAX => Err(Refusal::Invalid("its signature is wrong")),
        _ => Err(Refusal::Invalid("its issuer has several keys, and it does not say with which it is signed (`kid`)")),
    }
}

/// The keys of these sources, and what keeps those up that are published.
fn read_keys(
    sources: Vec<KeySource>,
    max_age: Duration,
) -> Result<(Vec<VerifyingKey>, Option<KeyFollower>), IssuerError> {
    let (mut keys, mut follower) = (Vec::new(), None);
    for source in sources {
        match source {
            KeySource::Secret(secret) => keys.push(secret_key(&secret)?),
            KeySource::Pem(text) => {
                for key in pem::public_keys(&text)? {
                    keys.push(VerifyingKey::public(&key).ok_or(PemError::Broken)?);
                }
            }
            KeySource::KeySet(text) => match key_set::parse(&text, Publicity::Private)?.keys {
                none if none.is_empty() => return Err(KeySetError::NoKeys.into()),
                some => keys.extend(some),
            },
            KeySource::Url(_) if follower.is_some() => return Err(IssuerError::SeveralUrls),
            KeySource::Url(url) => follower = Some(KeyFollower::new(url, FollowedKeys::new(max_age))),
        }
    }
    Ok((keys, follower))
}

fn secret_key(secret: &[u8]) -> Result<VerifyingKey, IssuerError> {
    VerifyingKey::secret(secret).map_err(|error| match error {
        SecretError::Length(bytes) => IssuerError::Secret(bytes),
        SecretError::KeyText => IssuerError::KeyText,
    })
}

fn check(options: &IssuerOptions) -> Result<(), IssuerError> {
    if let Some(name) = options.issuer.as_ref().filter(|name| !(1..=ISSUER_BYTES_MAX).contains(&name.len())) {
        return Err(IssuerError::Name(name.len()));
    }
    if let Some(name) = options.issuer.as_deref().filter(|name| RESERVED_ISSUERS.contains(name)) {
        return Err(IssuerError::Reserved(name.to_owned()));
    }
    if let Audience::OneOf(names) = &options.audience
        && !(1..=AUDIENCES_MAX).contains(&names.len())
    {
        return Err(IssuerError::Audiences(names.len()));
    }
    if let Some(name) = options.claim.as_ref().filter(|name| !(1..=CLAIM_NAME_BYTES_MAX).contains(&name.len())) {
        return Err(IssuerError::Claim(name.len()));
    }
    if let Some(within) = options.within.as_ref().filter(|within| !(1..=GRANT_PATTERNS_MAX).contains(&within.len())) {
        return Err(IssuerError::Within(within.len()));
    }
    if !(KEY_SET_AGE_MIN..=KEY_SET_AGE_MAX).contains(&options.max_key_age) {
        return Err(IssuerError::KeyAge);
    }
    Ok(())
}

fn check_keys(keys: &[VerifyingKey], more_come: bool, algorithms: &[Algorithm]) -> Result<(), IssuerError> {
    if keys.is_empty() && !more_come {
        return Err(IssuerError::NoKeys);
    }
    if keys.len() > ISSUER_KEYS_MAX {
        return Err(IssuerError::TooManyKeys(keys.len()));
    }
    // Secrets never come from a published set.
    let may_come = |algorithm: Algorithm| more_come && !algorithm.is_of_secrets();
    let unfit = |algorithm: &&Algorithm| !may_come(**algorithm) && !keys.iter().any(|key| key.is_for(**algorithm));
    algorithms.iter().find(unfit).map_or(Ok(()), |algorithm| Err(IssuerError::Algorithm(*algorithm)))
}
