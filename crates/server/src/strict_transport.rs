//! `Strict-Transport-Security` (RFC 6797): browsers ask a host over HTTPS only, also where a link says `http`.

use std::fmt;
use std::str::FromStr;

use fanfare_protocol::limits::HSTS_BYTES_MAX;
use http::HeaderValue;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrictTransport(HeaderValue);

impl StrictTransport {
    /// What it looks like, for those who wrote something else.
    pub const EXPECTED: &'static str = "what the header Strict-Transport-Security says, such as \"max-age=31536000\" or \"max-age=31536000; includeSubDomains\"";

    /// As the header has it.
    #[must_use]
    pub(crate) const fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromStr for StrictTransport {
    type Err = &'static str;

    /// Takes `max-age` once, `includeSubDomains` and `preload` at most once, in any order (RFC 6797, section 6.1).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut seen = Vec::new();
        for directive in text.split(';').map(str::trim) {
            let (name, value) =
                directive.split_once('=').map_or((directive, None), |(name, value)| (name, Some(value)));
            let name = name.to_ascii_lowercase();
            let is_good = match (&*name, value) {
                ("max-age", Some(seconds)) => seconds.parse::<u32>().is_ok() && !seconds.starts_with('+'),
                ("includesubdomains" | "preload", None) => true,
                _ => false,
            };
            if !is_good || seen.contains(&name) {
                return Err(Self::EXPECTED);
            }
            seen.push(name);
        }
        if !seen.iter().any(|name| name == "max-age") || text.len() > HSTS_BYTES_MAX {
            return Err(Self::EXPECTED);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| Self::EXPECTED)
    }
}

impl fmt::Display for StrictTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_header_says_and_nothing_else() {
        for text in ["max-age=0", "max-age=31536000; includeSubDomains", "preload;includesubdomains; max-age=1"] {
            assert_eq!(text.parse::<StrictTransport>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "31536000",
            "max-age",
            "max-age=",
            "max-age=+1",
            "max-age=1y",
            "max-age=1;",
            "max-age=1; max-age=2",
            "includeSubDomains",
            "max-age=1; includeSubDomains=1",
            "max-age=1; other",
            "max-age=1\r\nx: y",
        ] {
            assert!(wrong.parse::<StrictTransport>().is_err(), "{wrong:?}");
        }
    }
}
