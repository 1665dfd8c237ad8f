//! Facts about the server that proofs and reports rest on.

use redis::Value;

use crate::value::{array, info_field, text};

/// Whether Redis may evict keys: it has a limit on memory and a policy that removes something. A reply that does not
/// tell counts as yes, since absence then proves nothing.
pub(crate) fn evicts(info: Value) -> bool {
    // A pipeline of one command replies with an array of one.
    let info = match info {
        Value::Array(_) => array(info).and_then(|items| items.into_iter().next()),
        info => Some(info),
    };
    let Some(info) = info.and_then(text) else { return true };
    match (info_field(&info, "maxmemory"), info_field(&info, "maxmemory_policy")) {
        (Some("0"), _) => false,
        (Some(_), Some(policy)) => policy != "noeviction",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicts_with(info: &str) -> bool {
        evicts(Value::Array(vec![Value::BulkString(info.into())]))
    }

    #[test]
    fn a_redis_evicts_if_it_has_a_limit_and_a_policy_or_does_not_say() {
        assert!(!evicts_with("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"));
        assert!(!evicts_with("maxmemory:1024\r\nmaxmemory_policy:noeviction\r\n"));
        assert!(evicts_with("maxmemory:1024\r\nmaxmemory_policy:volatile-ttl\r\n"));
        assert!(evicts_with("used_memory:1\r\n"));
        assert!(evicts(Value::Nil));
    }
}
