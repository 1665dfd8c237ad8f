//! Events and their frames.

use super::units::MIB;

/// `limits.event_bytes`: largest data of an event that is delivered, in bytes.
pub const EVENT_BYTES_DEFAULT: usize = MIB;
/// The most that `limits.event_bytes` may say, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * MIB;
/// Bytes of a frame for each byte of data, at worst: an empty line becomes `data:` and its break.
pub const FRAME_BYTES_PER_DATA_BYTE_MAX: usize = 6;
/// Bytes of a frame beyond its data, at worst: chunk framing, id, event name, last line.
pub const FRAME_OVERHEAD_BYTES_MAX: usize = 512;
/// Frames (and so slices) in one vectored write.
pub const WRITE_FRAMES_MAX: usize = 64;

/// Bytes of the largest frame of an event with so much data.
pub(super) const fn frame_bytes_max(event_bytes: usize) -> usize {
    event_bytes * FRAME_BYTES_PER_DATA_BYTE_MAX + FRAME_OVERHEAD_BYTES_MAX
}
