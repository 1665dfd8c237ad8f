//! What is decided about a request, at once or later, and the interface that is asked about each subscription ([`Authorizer`]).
//!
//! A decision may be asynchronous: for an application that is asked, for the key of a token, for a channel to have a stream. It
//! then holds a slot and has a deadline (`routes.rs`), and ends in a stream or in an answer. No node has an authorizer yet, so
//! every subscription is decided in the very poll in which hyper hands over its request.

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
