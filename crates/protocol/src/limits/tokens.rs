//! Tokens, and the keys that they are signed with.

use std::time::Duration;

use super::promises::CHANNEL_PATTERN_BYTES_MAX;
use super::units::{KIB, less};

/// Longest token, in bytes. Those of identity providers have one or two KiB, rarely more than four.
pub const TOKEN_BYTES_MAX: usize = 8 * KIB;
/// Patterns that a token gives for each right. Each channel of a request is compared with all of them.
pub const GRANT_PATTERNS_MAX: usize = 64;
/// Longest pattern with claims in it, before they are put in, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 2 * CHANNEL_PATTERN_BYTES_MAX;
/// Longest `sub` and `jti` of a token, in bytes: a session keeps them, so that it can be revoked.
pub const SUBJECT_BYTES_MAX: usize = 255;
/// Longest name of the claim that holds the channels, in bytes.
pub const CLAIM_NAME_BYTES_MAX: usize = 255;
/// Longest name of the cookie that holds a token, in bytes.
pub const COOKIE_NAME_BYTES_MAX: usize = 64;
/// The claim that holds the channels, where the configuration names no other.
pub const CLAIM_NAME_DEFAULT: &str = "fanfare";
/// Issuers of one node.
pub const ISSUERS_MAX: usize = 16;
/// Audiences that one issuer's tokens may be for.
pub const AUDIENCES_MAX: usize = 16;
/// Longest name of an issuer or an audience, in bytes.
pub const ISSUER_BYTES_MAX: usize = 1_024;
/// `auth.leeway`: how far the clocks of issuers and nodes may be apart.
pub const AUTH_LEEWAY_DEFAULT: Duration = Duration::from_secs(5);
/// The most that `auth.leeway` may say.
pub const AUTH_LEEWAY_MAX: Duration = Duration::from_secs(5 * 60);
/// `auth.expired_grace`: how long after its end a genuine token is refused politely, so that its holder may come with a fresh one.
pub const EXPIRED_GRACE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The most that `auth.expired_grace` may say.
pub const EXPIRED_GRACE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// `auth.max_token_lifetime`: the longest life of a token. Revocations are kept for as long.
pub const TOKEN_LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The least that `auth.max_token_lifetime` may say.
pub const TOKEN_LIFETIME_MIN: Duration = Duration::from_secs(60);
/// The most.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(366 * 86_400);
/// `auth.client_certificates.max_lifetime`: the longest validity of a client's certificate, where such certificates give grants. Revocations are
/// kept for as long. Its bounds are those of tokens.
pub const CERTIFICATE_LIFETIME_DEFAULT: Duration = Duration::from_secs(7 * 86_400);

const _: () = {
    assert!(
        less(TOKEN_LIFETIME_MIN, CERTIFICATE_LIFETIME_DEFAULT)
            && less(CERTIFICATE_LIFETIME_DEFAULT, TOKEN_LIFETIME_MAX)
    );
    assert!(less(AUTH_LEEWAY_DEFAULT, AUTH_LEEWAY_MAX) && less(AUTH_LEEWAY_DEFAULT, EXPIRED_GRACE_DEFAULT));
    assert!(less(EXPIRED_GRACE_DEFAULT, EXPIRED_GRACE_MAX));
    assert!(less(TOKEN_LIFETIME_MIN, TOKEN_LIFETIME_DEFAULT) && less(TOKEN_LIFETIME_DEFAULT, TOKEN_LIFETIME_MAX));
};

/// Shortest secret that signs tokens, in bytes: as long as the hash of HS256 (RFC 7518, section 3.2).
pub const SIGNING_SECRET_BYTES_MIN: usize = 32;
/// Longest, in bytes.
pub const SIGNING_SECRET_BYTES_MAX: usize = 4 * KIB;
/// Keys of one issuer, wherever they come from.
pub const ISSUER_KEYS_MAX: usize = 64;
/// Keys that one token is tried with.
pub const KEYS_TRIED_MAX: usize = 4;
/// Largest file of keys, and largest key set that an issuer publishes, in bytes.
pub const KEY_FILE_BYTES_MAX: usize = 256 * KIB;
/// Longest address of a service that is asked, in bytes.
pub const ASK_URL_BYTES_MAX: usize = 2 * KIB;
/// How long the answer of whoever publishes keys is waited for.
pub const KEY_SET_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a key set is read again, where its answer does not say how long it may be kept (`Cache-Control: max-age`).
pub const KEY_SET_REFRESH_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Not more often than this, whatever the answer says.
pub const KEY_SET_REFRESH_MIN: Duration = Duration::from_secs(60);
/// Not less often than this.
pub const KEY_SET_REFRESH_MAX: Duration = Duration::from_secs(24 * 3_600);
/// `max_key_age` of an issuer: how long after it was read a published key set is believed while it cannot be read again. It is read
/// twice as often at least.
pub const KEY_SET_AGE_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The least that it may say.
pub const KEY_SET_AGE_MIN: Duration = Duration::from_secs(10 * 60);
/// The most.
pub const KEY_SET_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// After a key set was read it is not read again for so long, whatever keys tokens name.
pub const KEY_SET_REST: Duration = Duration::from_secs(30);
/// The pause after a key set could not be read. It doubles with each failure.
pub const KEY_SET_RETRY_MIN: Duration = Duration::from_secs(1);
/// At most so long.
pub const KEY_SET_RETRY_MAX: Duration = Duration::from_secs(60);

const _: () = {
    assert!(SIGNING_SECRET_BYTES_MIN >= 256 / 8 && SIGNING_SECRET_BYTES_MIN < SIGNING_SECRET_BYTES_MAX);
    assert!(KEYS_TRIED_MAX <= ISSUER_KEYS_MAX);
    assert!(less(KEY_SET_REST, KEY_SET_REFRESH_MIN) && less(KEY_SET_REFRESH_MIN, KEY_SET_REFRESH_DEFAULT));
    assert!(less(KEY_SET_REFRESH_DEFAULT, KEY_SET_REFRESH_MAX));
    assert!(less(KEY_SET_RETRY_MIN, KEY_SET_RETRY_MAX));
    assert!(less(KEY_SET_AGE_MIN, KEY_SET_AGE_DEFAULT) && less(KEY_SET_AGE_DEFAULT, KEY_SET_AGE_MAX));
    // A look that fails once is repeated in time.
    assert!(KEY_SET_AGE_MIN.as_secs() >= 2 * (KEY_SET_REFRESH_MIN.as_secs() + KEY_SET_RETRY_MAX.as_secs()));
};

/// A session ends within this part of its life before its grant does, as a divisor: those whose grants end together do not come
/// back together.
pub const EXPIRY_SPREAD_PART: u32 = 10;
/// The most of it.
pub const EXPIRY_SPREAD_MAX: Duration = Duration::from_secs(60);
/// Patterns of channels that need no grant: each name of a request is compared with all of them.
pub const PUBLIC_PATTERNS_MAX: usize = 64;
/// Longest name of the parameter of a URL that may hold a token, in bytes.
pub const QUERY_PARAMETER_BYTES_MAX: usize = 64;

/// Tokens that one client may send to a connection thread, one after the other, that turn out to be worth nothing. Each costs the thread a
/// check of its signature: 20 to 200 µs of the time in which it delivers. Then the client is refused unchecked.
pub const WORTHLESS_TOKENS_MAX: u32 = 100;
/// The time after which it may send one more.
pub const WORTHLESS_TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// Clients that a connection thread remembers for it. Two that share a place forget each other.
pub const WORTHLESS_TOKEN_SENDERS_MAX: usize = 4_096;
/// How long a request waits for the keys of its token to be read again. What is known by then decides.
pub const KEYS_WAIT: Duration = Duration::from_secs(4);
/// Requests of a node that wait for that. One more is refused politely.
pub const KEYS_WAITING_MAX: usize = 256;
/// A key set that was read so long after a token was signed holds its key, or nobody does: an issuer publishes a key before it signs
/// with it, and clocks differ by `auth.leeway` at most.
pub const KEY_SET_MARGIN: Duration = AUTH_LEEWAY_MAX.saturating_add(Duration::from_secs(60));

const _: () = {
    assert!(WORTHLESS_TOKENS_MAX > 0 && WORTHLESS_TOKEN_SENDERS_MAX.is_power_of_two());
    // Their tokens are in memory.
    assert!(KEYS_WAITING_MAX * TOKEN_BYTES_MAX <= 2 * 1024 * KIB);
    assert!(less(AUTH_LEEWAY_MAX, KEY_SET_MARGIN));
};
