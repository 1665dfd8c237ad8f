//! How many places each address, or each subject, has taken.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places by what they are counted for. Holds one entry for each key with an open socket or session, so it is bounded by those.
#[derive(Debug)]
pub(super) struct Counts<K>(Mutex<HashMap<K, usize>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Counts<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more unless there are `most` already.
    pub(super) fn enter(&self, key: K, most: usize) -> bool {
        let mut map = self.lock();
        let count = map.get(&key).copied().unwrap_or(0);
        if count >= most {
            return false;
        }
        map.insert(key, count + 1);
        true
    }

    /// Counts one more and says how many there are now.
    pub(super) fn add(&self, key: K) -> usize {
        let mut map = self.lock();
        let count = map.entry(key).or_insert(0);
        *count += 1;
        *count
    }

    pub(super) fn leave(&self, key: K) {
        let mut map = self.lock();
        if let Some(count) = map.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                map.remove(&key);
            }
        }
    }

    pub(super) fn count(&self, key: K) -> usize {
        self.lock().get(&key).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}
