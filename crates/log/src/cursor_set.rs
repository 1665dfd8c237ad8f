//! The readers of one channel on one thread, what each of them waits for, and who is still to be woken.
//!
//! A change is **noted**, and readers are woken in rounds: from where the last wake stopped, around, past every reader once, in
//! pieces of any size. A change that comes in the middle lets the round go once around from there, so that none is left out and
//! those behind are not overtaken by those in front. Nothing is kept for a reader: it is in its slot or it is gone.

use crate::cursor::ReaderId;

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    No,
    /// Something new at the end of the tail.
    Tail,
    /// Any change: the tail's growth or an answer of the archive.
    Archive,
    /// There is no reader: the slot is free, and its `session` is the next free one.
    Vacant,
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
    slots: Vec<Slot>,
    /// The first free slot; anything beyond the slots if there is none.
    vacant: u32,
    len: usize,
    /// The slot that the round passes next.
    next: usize,
    /// Slots that the round has yet to pass.
    left: usize,
    /// The same for readers that wait for the tail; at most `left`.
    grown_left: usize,
}

impl CursorSet {
    /// Adds a reader. Returns its slot.
    pub fn insert(&mut self, reader: ReaderId) -> u32 {
        self.len += 1;
        let slot = Slot { session: reader.session, channel: reader.channel, armed: Armed::No };
        if let Some(vacant) = self.slots.get_mut(self.vacant as usize) {
            let number = std::mem::replace(&mut self.vacant, vacant.session);
            *vacant = slot;
            return number;
        }
        let number = u32::try_from(self.slots.len()).expect("fewer than 2^32 readers on a thread");
        self.slots.push(slot);
        self.vacant = number + 1;
        // The new slot may lie in the part that the round has yet to pass.
        self.left += usize::from(self.left > 0);
        self.grown_left += usize::from(self.grown_left > 0);
        number
    }

    /// Removes a reader.
    pub fn remove(&mut self, slot: u32) {
        if let Some(found) = self.slots.get_mut(slot as usize).filter(|found| found.armed != Armed::Vacant) {
            (found.armed, found.session) = (Armed::Vacant, self.vacant);
            self.vacant = slot;
            self.len -= 1;
        }
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
        if let Some(slot) = self.slots.get_mut(slot as usize).filter(|slot| slot.armed != Armed::Vacant) {
            slot.armed = armed;
        }
    }

    /// Notes a change: every reader that waits for the archive is to be woken and, if the tail has grown, every other armed one
    /// too.
    pub fn note(&mut self, grown: bool) {
        self.left = self.slots.len();
        if grown {
            self.grown_left = self.left;
        }
    }

    /// Whether the round has readers yet to pass.
    #[must_use]
    pub fn is_waking(&self) -> bool {
        self.left > 0
    }

    /// Goes on with the round until `most` readers were woken, each once, or it is over. Returns how many were.
    pub fn wake(&mut self, most: usize, mut wake: impl FnMut(ReaderId)) -> usize {
        let mut woken = 0;
        while self.left > 0 && woken < most {
            if self.next >= self.slots.len() {
                self.next = 0;
            }
            let slot = &mut self.slots[self.next];
            if slot.armed == Armed::Archive || (self.grown_left > 0 && slot.armed == Armed::Tail) {
                slot.armed = Armed::No;
                wake(ReaderId { session: slot.session, channel: slot.channel });
                woken += 1;
            }
            self.next += 1;
            self.left -= 1;
            self.grown_left = self.grown_left.saturating_sub(1);
        }
        woken
    }

    /// Number of readers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no reader.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests;
