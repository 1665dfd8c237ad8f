//! Names that a key gives to something of HTTP or of tokens, and lists of patterns.

use std::path::PathBuf;

use config::ValueKind;
use fanfare_auth::{SafeUrl, is_forwardable};
use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{
    ASK_URL_BYTES_MAX, CHANNEL_PATTERN_BYTES_MAX, CLAIM_NAME_BYTES_MAX, COOKIE_NAME_BYTES_MAX, FORWARD_HEADERS_MAX,
    PUBLIC_PATTERNS_MAX, QUERY_PARAMETER_BYTES_MAX,
};
use http::HeaderName;

use super::text::{REDACTED, elements};
use super::value::{Value, list, quoted, text};

/// Parameters that requests have anyway.
const PARAMETERS: [&str; 13] = [
    "channel",
    "ticket",
    "last",
    "lastEventId",
    "last_event_id",
    "ready",
    "close",
    "heartbeat",
    "event",
    "dedup",
    "occupancy",
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

/// Where a service outside answers, or none. Its query may hold a secret and is shown to nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceUrl(pub Option<SafeUrl>);

impl Value for ServiceUrl {
    fn kind() -> String {
        "URL".into()
    }
    fn expected() -> String {
        format!(
            "a URL such as \"https://id.example/keys\" without a user, of at most {ASK_URL_BYTES_MAX} bytes, \"http\" only for this \
             machine (localhost, 127.0.0.1) or a name or address of a private network, or \"\" for none"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        match text(value)? {
            "" => Some(Self(None)),
            url => SafeUrl::parse(url).ok().map(|url| Self(Some(url))),
        }
    }
    fn show(&self) -> String {
        let shown = |url: &SafeUrl| match url.uri().query() {
            Some(_) => format!("{url}?{REDACTED}"),
            None => url.to_string(),
        };
        quoted(&self.0.as_ref().map(shown).unwrap_or_default())
    }
    const SECRET: bool = true;
}

/// Headers of requests that are handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames(pub Vec<HeaderName>);

impl Value for HeaderNames {
    fn kind() -> String {
        "list of names".into()
    }
    fn expected() -> String {
        format!(
            "at most {FORWARD_HEADERS_MAX} names of headers such as [\"authorization\", \"cookie\"], none of them of a connection, a \
             body or the host, and none that proxies say a client's address with; in flags and the environment also separated by commas"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let name = |text: &str| text.parse().ok().filter(is_forwardable);
        let names: Vec<_> = elements(value)?.into_iter().map(name).collect::<Option<_>>()?;
        (names.len() <= FORWARD_HEADERS_MAX).then_some(Self(names))
    }
    fn show(&self) -> String {
        list(&self.0)
    }
}

/// The path of a file, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
             in flags and the environment also separated by commas"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let patterns: Self =
            elements(value)?.into_iter().map(|text| Pattern::parse(text).ok()).collect::<Option<_>>()?;
        (patterns.len() <= PUBLIC_PATTERNS_MAX).then_some(patterns)
    }
    fn show(&self) -> String {
        list(self.iter().map(Pattern::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Option<ServiceUrl> {
        ServiceUrl::from_value(&ValueKind::String(text.to_owned()))
    }

    // Seen to fail while `occupancy` was missing here: with a token of that name every stream was refused, since it is no switch.
    #[test]
    fn no_parameter_that_requests_have_anyway_holds_a_token() {
        let protocol = include_str!("../../../../docs/protocol.md");
        let of_streams =
            protocol.split("\n### The request\n").nth(1).and_then(|rest| rest.split("\n### ").next()).unwrap();
        let cells = of_streams.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let names: Vec<_> = cells.flat_map(|cell| cell.split('`').step_by(2)).filter(|name| *name != ", ").collect();
        let names = names.iter().map(|name| name.split('=').next().unwrap_or_default()).filter(|name| !name.is_empty());
        let names: std::collections::BTreeSet<_> = names.chain(PARAMETERS).collect();
        assert!(names.contains("last_event_id") && names.contains("occupancy"), "{names:?}");
        for name in names {
            assert_eq!(ParameterName::from_value(&ValueKind::String(name.to_owned())), None, "{name}");
        }
    }

    // Fails when the query is printed.
    #[test]
    fn the_address_of_a_service_is_shown_without_its_query() {
        assert_eq!(
            url("https://id.example/keys").map(|url| url.show()),
            Some("\"https://id.example/keys\"".to_owned())
        );
        let secret = url("https://id.example/keys?code=hunter2").map(|url| format!("{} {url:?}", url.show()));
        assert!(secret.is_some_and(|text| text.contains("keys?********") && !text.contains("hunter2")));
        assert_eq!(url(""), Some(ServiceUrl(None)));
        assert_eq!(url("http://192.0.2.1/keys"), None);
    }

    #[test]
    fn headers_of_connections_and_of_the_host_are_never_handed_on() {
        let names = |text: &str| HeaderNames::from_value(&ValueKind::String(text.to_owned()));
        assert!(names("authorization, X-Tenant").is_some());
        for bad in ["host", "connection", "transfer-encoding", "two words", "cookie,te", "cookie,x-forwarded-for"] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }
}
