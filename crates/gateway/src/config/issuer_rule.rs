//! Somebody whose tokens are believed, as a table `[[auth.issuers]]` says it.

use std::fmt;
use std::path::PathBuf;

use fanfare_auth::Algorithm;
use fanfare_protocol::Pattern;

use super::names::ServiceUrl;
use super::tables::TableKey;
use super::text::Secret;
use super::value::{Span, Value, list, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "auth.issuers";

/// Their keys.
pub(super) const KEYS: [TableKey; 16] = [
    TableKey {
        name: "issuer",
        kind: "text",
        default: "any",
        doc: "What tokens have as `iss`. It may be missing where there is one issuer only.",
    },
    TableKey {
        name: "audience",
        kind: "list of texts",
        default: "required",
        doc: "Whom tokens are for: one of these stands in `aud`. What the same issuer signs for other services is worth nothing here.",
    },
    TableKey {
        name: "any_audience",
        kind: "boolean",
        default: "`false`",
        doc: "In place of `audience`: for an issuer that signs for nobody else.",
    },
    TableKey {
        name: "algorithms",
        kind: "list of names",
        default: "what its keys fit",
        doc: "With what tokens may be signed: `HS256`, `HS384`, `HS512`, `RS256` to `RS512`, `PS256` to `PS512`, `ES256`, `ES384`, `EdDSA`. A key is never used with an algorithm of another kind.",
    },
    TableKey {
        name: "secret",
        kind: "secret",
        default: "none",
        doc: "A key for `HS256` and the like, of at least 32 characters. Whoever knows it can make tokens. Prefer `secret_file`.",
    },
    TableKey {
        name: "secret_file",
        kind: "path",
        default: "none",
        doc: "A file that holds one. A line end at its end does not count.",
    },
    TableKey { name: "public_key_files", kind: "list of paths", default: "none", doc: "PEM files with public keys." },
    TableKey { name: "jwks_file", kind: "path", default: "none", doc: "A file with a key set (JWKS)." },
    TableKey {
        name: "jwks_url",
        kind: "URL",
        default: "none",
        doc: "Where the issuer publishes its key set, which the node reads again and again: `https`, or `http` on this machine, with `auth.private_http` also within private networks. No log shows its query.",
    },
    TableKey {
        name: "max_key_age",
        kind: "duration",
        default: "`\"1d\"`",
        doc: "How long published keys are believed after they were read last, while they cannot be read again, from `\"10m\"` to `\"30d\"`. With `jwks_url` only.",
    },
    TableKey {
        name: "subscribe",
        kind: "list of templates",
        default: "none",
        doc: "Channels that may be followed with its tokens: patterns in which `{sub}` or another claim's name stands for its value. With any of these four keys, what tokens say themselves is not looked at, unless `claim` is set.",
    },
    TableKey {
        name: "publish",
        kind: "list of templates",
        default: "none",
        doc: "The same for publishing by HTTP, with `publish.tokens`.",
    },
    TableKey { name: "history", kind: "list of templates", default: "as `subscribe`", doc: "The same for history." },
    TableKey {
        name: "tickets",
        kind: "list of templates",
        default: "none",
        doc: "The same for making tickets, with `auth.tickets`: whoever may do that decides who follows these channels.",
    },
    TableKey {
        name: "claim",
        kind: "name",
        default: "`auth.claim`; none with patterns",
        doc: "The claim in which its tokens say themselves what they give. A token without it gives what the patterns above say.",
    },
    TableKey {
        name: "within",
        kind: "list of patterns",
        default: "every channel",
        doc: "What its tokens give at most, whatever they say: nothing with a channel that matches none of these patterns. Without it, whoever has the key of an issuer whose claim counts may do everything with every channel.",
    },
];

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerRule {
    /// What its tokens have as `iss`.
    pub issuer: Option<String>,
    /// Whom its tokens are for.
    pub audience: Vec<String>,
    /// Whether its tokens may be for anybody.
    pub any_audience: bool,
    /// With what they are signed. Empty: with whatever its keys fit.
    pub algorithms: Vec<Algorithm>,
    /// A shared secret.
    pub secret: Secret,
    /// A file with one.
    pub secret_file: Option<PathBuf>,
    /// Files of public keys.
    pub public_key_files: Vec<PathBuf>,
    /// A file with a key set.
    pub jwks_file: Option<PathBuf>,
    /// Where a key set is published.
    pub jwks_url: ServiceUrl,
    /// How long it is believed.
    pub max_key_age: Option<Span>,
    /// What may be followed with its tokens.
    pub subscribe: Vec<String>,
    /// Where may be published with them.
    pub publish: Vec<String>,
    /// What may be read as history with them.
    pub history: Option<Vec<String>>,
    /// For what tickets may be made with them.
    pub tickets: Vec<String>,
    /// The claim in which they may say something else.
    pub claim: Option<String>,
    /// What they give at most.
    pub within: Option<Vec<Pattern>>,
}

/// As the file would say it, without the secret.
impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &PathBuf| quoted(&path.display().to_string());
        let some = |items: &Vec<String>| (!items.is_empty()).then(|| list(items));
        let algorithms: Vec<String> = self.algorithms.iter().map(|one| one.as_str().to_owned()).collect();
        let paths: Vec<String> = self.public_key_files.iter().map(|path| path.display().to_string()).collect();
        writeln!(f, "[[{SECTION}]]")?;
        for (name, value) in [
            ("issuer", self.issuer.as_deref().map(quoted)),
            ("audience", some(&self.audience)),
            ("any_audience", self.any_audience.then(|| "true".to_owned())),
            ("algorithms", some(&algorithms)),
            ("secret", self.secret.expose().map(|_| self.secret.show())),
            ("secret_file", self.secret_file.as_ref().map(path)),
            ("public_key_files", some(&paths)),
            ("jwks_file", self.jwks_file.as_ref().map(path)),
            ("jwks_url", self.jwks_url.0.as_ref().map(|_| self.jwks_url.show())),
            ("max_key_age", self.max_key_age.as_ref().map(Value::show)),
            ("subscribe", some(&self.subscribe)),
            ("publish", some(&self.publish)),
            ("history", self.history.as_deref().map(list)),
            ("tickets", some(&self.tickets)),
            ("claim", self.claim.as_deref().map(quoted)),
            ("within", self.within.as_ref().map(Value::show)),
        ] {
            if let Some(value) = value {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}
