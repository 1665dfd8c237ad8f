//! Tickets: short secrets that stand in the URL of a stream.
//!
//! An `EventSource` cannot send headers, and URLs end in logs. So a server of the application orders a ticket ([`TicketOrder`]) and its
//! page uses it once soon, and then for the reconnects of that stream. What a ticket gives is kept in the store under its
//! [name](Ticket::name) ([`TicketRecord`], and from the first use on [`UsedTicket`]); what is found there says what it is worth
//! ([`TicketState`]). Nothing here speaks to a store or reads a clock.

mod maker;
mod order;
mod record;
mod state;
mod stored;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_protocol::TicketName;
use fanfare_protocol::limits::{TICKET_BYTES, TICKET_SECRET_BYTES, TICKET_TEXT_BYTES};

use crate::unix_seconds::UnixSeconds;

pub use maker::TicketMaker;
pub use order::{TicketBounds, TicketOrder, TicketOrderError};
pub use record::{TICKET_ISSUER, TicketRecord, UsedTicket};
pub use state::TicketState;
pub use stored::MalformedTicket;

/// A ticket: 128 random bits, and by when it is over at the latest. `Debug` never shows it.
#[derive(Clone)]
pub struct Ticket([u8; TICKET_BYTES]);

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

impl Ticket {
    /// A new one, which is over at this time of the store's clock, whenever it is used first.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random(over_at: UnixSeconds) -> Result<Self, NoRandomness> {
        let mut bytes = [0; TICKET_BYTES];
        let (secret, end) = bytes.split_at_mut(TICKET_SECRET_BYTES);
        aws_lc_rs::rand::fill(secret).map_err(|_| NoRandomness)?;
        end.copy_from_slice(&u32::try_from(over_at.0).unwrap_or(u32::MAX).to_be_bytes());
        Ok(Self(bytes))
    }

    /// When it says that it is over at the latest. A text that is no ticket may say anything: then the store does not know it.
    #[must_use]
    pub fn over_at(&self) -> UnixSeconds {
        let end = &self.0[TICKET_SECRET_BYTES..];
        UnixSeconds(end.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)))
    }

    /// Reads exactly what [`Self::text`] writes. `None`: it is no ticket.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TICKET_TEXT_BYTES {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// As it stands in a URL: 27 characters of base 64 (RFC 4648, section 5).
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What it is called in the store: the SHA-256 of its text.
    #[must_use]
    pub fn name(&self) -> TicketName {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, self.text().as_bytes()).as_ref());
        TicketName::of_digest(name)
    }
}

/// Logs show it to people who are not its holder.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket::random(UnixSeconds(1_800_000_000)).unwrap()
    }

    #[test]
    fn a_ticket_is_read_as_it_was_written_and_in_no_other_spelling() {
        let text = ticket().text();
        assert_eq!(text.len(), TICKET_TEXT_BYTES);
        assert_eq!(Ticket::parse(&text).unwrap().text(), text);
        let other_spelling = format!("{}B", "A".repeat(26));
        for wrong in ["", "A", &text[1..], &format!("{text}A"), &"+".repeat(27), &"é".repeat(14), &other_spelling] {
            assert!(Ticket::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_ticket_says_when_it_is_over() {
        for at in [0, 1_800_000_000, u64::from(u32::MAX)] {
            let text = Ticket::random(UnixSeconds(at)).unwrap().text();
            assert_eq!(Ticket::parse(&text).unwrap().over_at(), UnixSeconds(at));
        }
        assert_eq!(Ticket::random(UnixSeconds(u64::MAX)).unwrap().over_at(), UnixSeconds(u64::from(u32::MAX)));
    }

    #[test]
    fn no_two_are_alike_and_none_is_printed() {
        assert_ne!(ticket().text(), ticket().text());
        assert_eq!(format!("{:?}", ticket()), "Ticket(..)");
    }

    // `printf %s AAAAAAAAAAAAAAAAAAAAAAAAAAA | sha256sum`
    #[test]
    fn its_name_is_the_sha_256_of_its_text() {
        let name = Ticket::parse(&"A".repeat(27)).unwrap().name().to_string();
        assert_eq!(name, "568f214d529544bf4430513c2993495a5b434611533c63d1cf095b51c5e1f8af");
    }
}
