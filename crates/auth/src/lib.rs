//! Who may do what: a token goes in, a [`Grant`] comes out.
//!
//! Nothing here opens a socket or reads a clock: what must be fetched is asked for through an interface, and who asks says
//! what time it is. A grant says which channels may be subscribed to, published to and read as history, until when, and whose
//! it is, so that it can be revoked.

mod grant;
mod refusal;
mod right;
mod rights;
mod unix_seconds;

pub use grant::Grant;
pub use refusal::Refusal;
pub use right::Right;
pub use rights::Rights;
pub use unix_seconds::UnixSeconds;
