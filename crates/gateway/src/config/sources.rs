//! Where a configuration is read from: file < environment < flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{ConfigError, Place, Problem};
use super::keys::{all_keys, is_section};
use super::layer::Layer;
use super::layered::Layered;
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
    /// Names of environment variables whose values are not UTF-8.
    pub unreadable: Vec<String>,
    /// Flags: the flag as the user wrote it, the dotted key, the value.
    pub flags: Vec<(String, String, String)>,
}

impl Sources {
    /// Reads the environment of this process.
    #[must_use]
    pub fn from_process(file: Option<PathBuf>, flags: Vec<(String, String, String)>) -> Self {
        let (mut env, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            // The prefix of a name that is no UTF-8 is still to be seen.
            let name = name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned());
            match value.into_string() {
                Ok(value) => env.push((name, value)),
                Err(_) => unreadable.push(name),
            }
        }
        Self { file, env, unreadable, flags }
    }
}

/// Reads every source, in order, and checks the result.
///
/// # Errors
/// Everything that is wrong with all of them.
pub fn load(sources: &Sources) -> Result<Layered, ConfigError> {
    let mut problems = Vec::new();
    let (file, tables) = sources.file.as_ref().map(|path| file::layer(path, &mut problems)).unwrap_or_default();
    let env = env(&sources.env, &mut problems);
    // Nothing of the value is shown: it may be a secret.
    problems.extend(
        sources
            .unreadable
            .iter()
            .filter(|name| name.starts_with(ENV_PREFIX))
            .map(|name| Problem { place: Place::Env(name.clone()), message: "the value is not UTF-8".into() }),
    );
    let flags = flags(&sources.flags, &mut problems);
    // A merge, and relations between values, mean something only when every value is good.
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let mut layered = merge([file, env, flags], &mut problems);
    layered.set_tables(tables);
    check::follow(&mut layered);
    check::relations(&layered, &mut problems);
    if problems.is_empty() { Ok(layered) } else { Err(ConfigError { problems }) }
}

fn env(variables: &[(String, String)], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    let mut variables: Vec<_> = variables.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    variables.sort();
    for (name, value) in variables {
        let path = name[ENV_PREFIX.len()..].replace("__", ".").to_ascii_lowercase();
        let place = Place::Env(name.clone());
        let outcome = match section_and_key(&path) {
            Some((section, key)) if !key.contains('.') => layer.set(section, key, value.as_str().into(), place),
            _ => {
                Err(Problem { place, message: "expected FANFARE__SECTION__KEY, two underscores between levels".into() })
            }
        };
        problems.extend(outcome.err());
    }
    layer
}

fn flags(flags: &[(String, String, String)], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for (flag, path, value) in flags {
        let place = Place::Flag(flag.clone());
        let outcome = match section_and_key(path) {
            Some((section, key)) => layer.set(section, key, value.as_str().into(), place),
            None => Err(Problem { place, message: format!("`{path}` is not a key; expected SECTION.KEY") }),
        };
        problems.extend(outcome.err());
    }
    layer
}

/// The section of a dotted key and its name there. A section may stand within another one.
fn section_and_key(path: &str) -> Option<(&str, &str)> {
    let nested = path.rsplit_once('.').filter(|(section, _)| is_section(section));
    nested.or_else(|| path.split_once('.'))
}

/// Lets `config` put one layer over the other, and reads what came out on top into the typed configuration.
fn merge(layers: [Layer; 3], problems: &mut Vec<Problem>) -> Layered {
    let places: BTreeMap<String, Place> = layers.iter().flat_map(Layer::places).collect();
    let [file, env, flags] = layers;
    let merged = config::Config::builder()
        .add_source(file)
        .add_source(env)
        .add_source(flags)
        .build()
        .expect("a layer holds its values already, and collecting them cannot fail");
    let mut layered = Layered::default();
    for key in all_keys() {
        // Only the table of a section still tells the origins: `get` makes new values without one. A section in which
        // nothing is set is an error to `config`, and all defaults to us.
        let Some(value) = merged.get_table(key.section).ok().and_then(|mut table| table.remove(key.name)) else {
            continue;
        };
        let place = value.origin().and_then(|origin| places.get(origin)).cloned();
        let place = place.expect("every value in a layer has a place, and its origin names it");
        problems.extend(layered.assign(key.section, key.name, &value.kind, place).err());
    }
    layered
}
