//! What one side of a connection tells the other besides data (RFC 8446, section 6).

/// The alerts that this side sends, or has to understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// Nothing more will be sent.
    CloseNotify,
    /// A message that must not come now.
    UnexpectedMessage,
    /// A record that the key does not open.
    BadRecordMac,
    /// A record that is longer than records may be.
    RecordOverflow,
    /// A message that cannot be read.
    DecodeError,
    /// TLS 1.2: the other side asks for another handshake, and there will be none.
    NoRenegotiation,
}

impl Alert {
    /// Level and description, as they are on the wire.
    pub(crate) const fn bytes(self) -> [u8; 2] {
        const WARNING: u8 = 1;
        const FATAL: u8 = 2;
        match self {
            Self::CloseNotify => [WARNING, 0],
            Self::UnexpectedMessage => [FATAL, 10],
            Self::BadRecordMac => [FATAL, 20],
            Self::RecordOverflow => [FATAL, 22],
            Self::DecodeError => [FATAL, 50],
            Self::NoRenegotiation => [WARNING, 100],
        }
    }
}
