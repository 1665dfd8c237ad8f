//! Whether Redis may evict keys: it has a limit on memory and a policy that removes something. Absence proves nothing there, and a
//! Redis that does not tell may.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

use crate::pushes::Pushes;
use crate::value::{info_field, pairs, text};

/// Asks where there is no `INFO`.
pub(crate) const CONFIG: [&str; 3] = ["CONFIG", "GET", "maxmemory*"];

/// By what `INFO memory` says; `None`: it does not.
pub(crate) fn by_info(info: Value) -> Option<bool> {
    let info = text(info)?;
    judge(info_field(&info, "maxmemory"), info_field(&info, "maxmemory_policy"))
}

/// By what [`CONFIG`] says; `None`: it does not, or Redis does not tell that either.
pub(crate) fn by_config(config: Option<Value>) -> Option<bool> {
    let texts = |(name, value)| Some((text(name)?, text(value)?));
    let parameters: Vec<_> = config.and_then(pairs).into_iter().flatten().filter_map(texts).collect();
    let parameter = |name| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    judge(parameter("maxmemory"), parameter("maxmemory-policy"))
}

/// Says that a Redis evicts where that costs events which messages could save: they are the only trace of an entry that is evicted before
/// it was read, and where they are not believed that is a gap.
pub(crate) struct EvictionWarning {
    pushes: Pushes,
    /// It was said, and the same has been true since.
    is_told: AtomicBool,
}

impl EvictionWarning {
    pub(crate) fn new(pushes: Pushes) -> Self {
        Self { pushes, is_told: AtomicBool::new(false) }
    }

    /// Whether Redis evicts, as somebody has just learnt.
    pub(crate) fn see(&self, evicts: bool) {
        let was_told = self.is_told.swap(evicts, Ordering::Relaxed);
        if evicts && !was_told && self.pushes == Pushes::Verified {
            tracing::warn!(
                "Redis may evict streams, and redis.pushes is \"verified\": an event whose stream is evicted before it was read is a gap \
                 for its readers. Set maxmemory-policy noeviction"
            );
        }
    }
}

fn judge(limit: Option<&str>, policy: Option<&str>) -> Option<bool> {
    match (limit, policy) {
        (Some("0"), _) => Some(false),
        (Some(_), Some(policy)) => Some(policy != "noeviction"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicts_with(info: &str) -> Option<bool> {
        by_info(Value::BulkString(info.into()))
    }

    #[test]
    fn a_redis_evicts_if_it_has_a_limit_and_a_policy() {
        assert_eq!(evicts_with("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"), Some(false));
        assert_eq!(evicts_with("maxmemory:1024\r\nmaxmemory_policy:noeviction\r\n"), Some(false));
        assert_eq!(evicts_with("maxmemory:1024\r\nmaxmemory_policy:volatile-ttl\r\n"), Some(true));
        assert_eq!(evicts_with("used_memory:1\r\n"), None);
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
        assert_eq!(by_config(config("0", "allkeys-lru")), Some(false));
        assert_eq!(by_config(config("1024", "noeviction")), Some(false));
        assert_eq!(by_config(config("1024", "allkeys-lru")), Some(true));
        assert_eq!((by_config(Some(Value::Map(Vec::new()))), by_config(None)), (None, None));
    }
}
