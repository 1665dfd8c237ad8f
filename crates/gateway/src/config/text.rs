//! The textual types of the configuration: secrets, the Redis address, origins, the log level.

use std::fmt;

use config::ValueKind;
use fanfare_protocol::limits::TRUSTED_PROXIES_MAX;
use fanfare_redis::Options;
use fanfare_server::{Cors, Network};

use super::value::{Value, list, quoted, text};

pub(super) const REDACTED: &str = "********";

/// A secret. `Debug` and `config print` show that it is set and nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// No secret.
    pub const UNSET: Self = Self(None);

    /// The secret itself, or `None` when it is not set. The caller must not log it.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { REDACTED } else { "unset" })
    }
}

/// Shorter keys can be guessed.
const SECRET_MIN_BYTES: usize = 16;

impl Value for Secret {
    fn kind() -> String {
        "secret".into()
    }
    fn expected() -> String {
        format!("at least {SECRET_MIN_BYTES} printable ASCII characters without spaces, or \"\" for none")
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let text = text(value)?;
        if text.is_empty() {
            return Some(Self::UNSET);
        }
        let good = text.len() >= SECRET_MIN_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(Some(text.to_owned())))
    }
    fn show(&self) -> String {
        quoted(if self.0.is_some() { REDACTED } else { "" })
    }
    const SECRET: bool = true;
}

/// The address of Redis. The password in it is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// A URL known to be good: for defaults only.
    pub(crate) fn known(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// The URL with its password. The caller must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL without its password, for logs and pages. The password stands before the host, or in the query of the
    /// path of a socket, where every parameter is hidden that is not known to be harmless. A user without a password is hidden
    /// as well: most often it is a password whose `:` was forgotten.
    #[must_use]
    pub fn redacted(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return REDACTED.to_owned() };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let authority = match authority.rsplit_once('@') {
            Some((credentials, host)) => match credentials.split_once(':') {
                Some((user, password)) if !password.is_empty() => format!("{user}:{REDACTED}@{host}"),
                _ => format!("{REDACTED}@{host}"),
            },
            None => authority.to_owned(),
        };
        let Some((path, query)) = path.split_once('?') else { return format!("{scheme}://{authority}{path}") };
        let has_password = query.split('&').any(|parameter| parameter.starts_with("pass=") && parameter != "pass=");
        let redacted = |parameter: &str| redacted_parameter(parameter, has_password);
        let query: Vec<String> = query.split('&').map(redacted).collect();
        format!("{scheme}://{authority}{path}?{}", query.join("&"))
    }
}

/// A parameter of a URL, shown only if it is one of those that hold no secret, in their plain spelling.
fn redacted_parameter(parameter: &str, has_password: bool) -> String {
    match parameter.split_once('=') {
        Some(("db" | "protocol", _)) => parameter.to_owned(),
        Some(("user", _)) if has_password => parameter.to_owned(),
        Some((name, _)) => format!("{name}={REDACTED}"),
        None => REDACTED.to_owned(),
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// The schemes of Redis URLs without TLS, of hosts and of sockets.
const SCHEMES: [&str; 5] = ["redis", "valkey", "unix", "redis+unix", "valkey+unix"];

impl Value for SecretUrl {
    fn kind() -> String {
        "Redis URL".into()
    }
    fn expected() -> String {
        "redis://[user[:password]@]host[:port][/database] or unix:///path/to/socket".into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let text = text(value)?;
        let options = fanfare_redis::Options { url: text.to_owned(), ..fanfare_redis::Options::default() };
        // Without `://` right after the scheme a URL may still parse, and would be taken apart at another place when it is
        // redacted.
        let (scheme, rest) = text.split_once("://")?;
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        // A URL without a host means 127.0.0.1 to the client library, and a typing mistake to everybody else.
        let host = rest.rsplit('@').next()?;
        let named = !host.is_empty() && !host.starts_with(':') && (scheme.ends_with("unix") || !host.starts_with('/'));
        (named && options.validate().is_ok()).then(|| Self(text.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.redacted())
    }
    const SECRET: bool = true;
}

/// What stands before every channel name in Redis: never empty, because Pub/Sub ignores `SELECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(pub String);

impl Value for Prefix {
    fn kind() -> String {
        "text".into()
    }
    fn expected() -> String {
        "1 to 64 visible ASCII characters, such as \"sse:\", not starting with \"$\", \"*\" or \"?\": what begins so, or is covered by that \
         pattern, may be a key of the gateway itself, which publishers must not write"
            .into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let text = text(value)?;
        let good = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_free = || Options { prefix: text.to_owned(), ..Options::default() }.validate().is_ok();
        (good && !text.starts_with('$') && is_free()).then(|| Self(text.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// An origin (RFC 6454) whose pages may read the events, a pattern of such origins, or `*` for every origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(pub String);

impl CorsOrigin {
    fn parse(text: &str) -> Option<Self> {
        Cors::parse(&[text]).is_ok().then(|| Self(text.to_owned()))
    }
}

/// The elements of a list: an array in TOML; in the environment and in flags a text with commas, or the array as it would stand
/// in the file. No element of any list contains a comma or a quote.
pub(super) fn elements(value: &ValueKind) -> Option<Vec<&str>> {
    let list = match value {
        ValueKind::Array(items) => return items.iter().map(|item| text(&item.kind)).collect(),
        _ => text(value)?.trim(),
    };
    let list = match list.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => list,
    };
    list.split(',').map(str::trim).filter(|element| !element.is_empty()).map(unquoted).collect()
}

/// An element without the quotes around it, if there are some.
fn unquoted(element: &str) -> Option<&str> {
    match element.chars().next() {
        Some(quote @ ('"' | '\'')) => element.strip_prefix(quote)?.strip_suffix(quote),
        _ => Some(element),
    }
}

impl Value for Vec<CorsOrigin> {
    fn kind() -> String {
        "list of origins".into()
    }
    fn expected() -> String {
        "origins such as [\"https://app.example.com\", \"https://*.example.com\"] (lower case, without a path), or [\"*\"]; \
         in flags and the environment also separated by commas"
            .into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        elements(value)?.into_iter().map(CorsOrigin::parse).collect()
    }
    fn complaint(value: &ValueKind) -> Option<String> {
        let error = elements(value)?.into_iter().find_map(|text| Cors::parse(&[text]).err())?;
        Some(error.to_string())
    }
    fn show(&self) -> String {
        list(self.iter().map(|origin| &origin.0))
    }
}

impl Value for Vec<Network> {
    fn kind() -> String {
        "list of networks".into()
    }
    fn expected() -> String {
        format!(
            "at most {TRUSTED_PROXIES_MAX} addresses and networks such as [\"10.0.0.0/8\", \"2001:db8::1\"], without bits behind \
             the prefix; in flags and the environment also separated by commas"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let networks: Self = elements(value)?.into_iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        (networks.len() <= TRUSTED_PROXIES_MAX).then_some(networks)
    }
    fn show(&self) -> String {
        list(self)
    }
}

/// What is logged: a level, or directives such as `info,fanfare_redis=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(pub String);

impl Value for LogLevel {
    fn kind() -> String {
        "log level".into()
    }
    fn expected() -> String {
        "error, warn, info, debug or trace, optionally by module: \"info,fanfare_redis=debug\"".into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let text = text(value)?;
        let good = |directive: &str| {
            let level = directive.rsplit('=').next().unwrap_or_default();
            LEVELS.contains(&level) && directive.parse::<tracing_subscriber::filter::Directive>().is_ok()
        };
        (!text.is_empty() && text.split(',').all(good)).then(|| Self(text.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}
