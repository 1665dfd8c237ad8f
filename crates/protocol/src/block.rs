//! What the gateway itself says in an event stream: plain blocks, appended to a buffer.
//!
//! Each function but [`retry`] appends whole blocks, ending with an empty line, so any two can follow each
//! other. Positions (`id`) are texts of this crate: they hold no line break. In a block with data the `id` is the last line
//! (see [`crate::Frame`]).

use crate::gap::GAP_EVENT;
use crate::lines;
use crate::{ChannelName, Gap};
use serde::Serialize;

/// The name of the event that tells the position a stream opened with.
pub const READY_EVENT: &str = "$ready";
/// The name of the event that renews the position of a stream on which no event has come yet.
pub const PLACE_EVENT: &str = "$place";
/// The name of the event that tells how many read a channel.
pub const OCCUPANCY_EVENT: &str = "$occupancy";
/// The name of the event that tells that the grant has expired.
pub const EXPIRED_EVENT: &str = "$expired";
/// The name of the event that tells that the grant was revoked.
pub const REVOKED_EVENT: &str = "$revoked";

/// A `$gap`. It carries a position only if no entry follows it in the same write.
pub fn gap(out: &mut Vec<u8>, gap: &Gap, id: Option<&str>) {
    event(out, GAP_EVENT, &gap.to_json(), id);
}

/// How long the client waits before it reconnects, in milliseconds. One line and no block of its own: it takes effect as
/// soon as it is read, and the empty line that would end a block before the first `id` makes a literal parser forget the
/// client's place (WHATWG HTML, 9.2.6: every dispatch sets the last event ID, even to an empty one).
pub fn retry(out: &mut Vec<u8>, ms: u64) {
    out.extend_from_slice(b"retry: ");
    out.extend_from_slice(itoa::Buffer::new().format(ms).as_bytes());
    out.push(b'\n');
}

/// The same as a whole block, which clients need that act on blocks only. It is for a client that has no place, or has been told
/// it by an `id` of the same stream: others would forget theirs.
pub fn retry_block(out: &mut Vec<u8>, ms: u64) {
    retry(out, ms);
    out.push(b'\n');
}

/// A priming id: sets the client's `Last-Event-ID` and dispatches nothing.
pub fn id(out: &mut Vec<u8>, position: &str) {
    id_line(out, position);
    out.push(b'\n');
}

/// A `$ready` event: the same position as a priming id, but with data, for the parsers that
/// ignore an id without; and the channels of the stream.
pub fn ready(out: &mut Vec<u8>, position: &str, channels: &[ChannelName]) {
    #[derive(Serialize)]
    struct Data<'a> {
        position: &'a str,
        channels: Vec<&'a str>,
    }
    let data = Data { position, channels: channels.iter().map(ChannelName::as_str).collect() };
    let json = serde_json::to_string(&data).expect("a struct of texts always has a JSON form");
    event(out, READY_EVENT, &json, Some(position));
}

/// A `$place` event: a newer position, for the parsers that ignore an id without data.
pub fn place(out: &mut Vec<u8>, position: &str) {
    // The characters of a position need no escape.
    event(out, PLACE_EVENT, &format!(r#"{{"position":"{position}"}}"#), Some(position));
}

/// An `$occupancy` event: how many read the channel, on all nodes. It is ephemeral: it carries no position and moves none.
pub fn occupancy(out: &mut Vec<u8>, channel: &ChannelName, readers: u64) {
    event(out, OCCUPANCY_EVENT, &Occupancy { channel: channel.as_str(), readers }.to_json(), None);
}

/// The data of an `$occupancy` event, and what is answered to whoever asks for the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Occupancy<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Sessions that follow it, on all nodes.
    pub readers: u64,
}

impl Occupancy<'_> {
    /// As JSON.
    ///
    /// # Panics
    /// Never: a struct of a text and a number always has a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of a text and a number always has a JSON form")
    }
}

/// An `$expired` event: access has ended, and when to come back with another grant. Without a position it is for a client that has
/// none, or has been told its own by an `id` of the same stream.
pub fn expired(out: &mut Vec<u8>, retry_ms: u64, position: Option<&str>) {
    retry(out, retry_ms);
    event(out, EXPIRED_EVENT, "{}", position);
}

/// A `$revoked` event: access was taken away. As [`expired`].
pub fn revoked(out: &mut Vec<u8>, retry_ms: u64, position: Option<&str>) {
    retry(out, retry_ms);
    event(out, REVOKED_EVENT, "{}", position);
}

/// A comment: keeps the connection alive, dispatches nothing.
pub fn comment(out: &mut Vec<u8>) {
    out.extend_from_slice(b":\n\n");
}

/// Any event. `name` must hold no line break: gateway names and [`crate::EventName`] do not.
pub fn event(out: &mut Vec<u8>, name: &str, data: &str, id: Option<&str>) {
    debug_assert!(is_one_line(name), "a name with a line break forges fields");
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    lines::write_data(data, |piece| out.extend_from_slice(piece));
    if let Some(position) = id {
        id_line(out, position);
    }
    out.push(b'\n');
}

/// An event without a name: what `onmessage` gets.
pub fn message(out: &mut Vec<u8>, data: &str) {
    lines::write_data(data, |piece| out.extend_from_slice(piece));
    out.push(b'\n');
}

fn id_line(out: &mut Vec<u8>, position: &str) {
    debug_assert!(is_one_line(position), "a position with a line break forges fields");
    debug_assert!(!position.is_empty(), "an empty id makes the client forget its place");
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(position.as_bytes());
    out.push(b'\n');
}

fn is_one_line(text: &str) -> bool {
    memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_none()
}
