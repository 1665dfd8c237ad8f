//! Services outside that are asked: issuers for their keys, and an application about requests.

use std::time::Duration;

use super::tokens::{ISSUERS_MAX, KEY_SET_TIMEOUT};
use super::units::{KIB, less};

/// Largest head of an answer, in bytes.
pub const ASK_HEAD_BYTES_MAX: usize = 32 * KIB;
/// Addresses of one name that are tried.
pub const ASK_ADDRESSES_MAX: usize = 8;
/// Names of services: those of issuers and of the application. One look-up of each is under way at most.
pub const ASK_NAMES_MAX: usize = ISSUERS_MAX + 1;
/// Threads that look names up, since a look-up that hangs cannot be ended: no name waits for another's.
pub const ASK_LOOKUPS_MAX: usize = ASK_NAMES_MAX;
/// For how long the addresses of a name are taken without a look-up.
pub const ASK_NAME_FRESH: Duration = Duration::from_secs(5);
/// How old they may be where a look-up fails, or takes longer than the next.
pub const ASK_NAME_STALE_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a look-up may take, from its beginning, before older addresses are taken.
pub const ASK_NAME_WAIT: Duration = Duration::from_millis(250);
/// How long an address may be silent before the next is tried beside it (RFC 8305, section 5).
pub const ASK_NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// How long an address that did not answer is tried after the others.
pub const ASK_SILENT_AGE: Duration = Duration::from_secs(60);
/// Such addresses that are remembered.
pub const ASK_SILENT_MAX: usize = 64;
/// How long a connection to a service waits for the next question. Shorter than what servers usually wait (Node.js: 5 s).
pub const ASK_IDLE: Duration = Duration::from_secs(4);
/// Connections that wait.
pub const ASK_IDLE_MAX: usize = 64;
/// How old a connection may be that gets another question: new addresses of a service are taken, and old machines left, within this time.
pub const ASK_CONNECTION_LIFE: Duration = Duration::from_secs(20);
/// Largest file of certificates of authorities, in bytes. Those of systems have about 220 KiB.
pub const AUTHORITIES_BYTES_MAX: usize = 2 * 1024 * KIB;
/// How often it is looked whether there is something to be logged of what was asked.
pub const ASK_LOG_INTERVAL: Duration = Duration::from_secs(1);

const _: () = {
    // The least that hyper accepts.
    assert!(ASK_HEAD_BYTES_MAX >= 8 * KIB);
    // A connection ends after the answer to its last question.
    assert!(ASK_ADDRESSES_MAX > 0 && less(ASK_IDLE, ASK_CONNECTION_LIFE) && less(KEY_SET_TIMEOUT, ASK_CONNECTION_LIFE));
    assert!(less(ASK_NAME_FRESH, ASK_NAME_STALE_MAX) && less(FORWARD_TIMEOUT_MAX, ASK_CONNECTION_LIFE));
    // Every address of a name is tried within the time of a question, and one that does not answer leaves time for the next.
    assert!(ASK_NEXT_ADDRESS.as_millis() * (ASK_ADDRESSES_MAX as u128) < FORWARD_TIMEOUT_DEFAULT.as_millis());
    assert!(ASK_SILENT_MAX >= ASK_ADDRESSES_MAX);
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
/// The patterns of one that is kept, in bytes.
pub const FORWARD_KEPT_BYTES_MAX: usize = 16 * KIB;
/// Denials whose beginning is remembered. Two that share a place forget each other.
pub const FORWARD_DENIALS_MAX: usize = 4_096;
/// `forward_auth.denied_grace`: how long a client that comes back is told that it may come again, since the first denial.
pub const FORWARD_DENIED_GRACE_DEFAULT: Duration = Duration::from_secs(2 * 60);
/// The most that it may say.
pub const FORWARD_DENIED_GRACE_MAX: Duration = Duration::from_secs(3_600);
/// How long the application has to give clear answers before the log says that it does, and how long it says no other reason.
pub const FORWARD_LOG_PAUSE: Duration = Duration::from_secs(10);
/// How much longer than its time a question may take, so that who asks can say what it waited for.
pub const FORWARD_MARGIN: Duration = Duration::from_millis(250);
/// Largest answer, in bytes.
pub const FORWARD_ANSWER_BYTES_MAX: usize = 32 * KIB;
/// Headers of a request that are sent along.
pub const FORWARD_HEADERS_MAX: usize = 16;
/// `forward_auth.lifetime`: how long a grant lasts whose answer does not say it.
pub const FORWARD_LIFETIME_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The least that it, and `forward_auth.max_lifetime`, may say. An answer that says less means this.
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
    assert!(less(ASK_LOG_INTERVAL, FORWARD_LOG_PAUSE));
    assert!(less(FORWARD_LIFETIME_MIN, FORWARD_LIFETIME_DEFAULT));
    assert!(less(FORWARD_LIFETIME_DEFAULT, FORWARD_MAX_LIFETIME_DEFAULT));
    assert!(less(FORWARD_MAX_LIFETIME_DEFAULT, FORWARD_LIFETIME_MAX));
    // What is kept, if all of it is as large as may be; a place is found by 16 bits.
    assert!(FORWARD_KEPT_MAX * FORWARD_KEPT_BYTES_MAX <= 16 * 1024 * KIB);
    assert!(FORWARD_DENIALS_MAX.is_power_of_two() && FORWARD_DENIALS_MAX <= 1 << 16);
    assert!(
        less(FORWARD_DENIED_GRACE_DEFAULT, FORWARD_DENIED_GRACE_MAX) && less(FORWARD_MARGIN, FORWARD_TIMEOUT_DEFAULT)
    );
    assert!(FORWARD_KEPT_MAX.is_power_of_two() && FORWARD_KEPT_MAX <= 1 << 16);
};
