//! The sessions of one thread: how each is woken, and what it is asked to do.

use std::cell::RefCell;
use std::task::Waker;

use fanfare_log::ReaderId;
use slab::Slab;

/// What a session is asked to do when it is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Show that the connection is alive, if it has been quiet.
    Beat = 1,
    /// Tell the client when to come back, and end at the next frame boundary.
    End = 2,
}

#[derive(Debug)]
struct Slot {
    waker: Waker,
    asks: u8,
}

/// Every session of one thread.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: RefCell<Slab<Slot>>,
}

impl Sessions {
    /// Adds a session; its waker follows with its first poll.
    pub(crate) fn insert(&self) -> ReaderId {
        let slot = Slot { waker: Waker::noop().clone(), asks: 0 };
        u32::try_from(self.slots.borrow_mut().insert(slot)).expect("fewer than 2^32 sessions on a thread")
    }

    /// Removes a session.
    pub(crate) fn remove(&self, reader: ReaderId) {
        self.slots.borrow_mut().try_remove(reader as usize);
    }

    /// Sets how a session is woken.
    pub(crate) fn set_waker(&self, reader: ReaderId, waker: &Waker) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(reader as usize)
            && !slot.waker.will_wake(waker)
        {
            slot.waker.clone_from(waker);
        }
    }

    /// Wakes a session. A reader that is gone is ignored; one that was given to another session wakes it for nothing.
    pub(crate) fn wake(&self, reader: ReaderId) {
        if let Some(slot) = self.slots.borrow().get(reader as usize) {
            slot.waker.wake_by_ref();
        }
    }

    /// Asks a session for something and wakes it.
    pub(crate) fn ask(&self, reader: ReaderId, ask: Ask) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(reader as usize) {
            slot.asks |= ask as u8;
            slot.waker.wake_by_ref();
        }
    }

    /// What the session was asked for. [`Ask::Beat`] is forgotten by being told, [`Ask::End`] stays.
    pub(crate) fn asked(&self, reader: ReaderId) -> (bool, bool) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(reader as usize) else { return (false, true) };
        let beat = slot.asks & Ask::Beat as u8 != 0;
        slot.asks &= !(Ask::Beat as u8);
        (beat, slot.asks & Ask::End as u8 != 0)
    }

    /// The readers present, of which `part` of `parts` is wanted: consecutive calls share the work evenly.
    pub(crate) fn part(&self, part: usize, parts: usize) -> Vec<ReaderId> {
        let slots = self.slots.borrow();
        slots
            .iter()
            .map(|(key, _)| key)
            .filter(|key| key % parts == part)
            .filter_map(|key| key.try_into().ok())
            .collect()
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len()
    }
}
