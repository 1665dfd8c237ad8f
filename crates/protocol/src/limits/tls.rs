//! TLS towards clients.

use super::admission::SILENT_SOCKETS_DEFAULT;
use super::units::{KIB, MIB};

/// The most that a client may send of messages that are not complete before the handshake is done, in bytes: a record of the largest
/// size and some. A first message is 2 KiB; a chain of certificates seldom has 10.
pub const TLS_HANDSHAKE_BYTES_MAX: usize = 20 * KIB;
/// Records without data that a client may send beyond those that its data pays for. A stream's client sends no data for days, and few
/// clients ever change a key of their own.
pub const TLS_RECORDS_WITHOUT_DATA_MAX: u32 = 256;
/// Bytes of data that pay for one of them.
pub const TLS_DATA_FOR_A_RECORD_WITHOUT: u32 = 256;
/// Records that are opened before others on the thread have their turn.
pub const TLS_RECORDS_PER_TURN: u32 = 32;

const _: () = {
    // Who fills every place of a silent socket with a part of a handshake holds less than the memory of a small node.
    assert!(TLS_HANDSHAKE_BYTES_MAX * SILENT_SOCKETS_DEFAULT <= 320 * MIB);
};
