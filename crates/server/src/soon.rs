//! What is known now or later.

use std::pin::Pin;

/// Something that is known now or later. Dropping it gives the wait up.
pub enum Soon<T> {
    /// It is known.
    Now(T),
    /// It will be.
    Later(Pin<Box<dyn Future<Output = T>>>),
}

impl<T: 'static> Soon<T> {
    /// What a future will tell.
    pub fn later(future: impl Future<Output = T> + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}
