//! File < environment < flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::declare::Raw;
use super::error::{ConfigError, Place, Problem};
use super::keys::Config;
use super::{check, file};

/// The prefix of every environment variable that is read.
const ENV_PREFIX: &str = "FANFARE__";

/// Where to read from. Collected by the caller, so that tests need no process environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file, if one was named.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not begin with `FANFARE__` are ignored.
    pub env: Vec<(String, String)>,
    /// Flags: the flag as the user wrote it, the dotted key, the value.
    pub flags: Vec<(String, String, String)>,
}

impl Sources {
    /// Reads the environment of this process; variables that are not UTF-8 are left out.
    #[must_use]
    pub fn from_process(file: Option<PathBuf>, flags: Vec<(String, String, String)>) -> Self {
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { file, env: env.collect(), flags }
    }
}

/// A configuration and where each of its values came from.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    /// The effective values.
    pub config: Config,
    /// Dotted key to the place that set it; a key that is missing here has its default.
    pub places: BTreeMap<String, Place>,
}

impl Layered {
    pub(super) fn assign(&mut self, section: &str, key: &str, raw: Raw<'_>, place: Place) -> Result<(), Problem> {
        let path = format!("{section}.{key}");
        match self.config.assign(section, key, raw) {
            Ok(true) => {
                self.places.insert(path, place);
                Ok(())
            }
            Ok(false) => Err(Problem { place, message: unknown(section, Some(key)) }),
            Err(message) => Err(Problem { place, message: format!("`{path}`: {message}") }),
        }
    }

    /// Records that the default of `path` was fitted to the value of `other`.
    pub(super) fn followed(&mut self, path: &str, other: &str) {
        if self.places.contains_key(other) {
            self.places.insert(path.to_owned(), Place::Follows(other.to_owned()));
        }
    }

    pub(super) fn place(&self, path: &str) -> Place {
        self.places.get(path).cloned().unwrap_or(Place::Default)
    }
}

/// Reads every source, in order, and checks the result.
///
/// # Errors
/// Everything that is wrong with all of them.
pub fn load(sources: &Sources) -> Result<Layered, ConfigError> {
    let mut layered = Layered::default();
    let mut problems = Vec::new();
    if let Some(path) = &sources.file {
        file::apply(path, &mut layered, &mut problems);
    }
    let mut env: Vec<_> = sources.env.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    env.sort();
    for (name, value) in env {
        let levels: Vec<String> = name[ENV_PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        let place = Place::Env(name.clone());
        let outcome = match levels.as_slice() {
            [section, key] => layered.assign(section, key, Raw::Text(value), place),
            _ => {
                Err(Problem { place, message: "expected FANFARE__SECTION__KEY, two underscores between levels".into() })
            }
        };
        problems.extend(outcome.err());
    }
    for (flag, path, value) in &sources.flags {
        let place = Place::Flag(flag.clone());
        let outcome = match path.split_once('.') {
            Some((section, key)) => layered.assign(section, key, Raw::Text(value), place),
            None => Err(Problem { place, message: format!("`{path}` is not a key; expected SECTION.KEY") }),
        };
        problems.extend(outcome.err());
    }
    // Relations between values mean something only when every value is good.
    if problems.is_empty() {
        check::follow(&mut layered);
        check::relations(&layered, &mut problems);
    }
    if problems.is_empty() { Ok(layered) } else { Err(ConfigError { problems }) }
}

/// The message for a name that is not a section, or not a key of its section.
pub(super) fn unknown(section: &str, key: Option<&str>) -> String {
    let keys = super::all_keys();
    let in_section: Vec<&str> = keys.iter().filter(|known| known.section == section).map(|known| known.name).collect();
    if in_section.is_empty() {
        let mut sections: Vec<&str> = keys.iter().map(|known| known.section).collect();
        sections.dedup();
        return format!(
            "unknown section `{section}`{}; expected one of {}",
            hint(section, &sections),
            sections.join(", ")
        );
    }
    let key = key.unwrap_or_default();
    format!("unknown key `{section}.{key}`{}; expected one of {}", hint(key, &in_section), in_section.join(", "))
}

fn hint(wrong: &str, known: &[&str]) -> String {
    let best = known.iter().map(|name| (distance(wrong, name), *name)).min();
    match best {
        Some((distance, name)) if distance <= 1 + wrong.len() / 4 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
