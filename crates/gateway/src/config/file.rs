//! A TOML file, with line and column for everything that is wrong with it.

use std::ops::Range;
use std::path::Path;

use config::ValueKind;
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::channel_rule;
use super::channels::RuleParts;
use super::error::{Place, Problem};
use super::file_tables::Tables;
use super::issuers::IssuerParts;
use super::keys::{all_keys, is_section};
use super::layer::Layer;
use super::listeners::ListenerParts;
use super::tables::{TableParts, too_many};
use super::unknown::unknown;

/// A configuration is a few kilobytes; anything much larger is the wrong file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// What `path` sets, and its tables.
pub(super) fn layer(path: &Path, problems: &mut Vec<Problem>) -> (Layer, Tables) {
    let (mut layer, mut tables) = (Layer::default(), Tables::default());
    match read(path) {
        Ok(text) => {
            let mut found = Vec::new();
            Reader { path, text: &text, layer: &mut layer, tables: &mut tables, problems: &mut found }.document();
            // The parser hands out keys by name; people read by line.
            found.sort_by_key(|problem| match problem.place {
                Place::File { line, column, .. } => (line, column),
                _ => (0, 0),
            });
            problems.append(&mut found);
        }
        Err(message) => problems.push(Problem { place: Place::WholeFile(path.to_owned()), message }),
    }
    (layer, tables)
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > FILE_MAX_BYTES {
        return Err(format!("is {size} bytes long; a configuration file has at most {FILE_MAX_BYTES}"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 (byte {})", error.utf8_error().valid_up_to()))
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    layer: &'a mut Layer,
    tables: &'a mut Tables,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let place = self.place(error.span().unwrap_or(0..0));
            self.problems.push(Problem { place, message: format!("not TOML: {}", error.message().trim()) });
        }
        for (name, value) in document.get_ref() {
            if name.get_ref() == channel_rule::SECTION {
                self.tables.channels = self.several::<RuleParts>(value);
            } else {
                self.section(name, value);
            }
        }
    }

    fn section(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let section = name.get_ref().as_ref();
        if !is_section(section) {
            return self.problem(name.span(), unknown(section, None));
        }
        self.keys(section, value);
    }

    fn keys(&mut self, section: &str, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            return self
                .problem(value.span(), format!("`{section}` is a section; expected [{section}] and its keys below"));
        };
        for (key, value) in table {
            if section == "server" && key.get_ref() == "listen" && matches!(value.get_ref(), DeValue::Array(_)) {
                self.tables.listeners = self.several::<ListenerParts>(value);
                continue;
            }
            if section == "auth" && key.get_ref() == "issuers" {
                self.tables.issuers = self.several::<IssuerParts>(value);
                continue;
            }
            let nested = format!("{section}.{}", key.get_ref());
            if is_section(&nested) {
                self.keys(&nested, value);
                continue;
            }
            let known = all_keys().iter().any(|known| known.section == section && known.name == key.get_ref());
            // An unknown key is marked at its name, a bad value at the value.
            let span = if known { value.span() } else { key.span() };
            let place = self.place(span);
            let outcome = self.layer.set(section, key.get_ref(), kind(value.get_ref()), place);
            self.problems.extend(outcome.err());
        }
    }

    /// Tables of one name, in their order.
    fn several<T: TableParts>(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(Place, T::Rule)> {
        let mut rules = Vec::new();
        let DeValue::Array(tables) = value.get_ref() else {
            self.problem(value.span(), format!("expected tables [[{}]]", T::NAME));
            return rules;
        };
        for (index, table) in tables.iter().enumerate() {
            if index >= T::MOST {
                self.problem(table.span(), too_many::<T>());
                return rules;
            }
            let DeValue::Table(keys) = table.get_ref() else {
                self.problem(table.span(), format!("expected a table [[{}]]", T::NAME));
                continue;
            };
            let mut parts = T::default();
            let mut is_good = true;
            for (key, value) in keys {
                if let Err(message) = parts.set(key.get_ref(), &kind(value.get_ref())) {
                    is_good = false;
                    // As everywhere: an unknown key is marked at its name.
                    let known = T::KEYS.iter().any(|known| known.name == key.get_ref());
                    self.problem(if known { value.span() } else { key.span() }, message);
                }
            }
            match parts.finish() {
                Ok(rule) => {
                    let place = self.place(table.span());
                    rules.push((place, rule));
                }
                // What is wrong with a key has been said.
                Err(message) if is_good => self.problem(table.span(), message),
                Err(_) => {}
            }
        }
        rules
    }

    fn problem(&mut self, span: Range<usize>, message: String) {
        let place = self.place(span);
        self.problems.push(Problem { place, message });
    }

    fn place(&self, span: Range<usize>) -> Place {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: self.path.to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        }
    }
}

/// A TOML value as `config` has it.
fn kind(value: &DeValue<'_>) -> ValueKind {
    let nested = |value: &Spanned<DeValue<'_>>| config::Value::new(None, kind(value.get_ref()));
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => ValueKind::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => ValueKind::Boolean(*yes),
        DeValue::Array(items) => ValueKind::Array(items.iter().map(nested).collect()),
        DeValue::Table(table) => {
            ValueKind::Table(table.iter().map(|(name, value)| (name.get_ref().to_string(), nested(value))).collect())
        }
        // `config` would make text of it, and a date would pass for a prefix or a secret.
        DeValue::Datetime(_) => ValueKind::Nil,
    }
}

/// 128 bits, so that a number that is too large for every key can still be named when it is refused.
fn integer(number: &DeInteger<'_>) -> ValueKind {
    let digits = number.as_str().replace('_', "");
    i128::from_str_radix(&digits, number.radix())
        .map_or_else(|_| ValueKind::Float(digits.parse().unwrap_or(f64::INFINITY)), ValueKind::I128)
}
