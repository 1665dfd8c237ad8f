//! The gate of a node: who may do what, by its configuration and the files that this names.

use anyhow::Context as _;
use fanfare_auth::{Audience, Gate, GateOptions, IssuerOptions, KeySource, Template, Templates};

use crate::config::{Config, IssuerRule};
use crate::key_file;

/// `None`: no token is asked for.
///
/// # Errors
/// A file cannot be read, a key is none, or the issuers do not fit together.
pub(super) fn gate(config: &Config) -> anyhow::Result<Option<Gate>> {
    let auth = &config.auth;
    if !auth.enabled {
        return Ok(None);
    }
    let options = GateOptions {
        public: auth.public.clone(),
        cookie: auth.cookie.0.clone(),
        claim: auth.claim.0.clone(),
        leeway: auth.leeway.0,
        expired_grace: auth.expired_grace.0,
        max_token_lifetime: auth.max_token_lifetime.0,
        issuers: config.issuers.iter().map(issuer).collect::<Result<_, _>>()?,
    };
    Ok(Some(Gate::new(options).context("[auth] cannot work")?))
}

fn issuer(rule: &IssuerRule) -> anyhow::Result<IssuerOptions> {
    let mut keys = Vec::new();
    keys.extend(rule.secret.expose().map(|secret| KeySource::Secret(secret.as_bytes().to_vec())));
    if let Some(path) = &rule.secret_file {
        if let Some(complaint) = key_file::complaint(path) {
            tracing::warn!("{complaint}");
        }
        keys.push(KeySource::Secret(key_file::secret(key_file::read(path)?)));
    }
    for path in &rule.public_key_files {
        keys.push(KeySource::Pem(key_file::text(key_file::read(path)?, path)?));
    }
    if let Some(path) = &rule.jwks_file {
        keys.push(KeySource::KeySet(key_file::read(path)?));
    }
    keys.extend(rule.jwks_url.0.clone().map(KeySource::Url));
    let usual = IssuerOptions::default();
    let templates = |texts: &[String]| texts.iter().map(|text| Template::parse(text)).collect::<Result<_, _>>();
    Ok(IssuerOptions {
        issuer: rule.issuer.clone(),
        audience: if rule.any_audience { Audience::Any } else { Audience::OneOf(rule.audience.clone()) },
        algorithms: rule.algorithms.clone(),
        keys,
        templates: Templates {
            subscribe: templates(&rule.subscribe)?,
            publish: templates(&rule.publish)?,
            history: rule.history.as_deref().map(templates).transpose()?,
            tickets: templates(&rule.tickets)?,
        },
        claim: rule.claim.clone(),
        within: rule.within.clone(),
        max_key_age: rule.max_key_age.map_or(usual.max_key_age, |age| age.0),
    })
}
