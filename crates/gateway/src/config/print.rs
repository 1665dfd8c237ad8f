//! The effective configuration as a commented file that can be used again.

use std::fmt::Write as _;

use super::error::Place;
use super::keys::all_keys;
use super::layered::{Layered, table_path};
use super::{channel_rule, issuer_rule, listener_rule};

/// Prints every key with its documentation, its value and where that came from. Secrets are redacted.
#[must_use]
pub fn print(layered: &Layered) -> String {
    let mut out = String::new();
    let mut section = "";
    for key in all_keys() {
        if key.section != section {
            section = key.section;
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}# {}\n[{section}]", key.section_doc);
        }
        // One file cannot have the key and the tables.
        if key.path() == listener_rule::SECTION && !layered.config.listeners.is_empty() {
            continue;
        }
        for line in key.doc.lines() {
            let _ = writeln!(out, "# {}", line.trim());
        }
        let value = layered.config.show(key.section, key.name).unwrap_or_default();
        let origin = match layered.place(&key.path()) {
            Place::Default => String::new(),
            place => format!("  # from {place}"),
        };
        let _ = writeln!(out, "{} = {value}{origin}", key.name);
    }
    for (index, rule) in layered.config.listeners.iter().enumerate() {
        let _ = write!(out, "\n# from {}\n{rule}", layered.place(&table_path(listener_rule::SECTION, index)));
    }
    for (index, rule) in layered.config.channels.iter().enumerate() {
        let _ = write!(out, "\n# from {}\n{rule}", layered.place(&table_path(channel_rule::SECTION, index)));
    }
    for (index, rule) in layered.config.issuers.iter().enumerate() {
        let _ = write!(out, "\n# from {}\n{rule}", layered.place(&table_path(issuer_rule::SECTION, index)));
    }
    out
}
