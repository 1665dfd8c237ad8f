//! Tickets: short secrets that stand in the URL of a stream.
//!
//! An `EventSource` cannot send headers, and URLs end in logs. So a server of the application orders a ticket ([`TicketOrder`]) and its
//! page uses it once soon, and then for the reconnects of that stream. What a ticket gives is kept in the store under its
//! [name](Ticket::name) ([`TicketRecord`], and from the first use on [`UsedTicket`]); what is found there says what it is worth
//! ([`TicketState`]). Nothing here speaks to a store or reads a clock.

mod order;
mod record;
mod state;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_protocol::TicketName;
use fanfare_protocol::limits::{TICKET_BYTES, TICKET_TEXT_BYTES};

pub use order::{TicketBounds, TicketOrder, TicketOrderError};
pub use record::{MalformedTicket, TICKET_ISSUER, TicketRecord, UsedTicket};
pub use state::TicketState;

/// A ticket. `Debug` never shows it.
#[derive(Clone)]
pub struct Ticket([u8; TICKET_BYTES]);

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoChance;

impl Ticket {
    /// A new one, by the system's chance: 128 bits.
    ///
    /// # Errors
    /// There is no chance to be had.
    pub fn by_chance() -> Result<Self, NoChance> {
        let mut bytes = [0; TICKET_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoChance)?;
        Ok(Self(bytes))
    }

    /// Reads exactly what [`Self::text`] writes. `None`: it is no ticket.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TICKET_TEXT_BYTES {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// As it stands in a URL: 22 characters of base 64 (RFC 4648, section 5).
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

/// Whoever reads a log may not act as its holder.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_was_written_and_in_no_other_spelling() {
        let ticket = Ticket::by_chance().unwrap();
        let text = ticket.text();
        assert_eq!(text.len(), TICKET_TEXT_BYTES);
        assert_eq!(Ticket::parse(&text).unwrap().text(), text);
        let other_spelling = format!("{}B", "A".repeat(21));
        for wrong in ["", "A", &text[1..], &format!("{text}A"), &"+".repeat(22), &"é".repeat(11), &other_spelling] {
            assert!(Ticket::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn no_two_are_alike_and_none_is_printed() {
        let (one, other) = (Ticket::by_chance().unwrap(), Ticket::by_chance().unwrap());
        assert_ne!(one.text(), other.text());
        assert_eq!(format!("{one:?}"), "Ticket(..)");
    }

    // `printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum`
    #[test]
    fn its_name_is_the_sha_256_of_its_text() {
        let name = Ticket::parse(&"A".repeat(22)).unwrap().name().to_string();
        assert_eq!(name, "8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8");
    }
}
