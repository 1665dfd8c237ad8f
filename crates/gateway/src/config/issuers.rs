//! The tables `[[auth.issuers]]` of the file.

use std::path::PathBuf;

use config::ValueKind;
use fanfare_auth::{Algorithm, RESERVED_ISSUERS, Template};
use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{
    AUDIENCES_MAX, CHANNEL_PATTERN_BYTES_MAX, GRANT_PATTERNS_MAX, ISSUER_BYTES_MAX, ISSUERS_MAX, KEY_SET_AGE_MAX,
    KEY_SET_AGE_MIN, SIGNING_SECRET_BYTES_MIN,
};

use super::declare::{read, within};
use super::issuer_rule::{self, IssuerRule, SECTION};
use super::names::ClaimName;
use super::tables::{TableKey, TableParts};
use super::text::{Secret, elements};
use super::value::{Span, Value, quoted, text};

/// A table as it is read.
#[derive(Default)]
pub(super) struct IssuerParts(IssuerRule);

impl TableParts for IssuerParts {
    type Rule = IssuerRule;
    const NAME: &'static str = SECTION;
    const DOC: &'static str = "Whose tokens are believed, with `auth.enabled`: a table for each, in the configuration file only. Each has one key at \
         least, of whatever kind. Paths are relative to the directory in which the node was started; the files are read once. See \
         [auth.md](auth.md).";
    const MOST: usize = ISSUERS_MAX;
    const KEYS: &'static [TableKey] = &issuer_rule::KEYS;

    fn set(&mut self, key: &str, value: &ValueKind) -> Result<(), String> {
        let named = |message| format!("`{SECTION}.{key}`: {message}");
        let rule = &mut self.0;
        match key {
            "issuer" => {
                let name = read::<Name>(value).map_err(named)?.0;
                if RESERVED_ISSUERS.contains(&&*name) {
                    return Err(named(format!(
                        "{} is the node's own name for what it grants itself; expected another",
                        quoted(&name)
                    )));
                }
                rule.issuer = Some(name);
            }
            "audience" => rule.audience = read::<Audiences>(value).map_err(named)?.0,
            "any_audience" => rule.any_audience = read(value).map_err(named)?,
            "algorithms" => rule.algorithms = read::<Algorithms>(value).map_err(named)?.0,
            "secret" => {
                rule.secret = read::<Secret>(value).map_err(named)?;
                if rule.secret.expose().is_some_and(|secret| secret.len() < SIGNING_SECRET_BYTES_MIN) {
                    return Err(named(format!(
                        "not accepted; expected at least {SIGNING_SECRET_BYTES_MIN} characters"
                    )));
                }
            }
            "secret_file" => rule.secret_file = Some(read::<FilePath>(value).map_err(named)?.0),
            "public_key_files" => rule.public_key_files = read::<FilePaths>(value).map_err(named)?.0,
            "jwks_file" => rule.jwks_file = Some(read::<FilePath>(value).map_err(named)?.0),
            "jwks_url" => rule.jwks_url = read(value).map_err(named)?,
            "max_key_age" => {
                let span = read(value).and_then(|span| within(span, &Span(KEY_SET_AGE_MIN), &Span(KEY_SET_AGE_MAX)));
                rule.max_key_age = Some(span.map_err(named)?);
            }
            "subscribe" => rule.subscribe = read::<Templates>(value).map_err(named)?.0,
            "publish" => rule.publish = read::<Templates>(value).map_err(named)?.0,
            "history" => rule.history = Some(read::<Templates>(value).map_err(named)?.0),
            "tickets" => rule.tickets = read::<Templates>(value).map_err(named)?.0,
            "claim" => rule.claim = Some(read::<ClaimName>(value).map_err(named)?.0),
            "within" => rule.within = Some(read::<Within>(value).map_err(named)?.0),
            _ => return Err(super::unknown::unknown(SECTION, Some(key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<IssuerRule, String> {
        let rule = self.0;
        if rule.audience.is_empty() != rule.any_audience {
            return Err(format!("a table [[{SECTION}]] needs `audience`, or `any_audience = true` in its place"));
        }
        let has_keys = rule.secret.expose().is_some()
            || rule.secret_file.is_some()
            || !rule.public_key_files.is_empty()
            || rule.jwks_file.is_some()
            || rule.jwks_url.0.is_some();
        if !has_keys {
            return Err(format!(
                "a table [[{SECTION}]] needs a key: `jwks_url`, `jwks_file`, `public_key_files` or `secret_file`"
            ));
        }
        if rule.max_key_age.is_some() && rule.jwks_url.0.is_none() {
            return Err(format!("a table [[{SECTION}]] has `max_key_age` without `jwks_url`: no other key has an age"));
        }
        Ok(rule)
    }
}

/// A value that only such tables have: how it is read and what a good one looks like.
macro_rules! table_value {
    ($name:ident($ty:ty), $expected:expr, $read:expr) => {
        struct $name($ty);

        impl Value for $name {
            fn kind() -> String {
                "text".into()
            }
            fn expected() -> String {
                $expected.into()
            }
            fn from_value(value: &ValueKind) -> Option<Self> {
                let read: fn(&ValueKind) -> Option<$ty> = $read;
                read(value).map(Self)
            }
            fn show(&self) -> String {
                quoted("")
            }
        }
    };
}

table_value!(Name(String), format!("a text of 1 to {ISSUER_BYTES_MAX} bytes"), |value| name(text(value)?));
table_value!(Audiences(Vec<String>), format!("1 to {AUDIENCES_MAX} texts of 1 to {ISSUER_BYTES_MAX} bytes"), |value| {
    bounded(elements(value)?.into_iter().map(name).collect::<Option<_>>()?, AUDIENCES_MAX)
});
table_value!(Algorithms(Vec<Algorithm>), "names of algorithms such as [\"RS256\"]", |value| {
    elements(value)?.into_iter().map(Algorithm::parse).collect()
});
table_value!(FilePath(PathBuf), "the path of a file", |value| path(text(value)?));
table_value!(FilePaths(Vec<PathBuf>), "paths of files", |value| elements(value)?.into_iter().map(path).collect());
table_value!(
    Templates(Vec<String>),
    format!("at most {GRANT_PATTERNS_MAX} patterns such as [\"user:{{sub}}\", \"news:*\"]"),
    |value| {
        let all: Vec<_> = elements(value)?.into_iter().map(str::to_owned).collect();
        let are_good = all.len() <= GRANT_PATTERNS_MAX && all.iter().all(|text| Template::parse(text).is_ok());
        are_good.then_some(all)
    }
);
table_value!(
    Within(Vec<Pattern>),
    format!(
        "1 to {GRANT_PATTERNS_MAX} patterns of channel names such as [\"partner:*\"], of 1 to {CHANNEL_PATTERN_BYTES_MAX} bytes"
    ),
    |value| {
        let all = elements(value)?.into_iter().map(|text| Pattern::parse(text).ok()).collect::<Option<_>>()?;
        bounded(all, GRANT_PATTERNS_MAX)
    }
);

fn name(text: &str) -> Option<String> {
    (1..=ISSUER_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn bounded<T>(items: Vec<T>, most: usize) -> Option<Vec<T>> {
    (1..=most).contains(&items.len()).then_some(items)
}
