//! What is decided about a request, at once or later, and the seam at which it is asked who may subscribe.
//!
//! A decision about a subscription may wait: for an application that is asked whether the client may, for the key of a
//! token, for a channel to have a stream. The routes give a wait its slot and its deadline, and it may end
//! in a stream as well as in an answer. Today nothing waits, and everything is decided in the very poll in which hyper hands over
//! the request.

use std::fmt;
use std::pin::Pin;

use http::HeaderMap;

use crate::admission::SessionPermit;
use crate::answer::Answer;
use crate::problem::Problem;
use crate::session::Subscribe;
use crate::subscription::Subscription;

/// What becomes of a request.
pub(crate) enum Decision {
    /// This answer.
    Answer(Box<Answer>),
    /// A stream. Over HTTP/1 hyper is not needed any more.
    Stream(Box<Subscribe<SessionPermit>>),
}

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

/// Something that is known now or later. Dropping it gives the wait up.
pub(crate) enum Soon<T> {
    Now(T),
    Later(Pin<Box<dyn Future<Output = T>>>),
}

impl<T: 'static> Soon<T> {
    pub(crate) fn later(future: impl Future<Output = T> + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

/// Says whether a client may subscribe. Asked after admission, so that a client that finds no place costs nothing here.
pub(crate) trait Authorizer: fmt::Debug + Send + Sync {
    /// Decides at once where it can. A wait need not have an end of its own: it gets a deadline. Nothing of the headers may
    /// be kept.
    ///
    /// # Errors
    /// The client may not; it is told the problem.
    fn authorize(&self, subscription: &Subscription, headers: &HeaderMap) -> Soon<Result<(), Problem>>;
}
