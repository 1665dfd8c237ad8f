//! The demonstration: the host's own figures, published as they are measured, and a page that plots them and can be cut
//! off from one node to be seen resuming on another.

pub mod host;
pub mod page;
pub mod publisher;
