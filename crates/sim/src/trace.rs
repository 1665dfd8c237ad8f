//! What happened, in order: a hash of every byte that went to a client and to Redis, and, when asked for, lines to read.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Shared by everybody in one world.
#[derive(Debug, Clone)]
pub(crate) struct Trace(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    hash: u64,
    lines: Option<String>,
}

impl Trace {
    /// `readable`: keep lines as well, which costs much more than everything else.
    pub(crate) fn new(readable: bool) -> Self {
        let inner = Inner { began: Instant::now(), hash: 0xCBF2_9CE4_8422_2325, lines: readable.then(String::new) };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Bytes that crossed a wire, and who sent them to whom. Everything is hashed: when, who, what.
    pub(crate) fn bytes(&self, who: &str, bytes: &[u8]) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = inner.ms();
        inner.hash(&ms.to_le_bytes());
        inner.hash(who.as_bytes());
        inner.hash(bytes);
        if let Some(lines) = &mut inner.lines {
            let _ = writeln!(lines, "{ms:>8} ms  {who}: {}", bytes.escape_ascii());
        }
    }

    /// Something worth knowing when a run is read afterwards.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = inner.ms();
        if let Some(lines) = &mut inner.lines {
            let _ = writeln!(lines, "{ms:>8} ms  {}", what());
        }
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hash
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone().unwrap_or_default()
    }
}

impl Inner {
    fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Fowler, Noll and Vo's FNV-1a.
    fn hash(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
