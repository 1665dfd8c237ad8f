//! Configuration: files and environment variables.

use std::path::PathBuf;

use fanfare_auth::SafeUrl;
use fanfare_gateway::config::{self, Layered, Place, Publish, Redis, Sources};

/// What no text that a node shows may contain; the dictionary offers it as a password.
const SECRET: &str = "hunter2-hunter2-hunter2";

/// A file, as it is.
pub(crate) fn file(data: &[u8]) {
    let file = Scratch::new(data);
    let sources = Sources { file: Some(file.0.clone()), ..Sources::default() };
    match config::load(&sources) {
        Ok(layered) => is_printed_as_it_is(layered),
        Err(error) => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            for problem in error.problems {
                match problem.place {
                    Place::File { line, column, .. } => assert!((1..=lines).contains(&line) && column >= 1),
                    Place::WholeFile(_) => assert!(std::str::from_utf8(data).is_err()),
                    place => assert!(matches!(place, Place::Default | Place::Follows(_)), "{place}"),
                }
            }
        }
    }
}

/// Variables, one a line.
pub(crate) fn env(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let env: Vec<_> = pairs.map(|(name, value)| (format!("FANFARE__{name}"), value.to_owned())).collect();
    let secret_in_names = env.iter().any(|(name, _)| name.contains(SECRET));
    let secrets_elsewhere = env.iter().any(|(name, value)| value.contains(SECRET) && !is_secret(name, value));
    match config::load(&Sources { env, ..Sources::default() }) {
        Ok(layered) => {
            let shown = format!("{}{layered:?}{}", config::print(&layered), layered.config.redis.url.redacted());
            assert!(secrets_elsewhere || !shown.contains(SECRET), "{shown}");
            is_printed_as_it_is(layered);
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            assert!(secrets_elsewhere || secret_in_names || !error.to_string().contains(SECRET), "{error}");
        }
    }
}

/// Whether the value is meant to be secret where it stands: in a key, or as the password of a URL. Not as its host.
fn is_secret(name: &str, value: &str) -> bool {
    match name.to_ascii_uppercase().as_str() {
        "FANFARE__PUBLISH__KEY" => true,
        "FANFARE__FORWARD_AUTH__URL" => {
            value.split_once('?').is_some_and(|(rest, query)| query.contains(SECRET) && !rest.contains(SECRET))
        }
        "FANFARE__REDIS__URL" => {
            let rest = value.split_once("://").map_or("", |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let credentials = authority.rsplit_once('@').map_or("", |(before, _)| before);
            let in_credentials = credentials.split_once(':').is_some_and(|(_, password)| password.contains(SECRET));
            let query = rest.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
            let in_query = value.starts_with("unix:") && query.split('&').any(|pair| pair == format!("pass={SECRET}"));
            (in_credentials || in_query) && value.matches(SECRET).count() == 1
        }
        _ => false,
    }
}

/// What is in effect, printed, means the same when it is read again. Redacted values cannot be, on purpose.
fn is_printed_as_it_is(mut layered: Layered) {
    let is_secret = |url: &Option<SafeUrl>| url.as_ref().is_some_and(|url| url.uri().query().is_some());
    let has_secrets =
        layered.config.issuers.iter().any(|issuer| issuer.secret.expose().is_some() || is_secret(&issuer.jwks_url.0));
    if has_secrets || is_secret(&layered.config.forward_auth.url.0) {
        return;
    }
    layered.config.publish = Publish::default();
    layered.config.redis.url = Redis::default().url;
    let file = Scratch::new(config::print(&layered).as_bytes());
    let again = config::load(&Sources { file: Some(file.0.clone()), ..Sources::default() });
    let again = again.unwrap_or_else(|error| panic!("what was printed is refused: {error}"));
    assert_eq!(again.config, layered.config);
}

/// A file that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(data: &[u8]) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fanfare-fuzz-{}-{number}.toml", std::process::id()));
        std::fs::write(&path, data).expect("a temporary file can be written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody misses a file that could not be removed.
        let _ = std::fs::remove_file(&self.0);
    }
}
