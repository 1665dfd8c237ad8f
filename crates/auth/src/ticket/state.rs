//! What a ticket is worth, by what the store holds of it.

use super::record::{TicketRecord, UsedTicket};
use super::stored::MalformedTicket;

/// What the store knows of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketState {
    /// Nothing: there never was one, it was not used in time, or it has been over for long.
    Unknown,
    /// It was made lately and nobody has used it.
    Unused(TicketRecord),
    /// It has been used.
    Used(UsedTicket),
}

impl TicketState {
    /// Reads what the store holds: of a ticket that was made lately, and of one that has been used. Of most that are in use it holds
    /// both for a while: the second counts.
    ///
    /// # Errors
    /// A node of another version wrote it, or something that is no node.
    pub fn read(made: Option<&[u8]>, used: Option<&[u8]>) -> Result<Self, MalformedTicket> {
        match (used, made) {
            (Some(used), _) => UsedTicket::decode(used).map(Self::Used),
            (None, Some(made)) => TicketRecord::decode(made).map(Self::Unused),
            (None, None) => Ok(Self::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_that_was_used_is_not_unused_while_the_store_remembers_that_it_was_made() {
        let made = br#"{"v":1,"channels":["a"],"lifetime":9,"made":1}"#;
        let used = br#"{"v":1,"channels":["a"],"lifetime":9,"made":1,"first":2}"#;
        let read = |made, used| TicketState::read(made, used).unwrap();
        assert_eq!(read(None, None), TicketState::Unknown);
        let TicketState::Unused(record) = read(Some(&made[..]), None) else { panic!("nobody has used it") };
        let both = read(Some(&made[..]), Some(&used[..]));
        assert_eq!(both, TicketState::Used(record.used_at(2)));
        assert_eq!(read(None, Some(&used[..])), both);
        assert_eq!(TicketState::read(Some(&made[..]), Some(b"{}")), Err(MalformedTicket));
    }
}
