//! A TOML file, with line and column for everything that is wrong with it.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::declare::Raw;
use super::error::{Place, Problem};
use super::layers::{Layered, unknown};

/// A configuration is a few kilobytes; anything much larger is the wrong file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Reads `path` over what is there.
pub(super) fn apply(path: &Path, layered: &mut Layered, problems: &mut Vec<Problem>) {
    match read(path) {
        Ok(text) => {
            let mut found = Vec::new();
            Reader { path, text: &text, layered, problems: &mut found }.document();
            // The parser hands out keys by name; people read by line.
            found.sort_by_key(|problem| match problem.place {
                Place::File { line, column, .. } => (line, column),
                _ => (0, 0),
            });
            problems.append(&mut found);
        }
        Err(message) => problems.push(Problem { place: Place::WholeFile(path.to_owned()), message }),
    }
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
    layered: &'a mut Layered,
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
            self.section(name, value);
        }
    }

    fn section(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let section = name.get_ref().as_ref();
        if !super::all_keys().iter().any(|key| key.section == section) {
            return self.problem(name.span(), unknown(section, None));
        }
        let DeValue::Table(table) = value.get_ref() else {
            return self
                .problem(value.span(), format!("`{section}` is a section; expected [{section}] and its keys below"));
        };
        for (key, value) in table {
            let known = super::all_keys().iter().any(|known| known.section == section && known.name == key.get_ref());
            // An unknown key is marked at its name, a bad value at the value.
            let span = if known { value.span() } else { key.span() };
            let place = self.place(span);
            let outcome = self.layered.assign(section, key.get_ref(), Raw::Toml(value.get_ref()), place);
            self.problems.extend(outcome.err());
        }
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
