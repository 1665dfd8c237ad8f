//! Who is told of what is stored.

use crate::revoked_record::RevokedRecord;
use crate::stored_record::StoredRecord;
use crate::ticket_record::TicketRecord;

/// What is stored, for those who judge.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) stored: StoredRecord,
    pub(crate) revoked: RevokedRecord,
    pub(crate) tickets: TicketRecord,
}
