//! What listeners show their clients: files of certificates and their keys, looked at again and again.

use std::time::Duration;

use super::tokens::KEY_FILE_BYTES_MAX;
use super::units::{KIB, less};

/// Largest file of a certificate with its chain, or of its key, in bytes.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = KEY_FILE_BYTES_MAX;
/// Certificates of one listener, one of which a client is shown by the name it asks for.
pub const CERTIFICATES_PER_LISTENER_MAX: usize = 256;
/// Certificates that may stand in one file, the server's own included.
pub const CERTIFICATE_CHAIN_MAX: usize = 16;
/// How often it is looked whether files of certificates have changed.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the log says that a certificate in use has expired, or is not valid yet.
pub const CERTIFICATE_WARNING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The name of a host in a URL, in bytes: more than names of DNS have (RFC 1035, section 2.3.4).
pub const HOST_BYTES_MAX: usize = 255;
/// `server.hsts`, in bytes.
pub const HSTS_BYTES_MAX: usize = 128;

const _: () = {
    // A chain of the longest kind has room in a file: certificates of RSA keys with many names have about 8 KiB in PEM.
    assert!(CERTIFICATE_CHAIN_MAX * 8 * KIB <= CERTIFICATE_FILE_BYTES_MAX);
    assert!(less(CERTIFICATE_LOOK_INTERVAL, CERTIFICATE_WARNING_INTERVAL));
};
