//! The mark of an error that another connection may cure.

use std::fmt::{self, Display, Formatter};

/// The connection over which events are published broke, or the other side refuses them for a reason that passes by itself.
/// It is the context of an error: `error.is::<Broken>()`. [`Publisher::mend`](super::Publisher::mend) goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Display for Broken {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing can be published")
    }
}
