//! Who may connect, and how much of a node one client may take.

use std::time::Duration;

use super::units::{KIB, less};

/// `admission.max_connections`: connections of a node.
pub const CONNECTIONS_DEFAULT: usize = 100_000;
/// `admission.per_address`: connections of one client address. High, because a balancer in front
/// is one address.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 50_000;
/// `admission.connects_per_second`: connections that a node accepts in a second.
pub const CONNECTS_PER_SECOND_DEFAULT: usize = 50_000;
/// `admission.per_subject`: streams of one subject on a node. More than a person has, and a hundredth of the node's places.
pub const STREAMS_PER_SUBJECT_DEFAULT: usize = 1_000;
/// `admission.address_connects_per_second`: the same from one client address. Others find as much again; high, because a balancer in front
/// is one address.
pub const ADDRESS_CONNECTS_PER_SECOND_DEFAULT: usize = 25_000;
/// `admission.subject_connects_per_second`: the same of one subject. What it may have open comes back within four seconds.
pub const SUBJECT_CONNECTS_PER_SECOND_DEFAULT: usize = 250;
/// `admission.address_channels_per_second`: channels in the subscriptions of one client address, in a second.
pub const ADDRESS_CHANNELS_PER_SECOND_DEFAULT: usize = 100_000;
/// `admission.subject_channels_per_second`: the same of one subject.
pub const SUBJECT_CHANNELS_PER_SECOND_DEFAULT: usize = 2_000;
/// `admission.subject_publishes_per_second`: events that one subject publishes in a second.
pub const SUBJECT_PUBLISHES_PER_SECOND_DEFAULT: usize = 1_000;
/// Addresses, and subjects, whose rates are told apart. Two that share a place forget each other, and have what they may have at once.
pub const ADMISSION_PAYERS_MAX: usize = 4_096;
/// Connections beyond `admission.max_connections` that are accepted to be told so, politely.
pub const CONNECTIONS_HEADROOM: usize = 1_024;
/// The same beyond `admission.per_address`, for each address.
pub const CONNECTIONS_PER_ADDRESS_HEADROOM: usize = 16;
/// Connections that may wait in the kernel to be accepted, which caps it itself (`net.core.somaxconn`).
pub const LISTEN_BACKLOG_DEFAULT: u32 = 4_096;
/// `[[server.listen]]`: listeners of a node.
pub const LISTENERS_MAX: usize = 8;
/// The path of a Unix socket, in bytes (`sun_path` of unix(7), without the zero at its end).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Who may connect to a Unix socket: its owner and its group.
pub const SOCKET_MODE_DEFAULT: u32 = 0o660;
/// How long a node that starts waits for others that make a Unix socket in the same directory, which takes them a moment.
pub const SOCKET_DIRECTORY_LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it looks meanwhile.
pub const SOCKET_DIRECTORY_LOOK: Duration = Duration::from_millis(10);
/// Accepted sockets on their way to one connection thread.
pub const HANDOFF_MAX: usize = 1_024;
/// Addresses and subjects whose refusals are remembered.
pub const ADDRESSES_TRACKED_MAX: usize = 65_536;
/// Least `retry:` of a refusal.
pub const REFUSAL_RETRY_MIN: Duration = Duration::from_secs(5);
/// Most `retry:` of a refusal, however often an address comes back.
pub const REFUSAL_RETRY_MAX: Duration = Duration::from_secs(120);

/// Most `retry:` of a refusal that the address did not cause itself: an overloaded or draining node, a store that is away.
pub const REFUSAL_RETRY_SHARED_MAX: Duration = Duration::from_secs(15);
/// `server.trusted_proxies`: networks in the list. Content delivery networks publish some twenty to two hundred.
pub const TRUSTED_PROXIES_MAX: usize = 256;
/// Elements of a forwarding header that are read, from the right: every one but the last must be a trusted proxy, and no
/// sensible chain has so many.
pub const FORWARDED_HOPS_MAX: usize = 32;
/// Longest header of the PROXY protocol, in bytes: 52 for addresses of IPv6, the rest for TLVs, of which a client's
/// certificate is the largest.
pub const PROXY_HEADER_BYTES_MAX: usize = 4 * KIB;

const _: () = {
    assert!(less(REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX) && less(REFUSAL_RETRY_SHARED_MAX, REFUSAL_RETRY_MAX));
    assert!(STREAMS_PER_SUBJECT_DEFAULT < CONNECTIONS_PER_ADDRESS_DEFAULT);
    // One address leaves as much to others as it takes, and one subject leaves nearly all to others at its address.
    assert!(2 * ADDRESS_CONNECTS_PER_SECOND_DEFAULT <= CONNECTS_PER_SECOND_DEFAULT);
    assert!(SUBJECT_CONNECTS_PER_SECOND_DEFAULT < ADDRESS_CONNECTS_PER_SECOND_DEFAULT);
    assert!(SUBJECT_CHANNELS_PER_SECOND_DEFAULT < ADDRESS_CHANNELS_PER_SECOND_DEFAULT);
    assert!(ADMISSION_PAYERS_MAX.is_power_of_two());
    assert!(less(SOCKET_DIRECTORY_LOOK, SOCKET_DIRECTORY_LOCK_TIMEOUT));
    // The smallest list that the specification of the PROXY protocol wants read: addresses of sockets of a file system.
    assert!(PROXY_HEADER_BYTES_MAX >= 16 + 216);
};

/// `admission.max_silent`: sockets of a node that have no request under way: they have sent none yet, or only part of one, or
/// keep the connection for another. Twice what two core threads are handed at once: clients of a storm that send their request
/// with their first packets are silent for less than a turn of their thread.
pub const SILENT_SOCKETS_DEFAULT: usize = 16_384;
/// `admission.silent_per_address`: the same of one client address. High, because a balancer in front is one address.
pub const SILENT_SOCKETS_PER_ADDRESS_DEFAULT: usize = 4_096;
/// Bytes of a record of TLS that is waited for on a stream, whose client has nothing to say there. A part of it stays in memory until
/// the rest comes. An alert or an update of keys is shorter than 64.
pub const STREAM_RECORD_BYTES_MAX: usize = KIB;
/// Bytes that a client may send on its stream after the request. Clients have nothing to say there.
pub const STREAM_INPUT_BYTES_MAX: usize = 16 * KIB;

const _: () = {
    assert!(
        SILENT_SOCKETS_PER_ADDRESS_DEFAULT < SILENT_SOCKETS_DEFAULT && SILENT_SOCKETS_DEFAULT < CONNECTIONS_DEFAULT
    );
    assert!(2 * HANDOFF_MAX < SILENT_SOCKETS_PER_ADDRESS_DEFAULT);
    // A session counts them in 16 bits.
    assert!(STREAM_INPUT_BYTES_MAX < u16::MAX as usize);
};

/// The part of a node's places that silent sockets have at most, as a divisor, whatever `admission.max_silent` allows.
pub const SILENT_SHARE_PART: usize = 2;
/// The places that they have on the smallest node: a browser opens some sockets in advance.
pub const SILENT_SHARE_MIN: usize = 16;
/// A socket that has been silent for less time is not closed for the others' places: its request may be on its way.
pub const SILENT_YOUNG: Duration = Duration::from_millis(500);

const _: () = {
    assert!(SILENT_SHARE_PART > 1 && SILENT_SOCKETS_DEFAULT <= CONNECTIONS_DEFAULT / SILENT_SHARE_PART);
};
