//! Whether Redis sends the keyspace notifications that this node was told to rely on.

use std::sync::atomic::Ordering;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::options::FeedOptions;
use super::warnings::Warnings;
use crate::value::{pairs, text};

/// What to run when they are off.
pub(crate) const HOW_TO_ENABLE: &str = "redis-cli CONFIG SET notify-keyspace-events Kt";

/// Warns, once, when a plain `XADD` will not be announced.
pub(super) async fn advise(options: &FeedOptions, mut connection: MultiplexedConnection, warnings: &Warnings) {
    if !options.keyspace_notifications || warnings.keyspace.load(Ordering::Relaxed) {
        return;
    }
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("notify-keyspace-events");
    match command.query_async::<Value>(&mut connection).await.ok().and_then(flags) {
        Some(flags) if announces_xadd(&flags) => return,
        Some(flags) => tracing::warn!(
            flags,
            "redis.keyspace_notifications is on, but Redis does not send them; a plain XADD is delivered within \
             redis.reconcile_interval; run (and put into redis.conf): {HOW_TO_ENABLE}"
        ),
        None => tracing::warn!(
            "redis.keyspace_notifications is on, but this user may not ask whether Redis sends them (CONFIG GET \
             notify-keyspace-events); make sure of it: {HOW_TO_ENABLE}"
        ),
    }
    warnings.keyspace.store(true, Ordering::Relaxed);
}

/// The value of the one parameter in a reply to `CONFIG GET`.
pub(crate) fn flags(reply: Value) -> Option<String> {
    text(pairs(reply)?.into_iter().next()?.1)
}

/// Whether these flags (<https://redis.io/docs/latest/develop/use/keyspace-notifications/>) make Redis announce `XADD`
/// on the channel of the key: `K` for keyspace, `t` for streams or `A` for everything.
pub(crate) fn announces_xadd(flags: &str) -> bool {
    flags.contains('K') && flags.contains(['t', 'A'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keyspace_events_of_streams_announce_an_xadd() {
        assert!(announces_xadd("Kt") && announces_xadd("AKE") && announces_xadd("tK"));
        assert!(!announces_xadd("") && !announces_xadd("Et") && !announces_xadd("Kg") && !announces_xadd("AE"));
    }
}
