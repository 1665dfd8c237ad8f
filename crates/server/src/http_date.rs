//! The `Date` of responses (RFC 9110 section 6.6.1).

use std::cell::{Cell, RefCell};
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

/// The last second that the form of the header can tell: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// The time of day as a header says it. Written at most once a second; handed out without a copy.
#[derive(Debug)]
pub(crate) struct HttpDate {
    second: Cell<u64>,
    value: RefCell<HeaderValue>,
}

impl Default for HttpDate {
    fn default() -> Self {
        Self { second: Cell::new(0), value: RefCell::new(written(0)) }
    }
}

impl HttpDate {
    /// The header's value at a time in milliseconds since the Unix epoch.
    pub(crate) fn at(&self, wall_ms: u64) -> HeaderValue {
        let second = (wall_ms / 1_000).min(LAST_SECOND);
        if self.second.replace(second) != second {
            self.value.replace(written(second));
        }
        self.value.borrow().clone()
    }
}

fn written(second: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).expect("a date is visible ASCII and spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_the_standard_has_it_and_moves_with_the_second() {
        let date = HttpDate::default();
        assert_eq!(date.at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        let (first, second) = (date.at(784_111_777_001), date.at(784_111_777_999));
        assert_eq!(first.as_bytes().as_ptr(), second.as_bytes().as_ptr(), "it was written once");
        assert_eq!(date.at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date.at(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
