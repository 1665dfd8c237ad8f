//! Judges what requests show for themselves.

use std::sync::Arc;

use fanfare_protocol::limits::{
    AUTH_LEEWAY_MAX, CLAIM_NAME_BYTES_MAX, COOKIE_NAME_BYTES_MAX, EXPIRED_GRACE_MAX, ISSUERS_MAX, TOKEN_LIFETIME_MAX,
    TOKEN_LIFETIME_MIN,
};
use fanfare_protocol::{ChannelName, Pattern};
use http::HeaderMap;

use crate::certificate_rule::{CertificateRule, CertificateRuleError};
use crate::certified_client::CertifiedClient;
use crate::claimed_channels;
use crate::claims::Claims;
use crate::credential::Credential;
use crate::followed_keys::KeysWanted;
use crate::gate_options::GateOptions;
use crate::grant::Grant;
use crate::issuer::{Issuer, IssuerError};
use crate::key_follower::KeyFollower;
use crate::refusal::Refusal;
use crate::right::Right;
use crate::token::Token;
use crate::unix_seconds::UnixSeconds;

/// Judges tokens, by what is configured and by the keys of their issuers, and certificates, by what is configured. Shared by all threads; none waits for another.
#[derive(Debug)]
pub struct Gate {
    public: Arc<[Pattern]>,
    cookie: Option<Box<str>>,
    claim: Box<str>,
    /// In seconds.
    leeway: u64,
    /// In seconds.
    expired_grace: u64,
    /// In seconds.
    max_token_lifetime: u64,
    issuers: Box<[Issuer]>,
    certificates: Option<CertificateRule>,
    followers: Vec<KeyFollower>,
}

/// What is wrong with the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// One of the issuers.
    #[error("the issuer {}: {error}", .issuer.as_deref().unwrap_or("without a name"))]
    Issuer {
        /// Its name.
        issuer: Option<String>,
        /// What is wrong with it.
        error: IssuerError,
    },
    /// Certificates of clients.
    #[error("certificates of clients: {0}")]
    Certificates(#[from] CertificateRuleError),
    /// Two have one name.
    #[error("two issuers have the name {0:?}")]
    Twice(String),
    /// One has no name, and is not alone.
    #[error("an issuer has no name; expected one where there are several")]
    Nameless,
    /// There are too many.
    #[error("there are {0} issuers; expected at most {ISSUERS_MAX}")]
    TooManyIssuers(usize),
    /// The name of the claim is empty or too long.
    #[error("the claim's name has {0} bytes; expected 1 to {CLAIM_NAME_BYTES_MAX}")]
    Claim(usize),
    /// No cookie has such a name (RFC 6265, section 4.1.1).
    #[error(
        "the cookie's name is not one of 1 to {COOKIE_NAME_BYTES_MAX} letters, digits and characters of !#$%&'*+-.^_`|~"
    )]
    Cookie,
    /// A time is out of bounds.
    #[error("`{0}` is out of bounds")]
    Time(&'static str),
}

/// What a token is worth.
#[derive(Debug)]
pub enum Check {
    /// This.
    Granted(Grant),
    /// Nothing.
    Refused(Refusal),
    /// Nobody can say before its issuer's keys have been read again: wait for [`Gate::look_for_keys`], then ask
    /// [`Gate::check_again`].
    KeysWanted(KeysWanted),
}

/// The keys of an issuer that publishes them, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its name.
    pub issuer: Option<Box<str>>,
    /// Keys that were read last. They are in use for `max_key_age` of the issuer.
    pub keys: usize,
    /// How often they were looked for.
    pub looks: u64,
    /// How often in vain.
    pub failures: u64,
    /// When they were read last.
    pub read_at: Option<UnixSeconds>,
    /// Why the last look was in vain, or what is wrong with the set that it found.
    pub last_error: Option<Box<str>>,
}

impl Gate {
    /// Checks the options and makes the keys ready.
    ///
    /// # Errors
    /// Says what is wrong with the options.
    pub fn new(options: GateOptions) -> Result<Self, GateError> {
        check(&options)?;
        let (mut issuers, mut followers) = (Vec::new(), Vec::new());
        for issuer in options.issuers {
            let name = issuer.issuer.clone();
            let (issuer, follower) = Issuer::new(issuer).map_err(|error| GateError::Issuer { issuer: name, error })?;
            issuers.push(issuer);
            followers.extend(follower);
        }
        Ok(Self {
            public: options.public.into(),
            cookie: options.cookie.map(Box::from),
            claim: options.claim.into(),
            leeway: options.leeway.as_secs(),
            expired_grace: options.expired_grace.as_secs(),
            max_token_lifetime: options.max_token_lifetime.as_secs(),
            issuers: issuers.into(),
            certificates: options.client_certificates.map(CertificateRule::new).transpose()?,
            followers,
        })
    }

    /// What keeps up the keys that issuers publish: each is to be run for as long as the gate is in use. Empty from the second
    /// call on.
    #[must_use]
    pub fn take_key_followers(&mut self) -> Vec<KeyFollower> {
        std::mem::take(&mut self.followers)
    }

    /// Whether anybody's tokens are believed.
    #[must_use]
    pub fn has_issuers(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Whether everybody may do this with all of these channels, of which there is one at least. Then no credential is looked at: a stale
    /// cookie locks nobody out of what is public.
    #[must_use]
    pub fn is_public(&self, right: Right, channels: &[ChannelName]) -> bool {
        let public = |channel: &ChannelName| self.public.iter().any(|pattern| pattern.matches(channel.as_str()));
        right.may_be_public() && !channels.is_empty() && channels.iter().all(public)
    }

    /// The token of a request: `Authorization: Bearer`, else the configured cookie, else `query`, the value of the query
    /// parameter. The first that there is counts.
    ///
    /// # Errors
    /// What stands there is no token.
    pub fn credential(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Option<Credential>, Refusal> {
        Credential::find(headers, self.cookie.as_deref(), query)
    }

    /// What a token is worth at this time.
    ///
    /// Within the leeway a grant may have [ended](Grant::has_expired) already: it is good for what is done at once, not for a stream.
    #[must_use]
    pub fn check(&self, credential: &Credential, now: UnixSeconds) -> Check {
        match self.judge(credential.text(), now) {
            Ok(Judgement::Granted(grant)) => Check::Granted(grant),
            Ok(Judgement::KeysWanted(wanted)) => Check::KeysWanted(wanted),
            Err(refusal) => Check::Refused(refusal),
        }
    }

    /// What a client may do by its certificate at this time.
    ///
    /// # Errors
    /// Nothing, and why. [`Refusal::Missing`] where certificates give nothing to anybody.
    pub fn check_certificate(&self, client: &CertifiedClient, now: UnixSeconds) -> Result<Grant, Refusal> {
        let rule = self.certificates.as_ref().ok_or(Refusal::Missing)?;
        rule.check(client, &self.public, now)
    }

    /// Completes when the keys have been looked for once more, also in vain. It needs a deadline.
    pub fn look_for_keys(&self, wanted: &KeysWanted) -> impl Future<Output = ()> + Send + 'static {
        wanted.look()
    }

    /// What the token is worth after that, or after the deadline.
    ///
    /// # Errors
    /// Nothing; [`Refusal::Unavailable`] where the keys could not be had.
    pub fn check_again(
        &self,
        credential: &Credential,
        now: UnixSeconds,
        wanted: &KeysWanted,
    ) -> Result<Grant, Refusal> {
        match self.judge(credential.text(), now) {
            Ok(Judgement::Granted(grant)) => Ok(grant),
            // While nobody looks again at once, an unknown key is refused with `Unavailable` before it is known that it was looked for.
            Ok(Judgement::KeysWanted(_)) | Err(Refusal::Unavailable) => Err(wanted.in_vain()),
            Err(refusal) => Err(refusal),
        }
    }

    /// How the keys of issuers that publish them are.
    #[must_use]
    pub fn key_status(&self) -> Vec<KeyStatus> {
        let status = |issuer: &Issuer| {
            let followed = issuer.followed.as_ref()?;
            let ((keys, read_at), looks) = (followed.last_read(), followed.looks());
            Some(KeyStatus {
                issuer: issuer.name.as_deref().map(Box::from),
                keys,
                looks: looks.done,
                failures: looks.failed,
                read_at,
                last_error: looks.last_error,
            })
        };
        self.issuers.iter().filter_map(status).collect()
    }

    fn judge(&self, text: &str, now: UnixSeconds) -> Result<Judgement, Refusal> {
        let token = Token::parse(text)?;
        let issuer = self.issuer(&token.claims)?;
        if let Some(wanted) = issuer.vouch(&token, now)? {
            return Ok(Judgement::KeysWanted(wanted));
        }
        let (issued_at, expires_at) = self.times(&token.claims, now)?;
        let rights = claimed_channels::rights(&token.claims, issuer.claim(&self.claim), &issuer.templates)?;
        Ok(Judgement::Granted(Grant {
            issuer: issuer.name.clone(),
            subject: token.claims.subject()?,
            token_id: token.claims.token_id()?,
            issued_at,
            expires_at: Some(expires_at),
            rights: rights.within(issuer.within.clone()).and_public(self.public.clone()),
            stream: None,
        }))
    }

    /// Whom the token names as its issuer. It is not known yet whether that is true.
    fn issuer(&self, claims: &Claims) -> Result<&Issuer, Refusal> {
        let named = claims.issuer()?;
        let is_it = |issuer: &&Issuer| issuer.name.as_deref().is_none_or(|name| Some(name) == named);
        self.issuers.iter().find(is_it).ok_or(Refusal::Invalid("its `iss` is nobody whose tokens are believed here"))
    }

    /// When the token was issued and when it ends, if it is good now.
    fn times(&self, claims: &Claims, now: UnixSeconds) -> Result<(Option<UnixSeconds>, UnixSeconds), Refusal> {
        let soon = UnixSeconds(now.0.saturating_add(self.leeway));
        let issued_at = claims.issued_at()?;
        if issued_at.is_some_and(|issued| issued > soon) {
            return Err(Refusal::Invalid("its `iat` is in the future"));
        }
        if claims.not_before()?.is_some_and(|begin| begin > soon) {
            return Err(Refusal::Invalid("it is not valid yet (`nbf`)"));
        }
        let expires_at = claims.expires_at()?.ok_or(Refusal::Invalid("it has no end (`exp`)"))?;
        if expires_at.since(issued_at.unwrap_or(now)).as_secs() > self.max_token_lifetime {
            return Err(Refusal::Invalid("it lives longer than `auth.max_token_lifetime`"));
        }
        if now.0 < expires_at.0.saturating_add(self.leeway) {
            return Ok((issued_at, expires_at));
        }
        let is_lately = now.0 < expires_at.0.saturating_add(self.expired_grace);
        Err(if is_lately { Refusal::Expired } else { Refusal::Invalid("it expired (`exp`)") })
    }
}

/// What a look at a token ends in.
enum Judgement {
    Granted(Grant),
    KeysWanted(KeysWanted),
}

fn check(options: &GateOptions) -> Result<(), GateError> {
    let names: Vec<Option<&str>> = options.issuers.iter().map(|issuer| issuer.issuer.as_deref()).collect();
    if names.len() > ISSUERS_MAX {
        return Err(GateError::TooManyIssuers(names.len()));
    }
    if names.len() > 1 && names.contains(&None) {
        return Err(GateError::Nameless);
    }
    if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(*name)?) {
        return Err(GateError::Twice(twice.to_owned()));
    }
    if !(1..=CLAIM_NAME_BYTES_MAX).contains(&options.claim.len()) {
        return Err(GateError::Claim(options.claim.len()));
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if options
        .cookie
        .as_ref()
        .is_some_and(|name| !(1..=COOKIE_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_token))
    {
        return Err(GateError::Cookie);
    }
    if options.leeway > AUTH_LEEWAY_MAX {
        return Err(GateError::Time("auth.leeway"));
    }
    if options.expired_grace > EXPIRED_GRACE_MAX {
        return Err(GateError::Time("auth.expired_grace"));
    }
    if !(TOKEN_LIFETIME_MIN..=TOKEN_LIFETIME_MAX).contains(&options.max_token_lifetime) {
        return Err(GateError::Time("auth.max_token_lifetime"));
    }
    Ok(())
}
