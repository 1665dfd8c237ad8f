//! A token of a client.

/// A token, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// `sub`.
    pub(crate) subject: String,
    /// `jti`.
    pub(crate) id: String,
    /// `iat`, in seconds since 1970; `None`: it does not say.
    pub(crate) issued_at: Option<u64>,
    /// `exp`, in milliseconds since the world began.
    pub(crate) expires_ms: u64,
}
