//! The typed configuration as the layers fill it.

use std::collections::BTreeMap;

use config::ValueKind;

use super::channel_rule::{self, ChannelRule};
use super::error::{Place, Problem};
use super::keys::Config;
use super::unknown::unknown;

/// A configuration and where each of its values came from.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    /// The effective values.
    pub config: Config,
    /// Dotted key to the place that set it; a key that is missing here has its default.
    pub places: BTreeMap<String, Place>,
}

impl Layered {
    /// Reads a value as the type of its key, and remembers its place.
    pub(super) fn assign(&mut self, section: &str, key: &str, value: &ValueKind, place: Place) -> Result<(), Problem> {
        let path = format!("{section}.{key}");
        match self.config.assign(section, key, value) {
            Ok(true) => {
                self.places.insert(path, place);
                Ok(())
            }
            Ok(false) if section == channel_rule::SECTION => Err(Problem { place, message: channel_rule::file_only() }),
            Ok(false) => Err(Problem { place, message: unknown(section, Some(key)) }),
            Err(message) => Err(Problem { place, message: format!("`{path}`: {message}") }),
        }
    }

    /// Takes the tables `[[channels]]`, which only the file has.
    pub(super) fn set_channels(&mut self, rules: Vec<(Place, ChannelRule)>) {
        for (index, (place, rule)) in rules.into_iter().enumerate() {
            self.places.insert(channels_path(index), place);
            self.config.channels.push(rule);
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

/// What a table `[[channels]]` is called among the places.
pub(super) fn channels_path(index: usize) -> String {
    format!("channels.{index}")
}
