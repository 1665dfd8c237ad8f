//! Publishers.
pub mod feed;
