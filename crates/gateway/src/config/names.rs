//! Names that a key gives to something of HTTP or of tokens, and lists of patterns.

use std::path::PathBuf;

use config::ValueKind;
use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{
    CHANNEL_PATTERN_BYTES_MAX, CLAIM_NAME_BYTES_MAX, COOKIE_NAME_BYTES_MAX, PUBLIC_PATTERNS_MAX,
    QUERY_PARAMETER_BYTES_MAX,
};

use super::text::elements;
use super::value::{Value, quoted, text};

/// Parameters that requests have anyway.
const PARAMETERS: [&str; 11] = [
    "channel",
    "last",
    "lastEventId",
    "last_event_id",
    "ready",
    "close",
    "heartbeat",
    "event",
    "dedup",
    "after",
    "limit",
];

/// The name of a cookie (RFC 6265 section 4.1.1), or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(pub Option<String>);

impl Value for CookieName {
    fn kind() -> String {
        "name".into()
    }
    fn expected() -> String {
        format!("1 to {COOKIE_NAME_BYTES_MAX} letters, digits and characters of !#$%&'*+-.^_`|~, or \"\" for none")
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let name = text(value)?;
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let good = name.len() <= COOKIE_NAME_BYTES_MAX && name.bytes().all(is_good);
        good.then(|| Self(Some(name.to_owned()).filter(|name| !name.is_empty())))
    }
    fn show(&self) -> String {
        quoted(self.0.as_deref().unwrap_or_default())
    }
}

/// The name of a parameter in a query, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterName(pub Option<String>);

impl Value for ParameterName {
    fn kind() -> String {
        "name".into()
    }
    fn expected() -> String {
        format!(
            "1 to {QUERY_PARAMETER_BYTES_MAX} letters, digits and characters of -._~, and no parameter that requests have anyway, \
             or \"\" for none"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let name = text(value)?;
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let good = name.len() <= QUERY_PARAMETER_BYTES_MAX && name.bytes().all(is_good) && !PARAMETERS.contains(&name);
        good.then(|| Self(Some(name.to_owned()).filter(|name| !name.is_empty())))
    }
    fn show(&self) -> String {
        quoted(self.0.as_deref().unwrap_or_default())
    }
}

/// The name of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimName(pub String);

impl Value for ClaimName {
    fn kind() -> String {
        "name".into()
    }
    fn expected() -> String {
        format!("1 to {CLAIM_NAME_BYTES_MAX} bytes")
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let name = text(value)?;
        (1..=CLAIM_NAME_BYTES_MAX).contains(&name.len()).then(|| Self(name.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// The path of a file, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(pub Option<PathBuf>);

impl Value for FileName {
    fn kind() -> String {
        "path".into()
    }
    fn expected() -> String {
        "the path of a file, or \"\" for none".into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let path = text(value)?;
        Some(Self((!path.is_empty()).then(|| PathBuf::from(path))))
    }
    fn show(&self) -> String {
        quoted(&self.0.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
}

impl Value for Vec<Pattern> {
    fn kind() -> String {
        "list of patterns".into()
    }
    fn expected() -> String {
        format!(
            "at most {PUBLIC_PATTERNS_MAX} patterns of channel names such as [\"news:*\"], of 1 to {CHANNEL_PATTERN_BYTES_MAX} bytes; \
             in the environment also separated by commas"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let patterns: Self =
            elements(value)?.into_iter().map(|text| Pattern::parse(text).ok()).collect::<Option<_>>()?;
        (patterns.len() <= PUBLIC_PATTERNS_MAX).then_some(patterns)
    }
    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(|pattern| quoted(pattern.as_str())).collect();
        format!("[{}]", items.join(", "))
    }
}
