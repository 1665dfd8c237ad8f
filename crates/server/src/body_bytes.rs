//! The bytes that request bodies may take in a node at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// What is left for bodies. Never waited for: no room, no body.
#[derive(Debug)]
pub(crate) struct BodyBytes(Semaphore);

impl BodyBytes {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Semaphore::new(bytes))
    }

    /// Room for a body. `None`: it is not there.
    pub(crate) fn take(&self, bytes: usize) -> Option<BodyRoom<'_>> {
        let mut room = BodyRoom { all: self, taken: None };
        room.grow_to(bytes).then_some(room)
    }
}

/// One body's room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct BodyRoom<'a> {
    all: &'a BodyBytes,
    taken: Option<SemaphorePermit<'a>>,
}

impl BodyRoom<'_> {
    /// Makes room for a body that is this long by now. `false`: there is none.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.taken.as_ref().map_or(0, SemaphorePermit::num_permits));
        let Some(permit) = u32::try_from(more).ok().and_then(|more| self.all.0.try_acquire_many(more).ok()) else {
            return false;
        };
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_what_there_is_and_give_it_back() {
        let all = BodyBytes::new(10);
        let first = all.take(6).unwrap();
        assert!(all.take(5).is_none());
        let mut second = all.take(0).unwrap();
        assert!(second.grow_to(3) && second.grow_to(4) && second.grow_to(2) && !second.grow_to(5));
        drop(first);
        assert!(second.grow_to(10) && all.take(1).is_none());
        drop(second);
        assert!(all.take(10).is_some());
    }
}
