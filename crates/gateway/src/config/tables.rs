//! Tables that a file may have several of, such as `[[channels]]`. They stand in no other source: an order of tables has no place
//! in variables and flags.

use config::ValueKind;

/// A key of such a table, for the documentation.
pub(super) struct TableKey {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// `required`, or what holds without it.
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
}

/// A table as it is read: what is missing is said at the end.
pub(super) trait TableParts: Default {
    /// What it becomes.
    type Rule;
    /// The name of the tables.
    const NAME: &'static str;
    /// What they are about.
    const DOC: &'static str;
    /// There may be as many.
    const MOST: usize;
    /// Their keys.
    const KEYS: &'static [TableKey];

    /// Sets one key. `Err` says what is wrong with it.
    fn set(&mut self, key: &str, value: &ValueKind) -> Result<(), String>;

    /// The table, if nothing is missing.
    fn finish(self) -> Result<Self::Rule, String>;
}

/// What is said of a table that is one too many.
pub(super) fn too_many<T: TableParts>() -> String {
    format!("expected at most {} tables [[{}]]", T::MOST, T::NAME)
}

/// What is said where they stand in another source.
pub(super) fn file_only(name: &str) -> String {
    format!("tables [[{name}]] stand in the configuration file only")
}

/// The documentation of the tables.
pub(super) fn markdown<T: TableParts>() -> String {
    use std::fmt::Write as _;
    let mut out =
        format!("\n## `[[{}]]`\n\n{}\n\n| key | type | default | what it does |\n|---|---|---|---|\n", T::NAME, T::DOC);
    for key in T::KEYS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", key.name, key.kind, key.default, key.doc);
    }
    out
}
