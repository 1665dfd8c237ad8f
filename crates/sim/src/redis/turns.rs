//! Whose turn it is to have a tip read: how many channels of strangers go before a quiet one that is subscribed to already.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::resp::Command;
use crate::PREFIX;
use crate::names::{CROWD, QUIET};

/// The tips of strangers that were asked for since the quiet channel was acknowledged, until its own was.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waits: bool,
    before: BTreeSet<Bytes>,
    most: usize,
}

impl Turns {
    /// Something that was said arrives at a node. From when the quiet channel is acknowledged its tip may be asked for.
    pub(super) fn note_said(&mut self, bytes: &[u8]) {
        let key = format!("\r\n{PREFIX}{QUIET}\r\n");
        if bytes.starts_with(b">3\r\n$9\r\nsubscribe\r\n")
            && bytes.windows(key.len()).any(|part| part == key.as_bytes())
        {
            (self.waits, self.before) = (true, BTreeSet::new());
        }
    }

    /// A command arrives.
    pub(super) fn note(&mut self, command: &Command) {
        let is_quiet = |key: &[u8]| key.strip_prefix(PREFIX.as_bytes()) == Some(QUIET.as_bytes());
        match &command[..] {
            [name, _, key] if self.waits && name == "XINFO" => {
                if is_quiet(key) {
                    self.waits = false;
                    self.most = self.most.max(self.before.len());
                } else if key.strip_prefix(PREFIX.as_bytes()).is_some_and(|name| name.starts_with(CROWD.as_bytes())) {
                    self.before.insert(key.clone());
                }
            }
            _ => {}
        }
    }

    /// The most that went before it since the last call.
    pub(super) fn take(&mut self) -> usize {
        self.waits = false;
        std::mem::take(&mut self.most)
    }
}
