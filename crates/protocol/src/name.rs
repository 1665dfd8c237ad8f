//! The one rule for channel and event names.

use thiserror::Error;

/// Why a text is not a channel or event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than the limit.
    #[error("a name has at most {max} bytes, this one has {bytes}")]
    TooLong {
        /// Bytes of the refused name.
        bytes: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The name holds a control character: CR and LF would end a line of the event stream, NUL
    /// and the others have no business in a name.
    #[error("a name must not hold control characters (such as CR, LF or NUL)")]
    Control,
    /// The name starts with `$`, which marks what belongs to the gateway.
    #[error("names that start with `$` belong to the gateway")]
    Reserved,
}

/// Checks a name of at most `max` bytes.
pub(crate) fn check(name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max {
        return Err(NameError::TooLong { bytes: name.len(), max });
    }
    if name.starts_with('$') {
        return Err(NameError::Reserved);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}
