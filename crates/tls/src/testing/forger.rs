//! A client that has shaken hands honestly and seals what no honest client would.

use std::io::IoSlice;

use rustls::ExtractedSecrets;

use crate::keys::Key;
use crate::records::seal;

/// The sending side of such a client.
pub struct Forger {
    key: Key,
    is_tls13: bool,
}

impl Forger {
    /// With the secrets of a client.
    #[must_use]
    pub fn new(secrets: ExtractedSecrets, is_tls13: bool) -> Self {
        Self { key: Key::new(secrets.tx), is_tls13 }
    }

    /// A record of any kind with any text, at most 16 KiB of it.
    #[must_use]
    pub fn seal(&mut self, kind: u8, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let _ = seal(&mut self.key, self.is_tls13, kind, &[IoSlice::new(text)], 0, &mut out);
        out
    }
}
