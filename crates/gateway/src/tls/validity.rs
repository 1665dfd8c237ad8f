//! What there is to say of a certificate by the clock.

use std::time::{Duration, SystemTime};

use fanfare_tls::{Facts, Validity};

/// The last second that a calendar date can name (RFC 9110 has four digits for the year).
const CALENDAR_END: u64 = 253_402_300_799;

/// A time in Unix seconds for people.
pub(crate) fn date(seconds: u64) -> String {
    let seconds = Duration::from_secs(seconds.min(CALENDAR_END));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + seconds)
}

/// What is wrong with a certificate at this time, in Unix seconds.
pub(crate) fn complaint(path: &str, facts: &Facts, now: u64) -> Option<String> {
    match facts.validity(now) {
        Validity::Valid => None,
        Validity::Expired => Some(format!(
            "{path}: the certificate has expired on {}; clients refuse it until it is replaced",
            date(facts.ends)
        )),
        Validity::NotYet => Some(format!(
            "{path}: the certificate is not valid before {}; clients refuse it until then, or the clock of this machine is wrong",
            date(facts.begins)
        )),
    }
}
