//! What comes over the socket: the head of the answer, chunks, the event stream. All of it is read as it comes, however
//! it was cut.

pub mod chunk;
pub mod head;
pub mod stream;

/// The answer is not what its protocol allows; the message says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}
