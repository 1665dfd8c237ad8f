//! The one channel that is not public: who signs for it, and what the nodes are told of that.

use std::io;

use fanfare_e2e::run_fanfare;
use tempfile::NamedTempFile;

use crate::action::{CHANNELS, channel};

/// The channel that only those follow who have a token.
pub(crate) const PRIVATE: usize = 7;

const ISSUER: &str = "chaos";
const SECRET: &str = "what-the-issuer-of-chaos-signs-its-tokens-with";

/// The channel that others follow in place of this one.
pub(crate) fn open(index: usize) -> usize {
    if index == PRIVATE { index + 1 } else { index }
}

/// The channels that anybody may follow, in the schedule's order.
pub(crate) fn open_channels() -> impl Iterator<Item = String> {
    (0..CHANNELS).filter(|index| *index != PRIVATE).map(channel)
}

/// What the nodes' configuration says of it. Without a leeway, so that a token of the next second is a later one.
pub(crate) fn tables() -> String {
    let public: Vec<String> = open_channels().chain(["free:*".to_owned(), "closed:*".to_owned()]).collect();
    format!(
        "[auth]\nenabled = true\nleeway = \"0s\"\nmax_token_lifetime = \"60s\"\npublic = {public:?}\n\
         [[auth.issuers]]\nissuer = {ISSUER:?}\nany_audience = true\nsecret = {SECRET:?}\n\
         subscribe = [{:?}]\n[admin]\nrevocations = true\n",
        channel(PRIVATE)
    )
}

/// Signs tokens for the channel.
#[derive(Debug)]
pub(crate) struct Signer(NamedTempFile);

impl Signer {
    pub(crate) fn new() -> io::Result<Self> {
        let file = NamedTempFile::new()?;
        std::fs::write(file.path(), SECRET)?;
        Ok(Self(file))
    }

    /// A token of somebody, for so many seconds.
    pub(crate) fn sign(&self, subject: &str, lives_s: u64) -> String {
        let (secret, lives) = (self.0.path().display().to_string(), format!("{lives_s}s"));
        let arguments =
            ["token", "mint", "--secret-file", &secret, "--issuer", ISSUER, "--subject", subject, "--lifetime", &lives];
        let output = run_fanfare(&arguments, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
