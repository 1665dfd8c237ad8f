//! Why a request may not do what it asks for.

use fanfare_auth::Refusal;

use crate::problem::{Kind, Problem};

/// Why a request may not do what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Its token does not allow it.
    By(Refusal),
    /// It was not decided in time, or too many wait to know.
    Undecided,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::By(refusal) => Self::new(Kind::Unauthorized, format!("This is not allowed: {}.", refusal.as_str())),
            Denied::Undecided => Self::new(Kind::Unavailable, "It was not decided in time whether this may be done."),
        }
    }
}
