//! Hashes: how many readers each life of a node has, by channel.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::resp::Reply;

/// All hashes. One without fields is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes(BTreeMap<String, Hash>);

#[derive(Debug, Clone, Default)]
struct Hash {
    fields: BTreeMap<Bytes, Bytes>,
    /// Redis time at which it is gone.
    expires: Option<u64>,
}

impl Hashes {
    /// `HSET`.
    pub(crate) fn set(&mut self, key: &str, field: &Bytes, value: &Bytes) -> Reply {
        let fields = &mut self.0.entry(key.to_owned()).or_default().fields;
        Reply::Number(i64::from(fields.insert(field.clone(), value.clone()).is_none()))
    }

    /// `HDEL`.
    pub(crate) fn delete(&mut self, key: &str, field: &Bytes) -> Reply {
        let Some(hash) = self.0.get_mut(key) else { return Reply::Number(0) };
        let removed = hash.fields.remove(field).is_some();
        if hash.fields.is_empty() {
            self.0.remove(key);
        }
        Reply::Number(i64::from(removed))
    }

    /// `HGETALL`.
    pub(crate) fn all(&self, key: &str) -> Reply {
        let fields = self.0.get(key).into_iter().flat_map(|hash| &hash.fields);
        Reply::Map(fields.map(|(field, value)| (Reply::Bulk(field.clone()), Reply::Bulk(value.clone()))).collect())
    }

    /// Says when a hash is gone. Returns whether there is one.
    pub(crate) fn expire_at(&mut self, key: &str, at: u64) -> bool {
        self.0.get_mut(key).map(|hash| hash.expires = Some(at)).is_some()
    }

    /// What has expired goes.
    pub(crate) fn expire(&mut self, now: u64) {
        self.0.retain(|_, hash| hash.expires.is_none_or(|at| at > now));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
