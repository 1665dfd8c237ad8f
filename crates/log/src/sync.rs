//! What [`crate::channel`] is made of. `tests/hand_off.rs` compiles that file a second time, with loom's types in place
//! of these, and tries every order in which threads can meet.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use tokio::sync::Notify;
