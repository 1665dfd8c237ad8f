//! One look of a connection thread at its sessions.

use std::time::Duration;

/// One of the sweeps that follow each other at equal distances. It asks a part of the sessions for the node's heartbeat, and those
/// whose turn it is by a heartbeat of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep {
    /// Sweeps before it.
    pub(crate) tick: u32,
    /// Sweeps that make up the node's heartbeat interval: so many parts there are.
    pub(crate) parts: u32,
    /// The time from one sweep to the next.
    pub(crate) length: Duration,
}

impl Sweep {
    /// Whether the session with this slot is in the sweep's part.
    pub(crate) const fn has_in_its_part(self, slot: usize) -> bool {
        slot % self.parts as usize == (self.tick % self.parts) as usize
    }

    /// The first slot of its part that is not below this one.
    pub(crate) const fn next_of_its_part(self, slot: usize) -> usize {
        let (parts, part) = (self.parts as usize, (self.tick % self.parts) as usize);
        slot + (part + parts - slot % parts) % parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_slot_of_a_part_is_the_first_one_in_it() {
        let sweep = Sweep { tick: 35, parts: 16, length: Duration::from_secs(1) };
        let parts: Vec<_> = (0..40).filter(|slot| sweep.has_in_its_part(*slot)).collect();
        assert_eq!(parts, [3, 19, 35]);
        assert_eq!([0, 3, 4, 19, 20].map(|slot| sweep.next_of_its_part(slot)), [3, 3, 19, 19, 35]);
    }
}
