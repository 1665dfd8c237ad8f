//! What is decided about a request, at once or later.
//!
//! A decision may be asynchronous: for an application that is asked, for the key of a token, for a channel to have a stream. It
//! then holds a slot and has a deadline (`routes.rs`), and ends in a stream or in an answer. Where nobody has to be asked
//! ([`crate::Authorizer`]) a subscription is decided in the very poll in which hyper hands over its request.

use crate::admission::SessionPermit;
use crate::answer::Answer;
use crate::problem::Problem;
use crate::session::Subscribe;

/// What becomes of a request.
pub(crate) enum Decision {
    /// This answer.
    Answer(Box<Answer>),
    /// A stream. Over HTTP/1 hyper is not needed any more.
    Stream(Stream),
}

/// What a subscription is handed over as, once it may be.
pub(crate) type Stream = Box<Subscribe<SessionPermit>>;

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

impl From<Problem> for Decision {
    fn from(problem: Problem) -> Self {
        Answer::from(problem).into()
    }
}
