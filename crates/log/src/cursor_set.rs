//! The readers of one channel on one thread, and what each of them waits for.

use slab::Slab;

use crate::cursor::ReaderId;

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    No,
    /// Something new at the end of the tail.
    Tail,
    /// Any change: the tail's growth or an answer of the archive.
    Archive,
}

/// A [`ReaderId`], flat, and what it waits for: 8 bytes for each channel of each session.
#[derive(Debug, Clone, Copy)]
struct Slot {
    session: u32,
    channel: u8,
    armed: Armed,
}

/// The readers of one channel on one thread. A reader with nothing to do is *armed*; a change wakes those that wait for it.
/// A page read for one reader who is behind does not wake the thousands who are not.
#[derive(Debug, Default)]
pub struct CursorSet {
    slots: Slab<Slot>,
}

impl CursorSet {
    /// Adds a reader. Returns its slot.
    pub fn insert(&mut self, reader: ReaderId) -> u32 {
        let slot = Slot { session: reader.session, channel: reader.channel, armed: Armed::No };
        u32::try_from(self.slots.insert(slot)).expect("fewer than 2^32 readers on a thread")
    }

    /// Removes a reader.
    pub fn remove(&mut self, slot: u32) {
        self.slots.try_remove(slot as usize);
    }

    /// Asks for a wake when the tail grows.
    pub fn arm(&mut self, slot: u32) {
        self.set(slot, Armed::Tail);
    }

    /// Asks for a wake at the next change of any kind.
    pub fn arm_for_archive(&mut self, slot: u32) {
        self.set(slot, Armed::Archive);
    }

    fn set(&mut self, slot: u32, armed: Armed) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.armed = armed;
        }
    }

    /// Wakes, once, every reader that waits for the archive and, if the tail has grown, every other armed one too.
    pub fn wake(&mut self, grown: bool, mut wake: impl FnMut(ReaderId)) {
        for (_, slot) in &mut self.slots {
            if slot.armed == Armed::Archive || (grown && slot.armed == Armed::Tail) {
                slot.armed = Armed::No;
                wake(ReaderId { session: slot.session, channel: slot.channel });
            }
        }
    }

    /// Number of readers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no reader.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(set: &mut CursorSet, grown: bool) -> Vec<u32> {
        let mut woken = Vec::new();
        set.wake(grown, |reader| woken.push(reader.session));
        woken
    }

    #[test]
    fn a_page_wakes_those_who_wait_for_one_and_an_event_wakes_everybody_once() {
        let mut set = CursorSet::default();
        let (live, behind, _busy) = (set.insert(1.into()), set.insert(2.into()), set.insert(3.into()));
        set.arm(live);
        set.arm_for_archive(behind);
        assert_eq!(woken(&mut set, false), [2]);
        assert!(woken(&mut set, false).is_empty());
        set.arm_for_archive(behind);
        assert_eq!(woken(&mut set, true), [1, 2]);
        assert!(woken(&mut set, true).is_empty());
    }

    #[test]
    fn a_slot_is_small_because_every_channel_of_every_session_has_one() {
        assert_eq!(size_of::<Slot>(), 8);
    }
}
