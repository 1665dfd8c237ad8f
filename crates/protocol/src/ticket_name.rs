//! What a ticket is called wherever it is kept.

use std::fmt;

/// The SHA-256 of a ticket: whoever reads it has no ticket. As text: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketName([u8; 32]);

impl TicketName {
    /// The name with this digest.
    #[must_use]
    pub const fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for TicketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TicketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_with_two_digits_for_each_byte() {
        let mut digest = [0; 32];
        digest[31] = 0xa1;
        let text = TicketName::of_digest(digest).to_string();
        assert_eq!((text.len(), text.ends_with("000a1")), (64, true));
    }
}
