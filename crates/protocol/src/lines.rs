//! The lines of an event's data, as the event stream format sees them.

use std::borrow::Cow;

/// The data as text. Invalid UTF-8 becomes U+FFFD, which is what a browser would make of it: the
/// event stream is UTF-8 by definition
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>).
pub(crate) fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Splits at CR, LF and CRLF. There is always at least one line, and a break at the end is
/// followed by an empty one, so that joining with LF gives the data back.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let bytes = current.as_bytes();
        let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) else {
            rest = None;
            return Some(current);
        };
        let breaks = if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&current[end + breaks..]);
        Some(&current[..end])
    })
}

/// Calls `write` with the pieces of the `data` lines. The single space after the colon is the one
/// that a parser removes, so spaces at the start of a line survive.
pub(crate) fn write_data(text: &str, mut write: impl FnMut(&[u8])) {
    for line in split(text) {
        if line.is_empty() {
            write(b"data:\n");
        } else {
            write(b"data: ");
            write(line.as_bytes());
            write(b"\n");
        }
    }
}
