//! How often a client wants a sign of life, where the node's heartbeat does not suit it.

use std::num::NonZeroU8;

use fanfare_protocol::limits::{CLIENT_HEARTBEAT_SECONDS_MAX, CLIENT_HEARTBEAT_SECONDS_MIN};

use crate::sweep::Sweep;

/// A client's own heartbeat: its stream is never silent for this number of whole seconds.
///
/// There is no timer for it. Sweeps look at the session now and then, and it says something if by the next look it would have been
/// silent for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat(NonZeroU8);

impl Heartbeat {
    /// `None`: no client may ask for that.
    #[must_use]
    pub fn of_seconds(seconds: u8) -> Option<Self> {
        let bounds = CLIENT_HEARTBEAT_SECONDS_MIN..=CLIENT_HEARTBEAT_SECONDS_MAX;
        NonZeroU8::new(seconds).filter(|seconds| bounds.contains(&seconds.get())).map(Self)
    }

    pub(crate) const fn seconds(self) -> u8 {
        self.0.get()
    }

    /// The sweeps for which a stream may be silent. What the client sees may last a little longer on its way.
    fn silence(self, sweep: Sweep) -> u32 {
        let tenths = u128::from(self.seconds()) * 9;
        u32::try_from(tenths * 100_000 / sweep.length.as_micros().max(1)).unwrap_or(u32::MAX).max(1)
    }

    /// The sweeps from one look at a session to the next.
    fn pause(self, sweep: Sweep) -> u32 {
        (self.silence(sweep) / 4 * 3).max(1)
    }

    /// Whether this sweep looks at the session with this slot.
    pub(crate) fn looks_at(self, slot: usize, sweep: Sweep) -> bool {
        // Only that sessions are spread over the sweeps matters, not how.
        sweep.tick.wrapping_add(slot as u32).is_multiple_of(self.pause(sweep))
    }

    /// Whether a stream that has been silent for this number of sweeps would be so for too long at the next look.
    pub(crate) fn is_due(self, silent: u32, sweep: Sweep) -> bool {
        silent.saturating_add(self.pause(sweep)) > self.silence(sweep)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanfare_protocol::limits::{HEARTBEAT_DEFAULT, HEARTBEAT_MAX, HEARTBEAT_MIN};

    use super::*;
    use crate::core::SWEEPS;

    #[test]
    fn a_client_may_ask_for_5_to_60_seconds() {
        let allowed: Vec<_> = (0..=u8::MAX).filter(|seconds| Heartbeat::of_seconds(*seconds).is_some()).collect();
        assert_eq!(allowed, (5..=60).collect::<Vec<_>>());
    }

    /// The longest silence of a stream that has an event at some time, and the number of its signs of life.
    fn longest_silence(own: Heartbeat, length: Duration, slot: usize, event: u32) -> (Duration, u32) {
        let (mut active, mut longest, mut said) = (0, 0, 0);
        for tick in 0..2_000 {
            let sweep = Sweep { tick, parts: SWEEPS, length };
            let says = own.looks_at(slot, sweep) && own.is_due(tick - active, sweep);
            if says || tick == event {
                // What was written right after one sweep counts from the next.
                longest = longest.max(tick - active);
                active = tick;
                said += u32::from(says);
            }
        }
        (length * longest, said)
    }

    // Seen to fail when a look says nothing unless the whole time is over already.
    #[test]
    fn a_stream_is_never_silent_for_longer_and_is_not_chatty() {
        for node in [HEARTBEAT_MIN, HEARTBEAT_DEFAULT, HEARTBEAT_MAX] {
            let length = node / SWEEPS;
            for seconds in [5, 7, 15, 60] {
                let own = Heartbeat::of_seconds(seconds).unwrap();
                let allowed = Duration::from_secs(u64::from(seconds)) * 9 / 10;
                for slot in 0..70 {
                    let (silence, said) = longest_silence(own, length, slot, 100 + 7 * u32::try_from(slot).unwrap());
                    assert!(silence <= allowed, "{silence:?} of {seconds} s, swept every {length:?}");
                    let usual = (length * 2_000).as_secs_f64() / f64::from(seconds);
                    assert!(f64::from(said) <= usual * 3.0 + 1.0, "{said} signs of life instead of {usual}");
                }
            }
        }
    }
}
