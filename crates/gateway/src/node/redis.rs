//! Redis as a node's store.

use std::sync::Arc;

use anyhow::Context as _;
use fanfare_log::{Desired, FeedSink, MinLives};
use fanfare_redis::{Library, Options, Pushes, RedisArchive, RedisPublisher, RedisStore, StatusReport};
use serde_json::{Map, Value, json};

use super::store::{Store, StoreReport};
use crate::config::{self, Config};

/// The options of the Redis crate.
#[must_use]
pub fn options(config: &Config) -> Options {
    Options {
        url: config.redis.url.expose().to_owned(),
        prefix: config.redis.prefix.0.clone(),
        keyspace_notifications: config.redis.keyspace_notifications,
        pushes: match config.redis.pushes {
            config::Pushes::Trusted => Pushes::Trusted,
            config::Pushes::Verified => Pushes::Verified,
        },
        probe_interval: config.redis.probe_interval.0,
        probe_timeout: config.redis.probe_timeout.0,
        command_timeout: config.redis.command_timeout.0,
        pool_size: config.redis.pool_size,
        load_functions: config.redis.load_functions,
        publishes: config.publish.key.expose().is_some(),
        tickets: config.auth.tickets,
        occupancy: !config.occupancy().is_off(),
        revocations: config.auth.enabled,
        event_bytes: config.limits.event_bytes.bytes(),
        min_lives: config.min_lives(),
    }
}

/// A node's view of Redis, which need not be there yet.
///
/// # Errors
/// Options that cannot work, whatever Redis says.
pub fn redis(
    config: &Config,
    desired: Desired,
    sink: FeedSink,
    min_lives: MinLives,
) -> anyhow::Result<Store<RedisArchive, RedisPublisher>> {
    let store = RedisStore::new(&Options { min_lives, ..options(config) }).context("redis")?;
    let (archive, history) = (store.archive(), store.history());
    let (publisher, status) = (store.publisher(), store.status());
    let (tickets, occupancy) = (Arc::new(store.tickets()), Arc::new(store.occupancy()));
    let (feed, upkeep) = store.split(desired, sink);
    Ok(Store {
        archive,
        history,
        publisher,
        tickets,
        occupancy,
        name: config.redis.url.redacted(),
        report: Box::new(move || {
            let timings = status.timings();
            StoreReport {
                archive_waits: timings.waits.snapshot(),
                archive_commands: timings.commands.snapshot(),
                ..report(&status.report())
            }
        }),
        feed: Box::pin(feed),
        upkeep: Box::pin(upkeep),
    })
}

fn report(status: &StatusReport) -> StoreReport {
    // The last failure stays after recovery; it explains something only while the connection is down.
    let down = status.connected_for.is_none();
    let error = status.last_error.as_ref().filter(|_| down).map(|(_, text)| text.clone());
    StoreReport {
        error,
        facts: facts(status),
        foreign_event_names: status.foreign_event_names,
        foreign_without_data: status.foreign_without_data,
        unfounded_pushes: status.unfounded_pushes,
        expiring_channels: status.expiring_channels,
        evicts_any: status.evicts_any,
        archive_bytes: status.archive_bytes,
        ..StoreReport::default()
    }
}

fn facts(status: &StatusReport) -> Map<String, Value> {
    let library = status.library.as_ref().map(|library| match library {
        Library::Loaded => "loaded by this node".to_owned(),
        Library::Present => "present".to_owned(),
        Library::Newer(version) => format!("newer: version {version}"),
        Library::Refused(reason) => format!("not loaded: {reason}"),
        Library::Unsupported => "not supported by this Redis; publishers use the script".to_owned(),
        Library::Off => "off (redis.load_functions)".to_owned(),
    });
    let facts = json!({
        "redis_version": status.server_version,
        "redis_connected_seconds": status.connected_for.map(|up| up.as_secs()),
        "redis_may_evict": status.evicts,
        "redis_library": library,
        "redis_subscriptions": status.subscriptions,
        "redis_last_error": status.last_error.as_ref().map(|(age, text)| format!("{text} ({} s ago)", age.as_secs())),
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}
