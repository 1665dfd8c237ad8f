//! The configuration as each crate wants it.

use std::num::NonZeroU32;
use std::sync::Arc;

use fanfare_log::{MinLives, Occupancy, OccupancyStore, Options as LogOptions, TicketStore};
use fanfare_protocol::limits;
use fanfare_server::{
    AdmissionOptions, ClientCertificateOptions, Clock, Close, Cors, CorsError, DeliveryOptions, DrainOptions,
    ForwardedHeader, HistoryOptions, ListenOptions, OccupancyOptions, Options, ProxyOptions, RefusalPolicy,
    RequestOptions, Secret, SocketOptions, TicketOptions,
};
use fanfare_tls::{Identity, SubjectFrom};

use crate::config::{AddressHeader, CloseStyle, Config, ListenerRule, RefusalStyle, SubjectName};

/// The log's part.
#[must_use]
pub(super) fn log(config: &Config, min_lives: MinLives, occupancy: Occupancy) -> LogOptions {
    LogOptions {
        linger: config.channel.linger.0,
        reconcile_interval: config.redis.reconcile_interval.0,
        tail_entries: config.tail.channel_entries,
        tail_bytes: config.tail.channel_bytes.bytes(),
        budget: config.tail.budget.bytes(),
        page_patience: limits::ARCHIVE_PAGE_PATIENCE
            + 2 * std::time::Duration::from_millis(config.delivery.coalesce_ms),
        archive_concurrency: config.archive.concurrency,
        page_bytes: config.archive.page_bytes.bytes(),
        archive_bytes_per_second: config.archive.bytes_per_second.0,
        max_channels: config.limits.channels_per_node,
        feed_lags: true,
        min_lives,
        occupancy,
        ..LogOptions::default()
    }
}

/// The sessions' part.
#[must_use]
pub(super) fn delivery(config: &Config) -> DeliveryOptions {
    DeliveryOptions {
        heartbeat: config.delivery.heartbeat.0,
        coalesce: std::time::Duration::from_millis(config.delivery.coalesce_ms),
        retry: std::time::Duration::from_millis(config.delivery.retry_ms),
        max_behind: config.delivery.max_behind.0.map(|span| span.0),
        cursor_age: config.limits.cursor_age.0.map(|span| span.0),
        subscribe_timeout: config.delivery.subscribe_timeout.0,
        user_timeout: config.server.tcp_user_timeout.0,
        stalled: config.delivery.stalled.0.map(|span| span.0),
    }
}

/// Who may connect, and how much of the node one client may take.
fn admission(config: &Config) -> AdmissionOptions {
    let count = |most: Option<NonZeroU32>| most.and_then(|most| usize::try_from(most.get()).ok());
    let configured = &config.admission;
    AdmissionOptions {
        refusal: match configured.refusal {
            RefusalStyle::Polite => RefusalPolicy::Polite,
            RefusalStyle::Status => RefusalPolicy::Status,
        },
        max_connections: configured.max_connections,
        headroom: limits::CONNECTIONS_HEADROOM,
        per_address: count(configured.per_address.0),
        max_silent: configured.max_silent,
        silent_per_address: count(configured.silent_per_address.0),
        connects_per_second: configured.connects_per_second.0,
        per_subject: count(configured.per_subject.0),
        address_connects_per_second: configured.address_connects_per_second.0,
        subject_connects_per_second: configured.subject_connects_per_second.0,
        address_channels_per_second: configured.address_channels_per_second.0,
        subject_channels_per_second: configured.subject_channels_per_second.0,
        subject_publishes_per_second: configured.subject_publishes_per_second.0,
        proxies: ProxyOptions {
            trusted: config.server.trusted_proxies.clone(),
            header: match config.server.forwarded_header {
                AddressHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
                AddressHeader::Forwarded => ForwardedHeader::Forwarded,
            },
        },
    }
}

/// The server's part. `identities`: what each listener shows, in their order.
///
/// # Errors
/// Origins that no browser sends; the configuration has refused them before.
pub(super) fn server(config: &Config, identities: Vec<Option<Arc<Identity>>>) -> Result<Options, CorsError> {
    let origins: Vec<&str> = config.server.cors_origins.iter().map(|origin| origin.0.as_str()).collect();
    let cors = Cors::parse(&origins)?;
    Ok(Options {
        listeners: listeners(config, identities),
        cores: config.server.cores,
        strict_transport: config.server.hsts.0.clone(),
        cors: if config.believes_browsers() { cors.with_credentials() } else { cors },
        requests: RequestOptions {
            header_bytes: config.limits.header_bytes.bytes(),
            url_bytes: config.limits.url_bytes.bytes(),
            channels: config.limits.channels_per_connection,
            last_max: config.limits.last_max,
            close: match config.delivery.close {
                CloseStyle::Clean => Close::Clean,
                CloseStyle::Abort => Close::Abort,
            },
            event_bytes: config.limits.event_bytes.bytes(),
            head_timeout: config.limits.head_timeout.0,
            body_timeout: config.limits.body_timeout.0,
            keep_alive: config.server.keep_alive.0,
            http2: config.server.http2,
            streams: u32::try_from(config.limits.streams_per_connection).unwrap_or(u32::MAX),
            ..RequestOptions::default()
        },
        sockets: SocketOptions {
            keepalive: config.server.tcp_keepalive.0,
            user_timeout: config.server.tcp_user_timeout.0,
            unsent: config.server.unsent_bytes.bytes(),
            ..SocketOptions::default()
        },
        admission: admission(config),
        publish_key: config.publish.key.expose().and_then(Secret::new),
        publish_tokens: config.publish.tokens,
        authorizer: None,
        tickets: None,
        client_certificates: client_certificates(config),
        occupancy: None,
        revocations: None,
        history: HistoryOptions {
            enabled: config.history.enabled,
            max_limit: config.history.max_limit,
            page_bytes: config.archive.page_bytes.bytes(),
            concurrency: super::redis::options(config).history_connections(),
            ..HistoryOptions::default()
        },
        drain: DrainOptions {
            window: config.drain.window.0,
            deadline: config.drain.deadline.0,
            ..DrainOptions::default()
        },
    })
}

/// What is read of the certificates of clients, if that gives them anything.
fn client_certificates(config: &Config) -> Option<ClientCertificateOptions> {
    let subject = match config.client_certificates.subject.0? {
        SubjectName::CommonName => SubjectFrom::CommonName,
        SubjectName::DnsName => SubjectFrom::DnsName,
        SubjectName::Uri => SubjectFrom::Uri,
        SubjectName::Email => SubjectFrom::Email,
    };
    let proof_lifetime = config.auth.max_token_lifetime.0;
    Some(ClientCertificateOptions { subject, proof_lifetime, clock: Clock::system() })
}

fn listeners(config: &Config, identities: Vec<Option<Arc<Identity>>>) -> Vec<ListenOptions> {
    let listener = |(rule, tls): (&ListenerRule, Option<Arc<Identity>>)| ListenOptions {
        address: rule.address.clone(),
        proxy_protocol: config.begins_with_header(rule),
        tls_passthrough: rule.tls_passthrough,
        trusted: rule.trusted,
        mode: rule.mode().0,
        tls,
        redirect: rule.redirect.clone(),
    };
    config.listeners().iter().zip(identities).map(listener).collect()
}

/// The tickets' part, if there are any.
#[must_use]
pub(super) fn tickets(config: &Config, store: impl TicketStore + 'static) -> Option<TicketOptions> {
    config.auth.tickets.then(|| TicketOptions {
        store: Arc::new(store),
        max_life: config.auth.max_token_lifetime.0,
        clock: Clock::system(),
    })
}

/// The part of who counts readers, if any are counted.
#[must_use]
pub(super) fn occupancy(occupancy: &Occupancy, store: impl OccupancyStore + 'static) -> Option<OccupancyOptions> {
    (!occupancy.is_off()).then(|| OccupancyOptions { occupancy: occupancy.clone(), store: Arc::new(store) })
}
