//! Where a reader is.

use std::fmt;

use crate::entry_id::EntryId;
use crate::redis_clock::Moment;

/// Right behind this id in that incarnation of the stream, whether or not there is an entry with this id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the incarnation.
    pub incarnation: usize,
    /// The id behind which the reader is; [`EntryId::ZERO`] at the beginning.
    pub id: EntryId,
    /// All that the reader knows is that there was no stream then: it stands behind what had been stored until then, and has
    /// read nothing of that.
    pub absent: Option<Moment>,
}

impl Place {
    /// Right behind the entry with this id.
    pub fn behind(incarnation: usize, id: EntryId) -> Self {
        Self { incarnation, id, absent: None }
    }

    /// Before the first entry.
    pub fn beginning(incarnation: usize) -> Self {
        Self::behind(incarnation, EntryId::ZERO)
    }

    /// Whether the reader has nothing of the incarnation, so that nothing of it was taken away.
    pub(crate) fn has_nothing(self) -> bool {
        self.absent.is_some() || self.id == EntryId::ZERO
    }
}

/// For the reader of a report.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "behind {} in incarnation {}", self.id, self.incarnation)?;
        self.absent.map_or(Ok(()), |moment| write!(f, ", which did not exist at {}", moment.ms))
    }
}
