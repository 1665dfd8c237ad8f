//! Why a connection cannot go on.

use crate::alert::Alert;

/// Why a connection cannot go on. What its peer is to be told is written already, where there is something to tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// rustls ended the handshake.
    #[error("{0}")]
    Handshake(rustls::Error),
    /// More bytes than a handshake needs.
    #[error("the handshake is longer than {0} bytes")]
    TooLong(usize),
    /// The peer said that it closes before there was a connection.
    #[error("the client closed during the handshake")]
    Closed,
    /// The peer broke a rule of the protocol, and gets this alert.
    #[error("the client sent what TLS does not allow ({0:?})")]
    Protocol(Alert),
    /// The peer ended the connection with this alert's number.
    #[error("the client ended the connection with alert {0}")]
    Refused(u8),
    /// The peer sent so many more records without data than its data pays for (`fanfare_protocol::limits::TLS_RECORDS_WITHOUT_DATA_MAX`).
    #[error("the client sent {0} records without data beyond what its data pays for")]
    NoData(u32),
    /// As many records were sent under one key as its cipher bears, and TLS 1.2 has no way to change it.
    #[error("the key of the connection is used up")]
    Exhausted,
}
