//! What Redis may evict: it has a limit on memory and a policy that removes something. Absence proves nothing there, and a Redis that
//! does not tell may evict anything.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

use crate::pushes::Pushes;
use crate::value::{info_field, pairs, text};

/// Asks where there is no `INFO`.
pub(crate) const CONFIG: [&str; 3] = ["CONFIG", "GET", "maxmemory*"];

/// What Redis may evict (<https://redis.io/docs/latest/develop/reference/eviction/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    Nothing,
    /// Keys that expire: the policies `volatile-*`. If there are none of those it refuses writes.
    Expiring,
    Anything,
}

impl Eviction {
    /// What it comes to for streams. `do_expire`: nobody promises that they do not.
    pub(crate) fn of_streams(self, do_expire: bool) -> Self {
        match self {
            Self::Expiring if do_expire => Self::Anything,
            other => other,
        }
    }

    /// Whether it may be a stream. `expires`: the promise that they do not is known not to be kept for this one.
    pub(crate) fn takes(self, expires: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Expiring => expires,
            Self::Anything => true,
        }
    }
}

/// By what `INFO memory` says; `None`: it does not.
pub(crate) fn by_info(info: Value) -> Option<Eviction> {
    let info = text(info)?;
    judge(info_field(&info, "maxmemory"), info_field(&info, "maxmemory_policy"))
}

/// By what [`CONFIG`] says; `None`: it does not, or Redis does not tell that either.
pub(crate) fn by_config(config: Option<Value>) -> Option<Eviction> {
    let texts = |(name, value)| Some((text(name)?, text(value)?));
    let parameters: Vec<_> = config.and_then(pairs).into_iter().flatten().filter_map(texts).collect();
    let parameter = |name| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    judge(parameter("maxmemory"), parameter("maxmemory-policy"))
}

/// Says that a Redis evicts streams where that costs gaps which messages could save: only they prove that a stream which was absent had no
/// entries before this one, and where they are not believed each first event of such a channel is a gap.
pub(crate) struct EvictionWarning {
    pushes: Pushes,
    /// It was said, and the same has been true since.
    is_told: AtomicBool,
}

impl EvictionWarning {
    pub(crate) fn new(pushes: Pushes) -> Self {
        Self { pushes, is_told: AtomicBool::new(false) }
    }

    /// Whether Redis evicts streams, as the archive has just learnt.
    pub(crate) fn see(&self, evicts: bool) {
        let was_told = self.is_told.swap(evicts, Ordering::Relaxed);
        if evicts && !was_told && self.pushes == Pushes::Verified {
            tracing::warn!(
                "Redis may evict streams, and redis.pushes is \"verified\": each first event of a channel without a stream is a gap for \
                 its readers. Set maxmemory-policy noeviction, or redis.streams_expire = false if only what expires is evicted and no \
                 stream does"
            );
        }
    }
}

fn judge(limit: Option<&str>, policy: Option<&str>) -> Option<Eviction> {
    match (limit, policy) {
        (Some("0"), _) | (Some(_), Some("noeviction")) => Some(Eviction::Nothing),
        (Some(_), Some(policy)) if policy.starts_with("volatile-") => Some(Eviction::Expiring),
        (Some(_), Some(_)) => Some(Eviction::Anything),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(info: &str) -> Option<Eviction> {
        by_info(Value::BulkString(info.into()))
    }

    #[test]
    fn a_redis_evicts_if_it_has_a_limit_and_a_policy() {
        assert_eq!(with("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"), Some(Eviction::Nothing));
        assert_eq!(with("maxmemory:1024\r\nmaxmemory_policy:noeviction\r\n"), Some(Eviction::Nothing));
        assert_eq!(with("maxmemory:1024\r\nmaxmemory_policy:volatile-ttl\r\n"), Some(Eviction::Expiring));
        assert_eq!(with("maxmemory:1024\r\nmaxmemory_policy:allkeys-lfu\r\n"), Some(Eviction::Anything));
        assert_eq!(with("used_memory:1\r\n"), None);
        assert_eq!(by_info(Value::Nil), None);
    }

    #[test]
    fn its_configuration_tells_as_much_as_info_does() {
        let text = |text: &str| Value::BulkString(text.into());
        let config = |limit, policy| {
            let pair = |name, value| (text(name), text(value));
            Some(Value::Map(vec![
                pair("maxmemory-samples", "5"),
                pair("maxmemory-policy", policy),
                pair("maxmemory", limit),
            ]))
        };
        assert_eq!(by_config(config("0", "allkeys-lru")), Some(Eviction::Nothing));
        assert_eq!(by_config(config("1024", "noeviction")), Some(Eviction::Nothing));
        assert_eq!(by_config(config("1024", "allkeys-lru")), Some(Eviction::Anything));
        assert_eq!((by_config(Some(Value::Map(Vec::new()))), by_config(None)), (None, None));
    }

    #[test]
    fn keys_that_expire_are_streams_unless_it_is_promised_that_they_do_not() {
        assert_eq!(Eviction::Expiring.of_streams(true), Eviction::Anything);
        assert_eq!(Eviction::Expiring.of_streams(false), Eviction::Expiring);
        assert!(!Eviction::Expiring.takes(false) && Eviction::Expiring.takes(true));
        assert!(!Eviction::Nothing.of_streams(true).takes(true));
    }
}
