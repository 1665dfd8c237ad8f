//! The gate of a node: who may do what, by its configuration and the files that this names.

use std::future::pending;
use std::sync::Arc;

use anyhow::Context as _;
use fanfare_auth::{Audience, CertificateOptions, Gate, GateOptions, IssuerOptions, KeySource, Template, Templates};
use fanfare_log::Hub;
use fanfare_server::{Clock, Gatekeeper, KnownRevocations, Options};

use super::outside::Outside;
use super::store::StoreReport;
use crate::config::{CertificateGrants, Config, IssuerRule};
use crate::key_file;
use crate::revocation::longest_grant;

/// What judges the requests of a node. By default nothing does.
#[derive(Default)]
pub(super) struct Guard {
    pub(super) gate: Option<Arc<Gate>>,
    pub(super) outside: Outside,
}

/// Lets a server ask for tokens, or the application, if the configuration says so, and follow what is revoked. `hub`: of the node's logs.
///
/// # Errors
/// As [`gate`] and [`Outside::start`].
pub(super) fn install(config: &Config, options: &mut Options, hub: &Arc<Hub>) -> anyhow::Result<Guard> {
    let Some(mut gate) = gate(config)? else { return Ok(Guard::default()) };
    let followers = gate.take_key_followers();
    let gate = Arc::new(gate);
    let outside = Outside::start(config, &gate, followers)?;
    let (clock, leeway, longest) = (Clock::system(), config.auth.leeway.0, longest_grant(config));
    let revocations = Arc::new(KnownRevocations::new(Arc::clone(hub), clock.clone(), longest, leeway));
    let (parameter, cors) = (config.auth.query_parameter.0.as_deref(), options.cors.clone());
    let keeper = Gatekeeper::new(Arc::clone(&gate), parameter, cors, clock, leeway)
        .with_revocations(Arc::clone(&revocations))
        .with_forward(outside.forward.clone());
    options.authorizer = Some(Arc::new(keeper));
    options.revocations = Some(revocations);
    Ok(Guard { gate: Some(gate), outside })
}

/// Tells those who judge grants whether the store may evict what was revoked: until that is known none is good. Ends when it is dropped.
pub(super) async fn watch_store(
    revocations: Option<Arc<KnownRevocations>>,
    report: Arc<dyn Fn() -> StoreReport + Send + Sync>,
) {
    let Some(revocations) = revocations else { return pending().await };
    revocations.watch_store(|| report().evicts_any).await;
}

/// `None`: no token is asked for.
///
/// # Errors
/// A file cannot be read, a key is none, or the issuers do not fit together.
fn gate(config: &Config) -> anyhow::Result<Option<Gate>> {
    let auth = &config.auth;
    if !auth.enabled {
        return Ok(None);
    }
    for warning in config.listeners().iter().filter_map(|listener| config.idle_certificates(listener)) {
        tracing::warn!("{warning}");
    }
    let options = GateOptions {
        public: auth.public.clone(),
        cookie: auth.cookie.0.clone(),
        claim: auth.claim.0.clone(),
        leeway: auth.leeway.0,
        expired_grace: auth.expired_grace.0,
        max_token_lifetime: auth.max_token_lifetime.0,
        issuers: config.issuers.iter().map(issuer).collect::<Result<_, _>>()?,
        client_certificates: config.certificates_count().then(|| certificates(config)),
    };
    Ok(Some(Gate::new(options).context("[auth] cannot work")?))
}

/// What certificates of clients give.
fn certificates(config: &Config) -> CertificateOptions {
    let CertificateGrants { subscribe, publish, history, max_lifetime, .. } = config.client_certificates.clone();
    let history = history.0.map(|history| history.0);
    let templates = Templates { subscribe: subscribe.0, publish: publish.0, history, ..Templates::default() };
    CertificateOptions { templates, max_lifetime: max_lifetime.0 }
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
