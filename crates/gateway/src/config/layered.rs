//! The typed configuration as the layers fill it.

use std::collections::BTreeMap;

use config::ValueKind;

use super::channel_rule;
use super::error::{Place, Problem};
use super::file_tables::Tables;
use super::issuer_rule;
use super::keys::Config;
use super::listener_rule;
use super::tables::file_only;
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
            Ok(false) if section == channel_rule::SECTION => Err(Problem { place, message: file_only(section) }),
            Ok(false) if path == issuer_rule::SECTION => Err(Problem { place, message: file_only(&path) }),
            Ok(false) => Err(Problem { place, message: unknown(section, Some(key)) }),
            Err(message) => Err(Problem { place, message: format!("`{path}`: {message}") }),
        }
    }

    /// Takes the tables that only the file has.
    pub(super) fn set_tables(&mut self, tables: Tables) {
        for (index, (place, rule)) in tables.channels.into_iter().enumerate() {
            self.places.insert(table_path(channel_rule::SECTION, index), place);
            self.config.channels.push(rule);
        }
        // As a value of the environment or a flag, that key overrides what the file says.
        if self.place(listener_rule::SECTION) == Place::Default {
            for (index, (place, rule)) in tables.listeners.into_iter().enumerate() {
                self.places.insert(table_path(listener_rule::SECTION, index), place);
                self.config.listeners.push(rule);
            }
        }
        if let Some((place, _)) = tables.issuers.first() {
            self.places.insert(issuer_rule::SECTION.to_owned(), place.clone());
        }
        for (index, (place, rule)) in tables.issuers.into_iter().enumerate() {
            self.places.insert(table_path(issuer_rule::SECTION, index), place);
            self.config.issuers.push(rule);
        }
    }

    /// Records that the default of `path` was fitted to the value of `other`.
    pub(super) fn followed(&mut self, path: &str, other: &str) {
        if self.places.contains_key(other) {
            self.places.insert(path.to_owned(), Place::Follows(other.to_owned()));
        }
    }

    /// Where the listener at this place among all was told of its certificates.
    pub(crate) fn place_of_listener(&self, index: usize) -> Place {
        if self.config.listeners.is_empty() {
            return self.place("server.certificate");
        }
        self.place(&table_path(listener_rule::SECTION, index))
    }

    pub(super) fn place(&self, path: &str) -> Place {
        self.places.get(path).cloned().unwrap_or(Place::Default)
    }
}

/// What one of several tables is called among the places.
pub(super) fn table_path(section: &str, index: usize) -> String {
    format!("{section}.{index}")
}
