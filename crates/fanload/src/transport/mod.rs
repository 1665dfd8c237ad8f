//! What bytes travel over: a TCP socket, or TLS on one; and what carries HTTP/2 on either. The workers and the floor use the
//! same, each its own end.
//!
//! Everything here is driven by a readiness loop and never waits: what cannot be done now is `WouldBlock`, or a future that
//! is polled again when the socket, or a [`bell`], says so.

mod authorities;
pub(crate) mod bell;
pub(crate) mod identity;
pub(crate) mod polled;
mod secured;
pub(crate) mod socket;
pub(crate) mod tls;
