//! Events as published, and entries: events with an id.

use crate::EntryId;
use crate::limits::EVENT_NAME_MAX;
use crate::name::{self, NameError};
use bytes::Bytes;
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of an event, what `addEventListener` listens to: 1 to [`EVENT_NAME_MAX`] bytes of
/// UTF-8, no control characters, not starting with `$`. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Arc<str>);

impl EventName {
    /// Checks and takes over a name.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        name::check(name, EVENT_NAME_MAX)?;
        Ok(Self(Arc::from(name)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Equality, order and hash are those of the text, so maps can be asked with a `&str`.
impl Borrow<str> for EventName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for EventName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::parse(name)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What a publisher said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `None` is what browsers dispatch as `message`.
    pub name: Option<EventName>,
    /// Any bytes, as published. They become valid UTF-8 and lines only in a [`crate::Frame`].
    pub data: Bytes,
}

/// An event with its place in the channel's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id that Redis gave to the entry.
    pub id: EntryId,
    /// The stream's last generated id just before this entry: `Some(EntryId::ZERO)` when this
    /// entry created the key, `None` when the producer does not say (a plain `XADD`).
    pub prev: Option<EntryId>,
    /// What was published.
    pub event: Event,
}
