//! What everything that can be measured has to offer.

use anyhow::Result;

use super::place::Place;
use super::running::Running;
use super::wire::Wire;
use crate::scenario::Scenario;

/// Something that serves events and can be measured.
pub trait Contender {
    /// A short name without spaces, as given to `--contender` and shown in tables.
    fn name(&self) -> &'static str;

    /// Why `scenario` cannot be run with it, in a few words; `None` when it can.
    fn cannot(&self, scenario: Scenario) -> Option<&'static str> {
        let _ = scenario;
        None
    }

    /// Why it cannot be reached over `wire`, in a few words; `None` when it can, or when only [`start`](Self::start) can tell.
    fn cannot_speak(&self, wire: Wire) -> Option<&'static str> {
        (wire != Wire::default()).then_some("it is measured over HTTP/1.1 in cleartext only")
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// [`Unable`](super::Unable) when it turns out that it cannot do what the place asks for. Says what is missing (and how to install it) or what went wrong, with the end of the server's log.
    fn start(&self, place: &Place) -> Result<Running>;
}
