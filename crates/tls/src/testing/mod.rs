//! What tests, fuzzing and measurements need of both sides of a connection.

mod forger;
mod self_signed;

pub use forger::Forger;
pub use self_signed::SelfSigned;
