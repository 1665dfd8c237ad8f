//! Services outside that are asked: issuers for their keys, and an application about requests.

use std::time::Duration;

use super::units::{KIB, less};

/// Largest head of an answer, in bytes.
pub const ASK_HEAD_BYTES_MAX: usize = 32 * KIB;
/// Addresses of one name that are tried.
pub const ASK_ADDRESSES_MAX: usize = 8;
/// Names that are looked up at once: a look-up that hangs cannot be ended.
pub const ASK_LOOKUPS_MAX: usize = 8;
/// Largest file of certificates of authorities, in bytes. Those of systems have about 220 KiB.
pub const AUTHORITIES_BYTES_MAX: usize = 2 * 1024 * KIB;
/// How often it is looked whether there is something to be logged of what was asked.
pub const ASK_LOG_INTERVAL: Duration = Duration::from_secs(1);

const _: () = {
    // The least that hyper accepts.
    assert!(ASK_HEAD_BYTES_MAX >= 8 * KIB);
    assert!(ASK_ADDRESSES_MAX > 0 && ASK_LOOKUPS_MAX > 0);
};

/// `forward_auth.timeout`: how long its answer is waited for, the wait for a place included.
pub const FORWARD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// The least that it may say.
pub const FORWARD_TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The most.
pub const FORWARD_TIMEOUT_MAX: Duration = Duration::from_secs(4);
/// `forward_auth.concurrency`: questions under way at once.
pub const FORWARD_CONCURRENCY_DEFAULT: usize = 64;
/// The most that it may say.
pub const FORWARD_CONCURRENCY_MAX: usize = 512;
/// Questions that wait until one of those is answered. One more is not asked.
pub const FORWARD_WAITING_MAX: usize = 192;
/// And those of one address, once half of that number wait.
pub const FORWARD_WAITING_SHARE: usize = 24;
/// `forward_auth.keep`: how long what was allowed is, if it is asked for again.
pub const FORWARD_KEEP_DEFAULT: Duration = Duration::from_secs(2);
/// The most that it may say.
pub const FORWARD_KEEP_MAX: Duration = Duration::from_secs(60);
/// Grants that are kept. Two that share a place forget each other.
pub const FORWARD_KEPT_MAX: usize = 1_024;
/// Largest answer, in bytes.
pub const FORWARD_ANSWER_BYTES_MAX: usize = 32 * KIB;
/// Headers of a request that are sent along.
pub const FORWARD_HEADERS_MAX: usize = 16;
/// `forward_auth.lifetime`: how long a grant lasts whose answer does not say it.
pub const FORWARD_LIFETIME_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The least that it, and `forward_auth.max_lifetime`, may say.
pub const FORWARD_LIFETIME_MIN: Duration = Duration::from_secs(10);
/// `forward_auth.max_lifetime`: how long a grant lasts at most.
pub const FORWARD_MAX_LIFETIME_DEFAULT: Duration = Duration::from_secs(3_600);
/// The most that both may say.
pub const FORWARD_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

const _: () = {
    assert!(less(FORWARD_TIMEOUT_MIN, FORWARD_TIMEOUT_DEFAULT) && less(FORWARD_TIMEOUT_DEFAULT, FORWARD_TIMEOUT_MAX));
    assert!(FORWARD_CONCURRENCY_DEFAULT <= FORWARD_CONCURRENCY_MAX && less(FORWARD_KEEP_DEFAULT, FORWARD_KEEP_MAX));
    // An address that waits with its share leaves room for others that do.
    assert!(FORWARD_WAITING_SHARE > 0 && FORWARD_WAITING_SHARE * 4 <= FORWARD_WAITING_MAX / 2);
    assert!(less(FORWARD_LIFETIME_MIN, FORWARD_LIFETIME_DEFAULT));
    assert!(less(FORWARD_LIFETIME_DEFAULT, FORWARD_MAX_LIFETIME_DEFAULT));
    assert!(less(FORWARD_MAX_LIFETIME_DEFAULT, FORWARD_LIFETIME_MAX));
    // What is kept, if all of it is as large as may be; a place is found by 16 bits.
    assert!(FORWARD_KEPT_MAX * FORWARD_ANSWER_BYTES_MAX <= 32 * 1024 * KIB);
    assert!(FORWARD_KEPT_MAX.is_power_of_two() && FORWARD_KEPT_MAX <= 1 << 16);
};
