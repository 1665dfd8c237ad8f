//! Relations between values that are each good by themselves.
//!
//! `limits` asserts them of the defaults; here they are asked of what is configured, as far as somebody is hurt where they
//! do not hold. Not asked, because the node copes: pages, and `last=N`, larger than a channel's tail (they are read past it);
//! a budget, an allowance or a pool that leaves little for pages (they wait); bounds that another bound comes before (`admission.per_address`,
//! `max_silent` against `max_connections`); proofs that take longer than the pause between them; a drain that is over before
//! its slowest client; `channel.linger` shorter than a reconnect (the channel opens anew).

use std::time::Duration;

use fanfare_auth::SafeUrl;
use fanfare_protocol::limits;
use fanfare_server::ListenAddress;

use super::choice::ProxyProtocol;
use super::error::{Place, Problem};
use super::keys::Config;
use super::layered::{Layered, table_path};
use super::listener_rule::{ListenerRule, SECTION};
use super::names::ServiceUrl;
use super::value::{Size, Span};

/// What is left for the last sessions, and for what stands behind them, when the drain's window has passed.
const AFTER_WINDOW: Duration = limits::DRAIN_DEADLINE_DEFAULT.saturating_sub(limits::DRAIN_WINDOW_DEFAULT);

/// Fits defaults to values that were set, so that setting one key of a pair is enough. Explicit values are never touched.
pub(super) fn follow(layered: &mut Layered) {
    follow_drain_and_tail(layered);
    follow_requests(layered);
    follow_redis(layered);
}

fn follow_requests(layered: &mut Layered) {
    let limits = &mut layered.config.limits;
    let (channels, node) = (limits.channels_per_connection, limits.channels_per_node);
    if layered.place("limits.channels_per_connection") == Place::Default && node < channels {
        layered.config.limits.channels_per_connection = node;
        layered.followed("limits.channels_per_connection", "limits.channels_per_node");
    }
    let least = header_bytes_min(&layered.config);
    if layered.place("limits.header_bytes") == Place::Default && layered.config.limits.header_bytes < least {
        layered.config.limits.header_bytes = least;
        let is_set = layered.place("limits.url_bytes") != Place::Default;
        let other = if is_set { "limits.url_bytes" } else { "limits.channels_per_connection" };
        layered.followed("limits.header_bytes", other);
    }
    let configured = &layered.config.limits;
    let rest = limits::header_bytes_min(0, configured.channels_per_connection) as u64 + token_bytes(&layered.config);
    let room = Size(configured.header_bytes.0.saturating_sub(rest));
    if layered.place("limits.url_bytes") == Place::Default
        && Size(limits::URL_BYTES_MIN as u64) <= room
        && room < configured.url_bytes
    {
        layered.config.limits.url_bytes = room;
        layered.followed("limits.url_bytes", "limits.header_bytes");
    }
}

fn header_bytes_min(config: &Config) -> Size {
    let Config { limits: configured, .. } = config;
    let least = limits::header_bytes_min(configured.url_bytes.bytes(), configured.channels_per_connection) as u64;
    Size(least + token_bytes(config))
}

/// What a token adds to a request's head.
fn token_bytes(config: &Config) -> u64 {
    if config.auth.enabled { limits::TOKEN_BYTES_MAX as u64 } else { 0 }
}

fn follow_redis(layered: &mut Layered) {
    let age = Span(probes_of_a_failure(&layered.config));
    if layered.place("admin.ready_probe_age") == Place::Default && layered.config.admin.ready_probe_age < age {
        layered.config.admin.ready_probe_age = age;
        let is_set = layered.place("redis.probe_interval") != Place::Default;
        layered.followed("admin.ready_probe_age", if is_set { "redis.probe_interval" } else { "redis.probe_timeout" });
    }
}

/// From one proof of the Pub/Sub path to the next, if the one between them fails.
fn probes_of_a_failure(config: &Config) -> Duration {
    config.redis.probe_interval.0 * 2 + config.redis.probe_timeout.0
}

fn follow_drain_and_tail(layered: &mut Layered) {
    let deadline = Span(layered.config.drain.window.0.saturating_add(AFTER_WINDOW));
    if layered.place("drain.deadline") == Place::Default && layered.config.drain.deadline < deadline {
        layered.config.drain.deadline = deadline;
        layered.followed("drain.deadline", "drain.window");
    }
    if layered.place("tail.channel_bytes") == Place::Default
        && layered.config.tail.budget < layered.config.tail.channel_bytes
    {
        layered.config.tail.channel_bytes = layered.config.tail.budget;
        layered.followed("tail.channel_bytes", "tail.budget");
    }
}

/// Adds a problem for every relation that does not hold, at the place of the key that is easiest to change.
pub(super) fn relations(layered: &Layered, problems: &mut Vec<Problem>) {
    of_each_listener(layered, problems);
    let mut require = |holds: bool, (path, other): (&str, &str), message: &str| {
        if !holds {
            let own = layered.place(path);
            // The default is not the user's mistake: point at the value that was set.
            let is_set = |place: &Place| !matches!(place, Place::Default | Place::Follows(_));
            let place = if is_set(&own) { own } else { layered.place(other) };
            problems.push(Problem { place, message: format!("`{path}`: {message}") });
        }
    };
    of_listeners(&layered.config, &mut require);
    of_tls(&layered.config, &mut require);
    of_tokens(&layered.config, &mut require);
    of_client_certificates(&layered.config, &mut require);
    of_forward_auth(&layered.config, &mut require);
    of_requests(&layered.config, &mut require);
    of_delivery(layered, &mut require);
    of_redis(&layered.config, &mut require);
    of_memory_and_drain(&layered.config, &mut require);
}

/// Takes whether a relation holds, the key to change and the other one, and what is said if it does not.
type Require<'a> = dyn FnMut(bool, (&str, &str), &str) + 'a;

fn of_memory_and_drain(config: &Config, require: &mut Require<'_>) {
    require(
        config.drain.window <= config.drain.deadline,
        ("drain.window", "drain.deadline"),
        "must not be longer than drain.deadline, or the last sessions would be cut off",
    );
    require(
        config.tail.channel_bytes <= config.tail.budget,
        ("tail.channel_bytes", "tail.budget"),
        "must not be larger than tail.budget, which all channels share",
    );
    require(
        config.limits.event_bytes <= config.tail.channel_bytes,
        ("limits.event_bytes", "tail.channel_bytes"),
        "must not be larger than tail.channel_bytes, or the largest event could not be held",
    );
}

fn of_redis(config: &Config, require: &mut Require<'_>) {
    require(
        config.redis.probe_interval.0 + config.redis.probe_timeout.0 <= config.admin.ready_probe_age.0,
        ("admin.ready_probe_age", "redis.probe_interval"),
        "must be at least redis.probe_interval and redis.probe_timeout together, or a healthy node would not be ready",
    );
}

fn of_delivery(layered: &Layered, require: &mut Require<'_>) {
    let Config { delivery, server, .. } = &layered.config;
    require(
        delivery.heartbeat.0 * 2 < server.tcp_user_timeout.0,
        ("server.tcp_user_timeout", "delivery.heartbeat"),
        "must be longer than two of delivery.heartbeat, or a quiet connection could not prove itself in time",
    );
    let least = limits::STALLED_MIN.max(delivery.heartbeat.0 * 2);
    require(
        delivery.stalled.0.is_none_or(|stalled| stalled.0 >= least),
        ("delivery.stalled", "delivery.heartbeat"),
        "must be at least 30s and two of delivery.heartbeat, or \"off\": a client is asked once per heartbeat, and one whose \
         answer was lost must have time to give another",
    );
    require(
        Duration::from_millis(delivery.coalesce_ms) < delivery.heartbeat.0,
        ("delivery.coalesce_ms", "delivery.heartbeat"),
        "must be shorter than delivery.heartbeat",
    );
}

fn of_requests(config: &Config, require: &mut Require<'_>) {
    let Config { limits: configured, .. } = config;
    let least = header_bytes_min(config);
    require(
        least <= configured.header_bytes,
        ("limits.header_bytes", "limits.url_bytes"),
        &format!(
            "must be at least {} bytes: a URL of limits.url_bytes, a position of limits.channels_per_connection ({}){} and \
             {} bytes of other fields, or clients could not come back with their position",
            least.0,
            configured.channels_per_connection,
            if config.auth.enabled { ", a token" } else { "" },
            limits::HEAD_FIELDS_BYTES
        ),
    );
    require(
        configured.channels_per_connection <= configured.channels_per_node,
        ("limits.channels_per_connection", "limits.channels_per_node"),
        "must not be more than limits.channels_per_node, or streams would be refused for ever that may be asked for",
    );
}

fn of_tokens(config: &Config, require: &mut Require<'_>) {
    let Config { auth, forward_auth, publish, server, .. } = config;
    require(
        auth.enabled || config.issuers.is_empty(),
        ("auth.issuers", "auth.enabled"),
        "needs auth.enabled = true, or its tokens would be asked for by nobody and every channel be open",
    );
    require(
        auth.enabled || auth.public.is_empty(),
        ("auth.public", "auth.enabled"),
        "needs auth.enabled = true: without it every channel is public",
    );
    require(
        auth.enabled || auth.cookie.0.is_none(),
        ("auth.cookie", "auth.enabled"),
        "needs auth.enabled = true, or no cookie would be looked at",
    );
    require(
        auth.enabled || auth.query_parameter.0.is_none(),
        ("auth.query_parameter", "auth.enabled"),
        "needs auth.enabled = true, or no parameter would be looked at",
    );
    require(
        auth.enabled || !publish.tokens,
        ("publish.tokens", "auth.enabled"),
        "needs auth.enabled = true, or no token would be looked at",
    );
    require(
        !auth.enabled
            || !config.issuers.is_empty()
            || !auth.public.is_empty()
            || forward_auth.url.0.is_some()
            || auth.tickets
            || config.certificates_count(),
        ("auth.enabled", "auth.enabled"),
        "needs a table [[auth.issuers]], forward_auth.url, auth.tickets, auth.client_certificates, or channels in auth.public: nobody could \
         do anything",
    );
    require(
        auth.enabled || !auth.tickets,
        ("auth.tickets", "auth.enabled"),
        "needs auth.enabled = true, or nobody would need a ticket",
    );
    require(
        !auth.tickets || publish.key.expose().is_some() || !config.issuers.is_empty(),
        ("auth.tickets", "publish.key"),
        "needs publish.key or a table [[auth.issuers]], or nobody could make a ticket",
    );
    let asks = forward_auth.url.0.is_some() || config.issuers.iter().any(|issuer| issuer.jwks_url.0.is_some());
    require(
        auth.ca_file.0.is_none() || asks,
        ("auth.ca_file", "auth.issuers"),
        "needs an issuer with a jwks_url, or forward_auth.url, or no certificate would be looked at",
    );
    let leaves = |url: &ServiceUrl| url.0.as_ref().is_some_and(SafeUrl::is_plain_beyond_this_machine);
    require(
        auth.private_http || !config.issuers.iter().any(|issuer| leaves(&issuer.jwks_url)),
        ("auth.issuers", "auth.private_http"),
        "a jwks_url of http on another machine: who can change what is said on the way signs tokens as he likes. Use https; or, if the way \
         lies in a private network whose machines you all trust, set auth.private_http = true",
    );
    require(
        auth.private_http || !leaves(&forward_auth.url),
        ("forward_auth.url", "auth.private_http"),
        "http to another machine: cookies of users could be read on the way, and who can change what is said there lets in whom he likes. Use \
         https; or, if the way lies in a private network whose machines you all trust, set auth.private_http = true",
    );
    require(
        !auth.private_http || leaves(&forward_auth.url) || config.issuers.iter().any(|issuer| leaves(&issuer.jwks_url)),
        ("auth.private_http", "forward_auth.url"),
        "needs a forward_auth.url or jwks_url of http on another machine, or it would allow nothing",
    );
    let anybodys = |origin: &str| server.cors_origins.iter().any(|listed| listed.0 == origin);
    require(
        auth.cookie.0.is_none() || !(anybodys("*") || anybodys("null")),
        ("server.cors_origins", "auth.cookie"),
        "must name each origin while auth.cookie is set: \"*\" and \"null\" are the pages of anybody, who could read what the cookie \
         of your user allows",
    );
}

fn of_client_certificates(config: &Config, require: &mut Require<'_>) {
    let Config { auth, client_certificates: grants, server, .. } = config;
    let (is_on, listeners) = (config.certificates_count(), config.listeners());
    let are_asked = listeners.iter().any(|listener| listener.client_ca.0.is_some());
    require(
        auth.enabled || !is_on,
        ("auth.client_certificates.subject", "auth.enabled"),
        "needs auth.enabled = true, or every channel would be open to who has no certificate, too",
    );
    require(
        !is_on || are_asked,
        ("auth.client_certificates.subject", SECTION),
        "needs a table [[server.listen]] with client_ca, or nobody would be asked for a certificate",
    );
    require(
        !is_on || !are_asked || listeners.iter().any(|listener| config.certificates_reach(listener)),
        ("auth.client_certificates.subject", SECTION),
        "needs a table [[server.listen]] with client_ca and without proxy_protocol, or with tls_passthrough = true where its proxy passes \
         TLS on as it comes: a certificate behind a PROXY header may be the proxy's own, and gives nothing",
    );
    require(
        !listeners.iter().any(|listener| listener.tls_passthrough && !config.begins_with_header(listener)),
        (SECTION, "server.proxy_protocol"),
        "must not have tls_passthrough without proxy_protocol, which says of a proxy that introduces its clients that it passes their TLS on",
    );
    let history = grants.history.0.as_ref().is_some_and(|history| !history.0.is_empty());
    let gives = !grants.subscribe.0.is_empty() || !grants.publish.0.is_empty() || history;
    require(
        gives || !is_on,
        ("auth.client_certificates.subject", "auth.client_certificates.subject"),
        "needs auth.client_certificates.subscribe, publish or history, or no certificate would give anything",
    );
    for (key, is_set) in [
        ("auth.client_certificates.subscribe", !grants.subscribe.0.is_empty()),
        ("auth.client_certificates.publish", !grants.publish.0.is_empty()),
        ("auth.client_certificates.history", grants.history.0.is_some()),
    ] {
        require(
            is_on || !is_set,
            (key, "auth.client_certificates.subject"),
            "needs auth.client_certificates.subject (cn, san_dns, san_uri or san_email), or no certificate would be read",
        );
    }
    let anybodys = |origin: &str| server.cors_origins.iter().any(|listed| listed.0 == origin);
    require(
        !is_on || !(anybodys("*") || anybodys("null")),
        ("server.cors_origins", "auth.client_certificates.subject"),
        "must name each origin while auth.client_certificates gives grants: \"*\" and \"null\" are the pages of anybody, who could read \
         what the certificate in your user's browser allows",
    );
}

fn of_forward_auth(config: &Config, require: &mut Require<'_>) {
    let Config { auth, forward_auth, server, .. } = config;
    require(
        auth.enabled || forward_auth.url.0.is_none(),
        ("forward_auth.url", "auth.enabled"),
        "needs auth.enabled = true, or nobody would be asked and every channel be open",
    );
    require(
        forward_auth.lifetime <= forward_auth.max_lifetime,
        ("forward_auth.lifetime", "forward_auth.max_lifetime"),
        "must not be longer than forward_auth.max_lifetime",
    );
    let anybodys = |origin: &str| server.cors_origins.iter().any(|listed| listed.0 == origin);
    require(
        !config.forwards_cookies() || !(anybodys("*") || anybodys("null")),
        ("server.cors_origins", "forward_auth.headers"),
        "must name each origin while cookies are sent to forward_auth.url: \"*\" and \"null\" are the pages of anybody, who could read \
         what the cookie of your user allows",
    );
}

impl Config {
    /// Whether certificates of clients give them grants.
    pub(crate) fn certificates_count(&self) -> bool {
        self.client_certificates.subject.0.is_some()
    }

    /// Whether browsers bring by themselves what counts here, whatever page makes a request: cookies, or a certificate.
    pub(crate) fn believes_browsers(&self) -> bool {
        self.auth.cookie.0.is_some() || self.forwards_cookies() || self.certificates_count()
    }

    /// Whether the cookies of clients count for the application.
    pub(crate) fn forwards_cookies(&self) -> bool {
        self.forward_auth.url.0.is_some() && self.forward_auth.headers.0.contains(&http::header::COOKIE)
    }
}

fn of_listeners(config: &Config, require: &mut Require<'_>) {
    require(
        config.server.proxy_protocol == ProxyProtocol::Off
            || !config.server.trusted_proxies.is_empty()
            || !config.listeners.is_empty(),
        ("server.proxy_protocol", "server.trusted_proxies"),
        "needs server.trusted_proxies, or every connection would be closed",
    );
    require(
        config.server.cors_origins.len() < 2 || !config.server.cors_origins.iter().any(|origin| origin.0 == "*"),
        ("server.cors_origins", "server.cors_origins"),
        "\"*\" admits every origin; it stands alone",
    );
}

/// Of what listeners show their clients.
fn of_tls(config: &Config, require: &mut Require<'_>) {
    let Config { server, .. } = config;
    let listeners = config.listeners();
    require(
        server.key.0.is_none() || server.certificate.0.is_some(),
        ("server.key", "server.certificate"),
        "needs server.certificate, or nothing would be encrypted",
    );
    require(
        server.certificate.0.is_none() || config.listeners.is_empty(),
        ("server.certificate", SECTION),
        "is for the key server.listen, which the tables [[server.listen]] replace: name the certificate in each table that speaks TLS",
    );
    require(
        server.hsts.0.is_none() || listeners.iter().any(|listener| !listener.certificates.is_empty()),
        ("server.hsts", "server.certificate"),
        "needs a listener with a certificate: it is never said over a plain connection. Where a proxy speaks TLS, the proxy says it",
    );
}

/// Of each listener, where it stands.
fn of_each_listener(layered: &Layered, problems: &mut Vec<Problem>) {
    let Layered { config, .. } = layered;
    let (listeners, is_table) = (config.listeners(), !config.listeners.is_empty());
    let admin = ListenAddress::Tcp(config.admin.listen);
    for (index, listener) in listeners.iter().enumerate() {
        let ListenerRule { address, .. } = listener;
        let own = layered.place(&if is_table { table_path(SECTION, index) } else { SECTION.to_owned() });
        let mut say = |message: String| {
            problems.push(Problem { place: own.clone(), message: format!("`{SECTION}`: {message}") });
        };
        if let Some(other) = listeners[..index].iter().find(|other| other.address.overlaps(address)) {
            say(if other.address == *address {
                format!("{address} stands there twice")
            } else {
                format!("{address} and {} are the same port", other.address)
            });
        }
        let has_proxies =
            if address.tcp().is_some() { !config.server.trusted_proxies.is_empty() } else { listener.trusted };
        if is_table && config.begins_with_header(listener) && !has_proxies {
            let needed = if address.tcp().is_some() { "server.trusted_proxies" } else { "`trusted = true`" };
            say(format!("{address} with the PROXY protocol needs {needed}, or every connection would be closed"));
        }
        if index + 1 == listeners.len() && listeners.iter().all(|listener| listener.redirect.is_some()) {
            say("every listener redirects, and none serves".to_owned());
        }
        if admin.overlaps(address) {
            // The default is not the user's mistake.
            let place = Some(layered.place("admin.listen")).filter(|place| *place != Place::Default).unwrap_or(own);
            problems.push(Problem { place, message: "`admin.listen`: must differ from server.listen".to_owned() });
        }
    }
}
