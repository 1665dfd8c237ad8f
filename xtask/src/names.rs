//! The metrics, configuration keys and environment variables that documents name in `code spans` are those of docs/metrics.md and
//! docs/configuration.md, which are made from the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::documents::{documents, spans};

const METRICS: &str = "docs/metrics.md";
const CONFIGURATION: &str = "docs/configuration.md";

/// One sentence for each name that nothing has.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| path.to_owned());
    let (metrics, configuration) = (read(METRICS)?, read(CONFIGURATION)?);
    let (metrics, keys) = (self::metrics(&metrics), Keys::of(&configuration));
    let mut problems = Vec::new();
    for file in documents(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        for span in spans(&text) {
            if span.starts_with("fanfare_") && !is_metric(span, &metrics) {
                problems.push(format!("{name}: {METRICS} has no {span}"));
            }
            if let Some(key) = keys.unknown(span) {
                problems.push(format!("{name}: {CONFIGURATION} has no {key}"));
            }
        }
    }
    println!("names: {} metrics, {} configuration keys", metrics.len(), keys.keys.len());
    Ok(problems)
}

/// The cells of a table's row, code marks left out.
fn cells(line: &str) -> Option<Vec<String>> {
    let row = line.strip_prefix("| `")?;
    Some(row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
}

/// What the reference says of each metric: its label and, with what it says of that label's values, its help.
fn metrics(document: &str) -> BTreeMap<String, (String, String)> {
    let rows = document.lines().filter_map(cells);
    rows.filter_map(|row| match row.as_slice() {
        [name, _, label, help, ..] => Some((name.clone(), (label.clone(), help.clone()))),
        _ => None,
    })
    .collect()
}

/// Whether it is a metric, all that begin with it (`fanfare_http2_*`), or one value of a metric's label (`fanfare_gaps_total{reason="epoch"}`).
fn is_metric(span: &str, metrics: &BTreeMap<String, (String, String)>) -> bool {
    if let Some(beginning) = span.strip_suffix('*') {
        return metrics.keys().any(|name| name.starts_with(beginning));
    }
    let (name, label) = span.split_once('{').unwrap_or((span, ""));
    let Some((known, help)) = metrics.get(name) else {
        return false;
    };
    if label.is_empty() {
        return true;
    }
    let value = label.strip_prefix(known.as_str()).and_then(|rest| rest.strip_prefix("=\"")?.strip_suffix("\"}"));
    value.is_some_and(|value| help.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == value))
}

/// The keys of the reference, with their tables: `auth.enabled`, `auth.issuers.issuer`.
struct Keys {
    tables: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl Keys {
    fn of(document: &str) -> Self {
        let (mut tables, mut keys, mut table) = (BTreeSet::new(), BTreeSet::new(), String::new());
        for line in document.lines() {
            if let Some(title) = line.strip_prefix("## `[") {
                table = title.trim_matches(['[', ']', '`']).to_owned();
                tables.insert(table.clone());
            } else if let Some(row) = cells(line).filter(|_| !table.is_empty()) {
                keys.insert(format!("{table}.{}", row[0]));
            }
        }
        Self { tables, keys }
    }

    /// The key that a span names, or sets with a flag or in the environment, unless there is one.
    fn unknown(&self, span: &str) -> Option<String> {
        let set = span.split(' ').skip_while(|word| *word != "--set").nth(1);
        let word = set.unwrap_or(span).trim_start_matches('\'').split('=').next().unwrap_or_default().trim_end();
        let environment = word.strip_prefix("FANFARE__").filter(|rest| !rest.is_empty());
        let key = environment.map_or_else(|| word.to_owned(), |rest| rest.to_lowercase().replace("__", "."));
        let is_key = environment.is_some() || set.is_some() || self.looks_like_a_key(&key);
        (is_key && !self.keys.contains(&key) && !self.tables.contains(&key)).then_some(key)
    }

    /// It begins with a table, and is not a file's name.
    fn looks_like_a_key(&self, word: &str) -> bool {
        let is_name = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let (table, rest) = word.split_once('.').unwrap_or_default();
        let is_file = word.rsplit('.').next().is_some_and(|kind| ["rs", "md", "py", "toml"].contains(&kind));
        self.tables.contains(table) && rest.split('.').all(is_name) && !is_file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_known_with_their_label_and_its_values() {
        let table = "| metric | kind | label | what |\n|---|---|---|---|\n| `fanfare_gaps_total` | counter | `reason` | Gaps: epoch, far_behind (more). |\n\
                     | `fanfare_ready` | gauge |  | Ready. |\n";
        let known = metrics(table);
        let is_known = |span| is_metric(span, &known);
        assert!(
            is_known("fanfare_ready")
                && is_known("fanfare_ga*")
                && is_known("fanfare_gaps_total{reason=\"far_behind\"}")
        );
        for wrong in
            ["fanfare_reedy", "fanfare_x*", "fanfare_gaps_total{kind=\"epoch\"}", "fanfare_gaps_total{reason=\"far\"}"]
        {
            assert!(!is_known(wrong), "{wrong}");
        }
    }

    #[test]
    fn keys_are_known_as_they_are_written_in_files_flags_and_environments() {
        let keys = Keys::of(
            "## `[server]`\n\n| key | type |\n|---|---|\n| `listen` | address |\n## `[[auth.issuers]]`\n| `issuer` | text |\n",
        );
        for good in [
            "server.listen",
            "auth.issuers",
            "auth.issuers.issuer",
            "FANFARE__SERVER__LISTEN",
            "FANFARE__",
            "fanfare serve --set 'server.listen=[\"a\"]'",
            "server.rs",
            "other.thing",
        ] {
            assert_eq!(keys.unknown(good), None, "{good}");
        }
        for wrong in ["server.lisen", "server.listen.x", "FANFARE__SERVER__LISEN=1", "--set server.lisen=1"] {
            assert!(keys.unknown(wrong).is_some_and(|key| key.starts_with("server.lis")), "{wrong}");
        }
    }

    #[test]
    fn every_name_of_the_documents_is_there() {
        assert_eq!(check(&crate::root()).expect("documents"), Vec::<String>::new());
    }
}
