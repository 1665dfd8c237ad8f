//! Somebody whose tokens are believed, as a table `[[auth.issuers]]` says it.

use std::fmt;
use std::path::PathBuf;

use fanfare_auth::Algorithm;

use super::text::Secret;
use super::value::{Value, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "auth.issuers";

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
    /// What may be followed with a token that does not say it.
    pub subscribe: Vec<String>,
    /// Where may be published with it.
    pub publish: Vec<String>,
    /// What may be read as history with it.
    pub history: Option<Vec<String>>,
}

/// As the file would say it, without the secret.
impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |items: &[String]| format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "));
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
            ("subscribe", some(&self.subscribe)),
            ("publish", some(&self.publish)),
            ("history", self.history.as_deref().map(list)),
        ] {
            if let Some(value) = value {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}
