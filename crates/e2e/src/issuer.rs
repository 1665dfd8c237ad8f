//! Somebody who signs tokens, by `fanfare token mint`.

use tempfile::TempDir;

use crate::process::run_fanfare;

/// An issuer called `id`, whose tokens are for `live`. Its keys are files in a directory of its own, which tests may add to; it has one
/// from the beginning, a secret.
#[derive(Debug)]
pub struct Issuer(TempDir);

impl Issuer {
    /// What it shares with nodes, in its file `secret`.
    pub const SECRET: &str = "a secret of at least thirty-two bytes";

    /// One with a secret.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("secret"), format!("{}\n", Self::SECRET)).expect("a file");
        Self(directory)
    }

    /// A file in its directory, which need not be there.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path").to_owned()
    }

    /// The table with which a node believes it by these keys of the configuration.
    #[must_use]
    pub fn table(&self, keys: &str) -> String {
        format!("[[auth.issuers]]\nissuer = \"id\"\naudience = [\"live\"]\n{keys}\n")
    }

    /// The key of the configuration for its secret.
    #[must_use]
    pub fn secret_file(&self) -> String {
        format!("secret_file = {:?}", self.path("secret"))
    }

    /// A token that is signed with the secret, by these arguments of `fanfare token mint`.
    #[must_use]
    #[track_caller]
    pub fn token(&self, arguments: &[&str]) -> String {
        self.sign("--secret-file", "secret", arguments)
    }

    /// The same as the value of a header `Authorization`.
    #[must_use]
    #[track_caller]
    pub fn bearer(&self, arguments: &[&str]) -> String {
        format!("Bearer {}", self.token(arguments))
    }

    /// A token that is signed with the private key in this file of its directory.
    #[must_use]
    #[track_caller]
    pub fn token_by(&self, private_key: &str, arguments: &[&str]) -> String {
        self.sign("--private-key-file", private_key, arguments)
    }

    #[track_caller]
    fn sign(&self, kind: &str, key: &str, arguments: &[&str]) -> String {
        let key = self.path(key);
        mint(&[&[kind, &key, "--issuer", "id", "--audience", "live"], arguments].concat())
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}

/// What `fanfare token mint` prints.
#[must_use]
#[track_caller]
pub fn mint(arguments: &[&str]) -> String {
    let output = run_fanfare(&[&["token", "mint"], arguments].concat(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
