//! What is said about a name that is not declared.

use super::keys::all_keys;
use super::{channel_rule, issuer_rule, listener_rule};

/// The message for a name that is not a section, or not a key of its section.
pub(super) fn unknown(section: &str, key: Option<&str>) -> String {
    let keys = all_keys();
    let in_section: Vec<&str> = match section {
        channel_rule::SECTION => channel_rule::KEYS.iter().map(|known| known.name).collect(),
        listener_rule::SECTION => listener_rule::KEYS.iter().map(|known| known.name).collect(),
        issuer_rule::SECTION => issuer_rule::KEYS.iter().map(|known| known.name).collect(),
        _ => keys.iter().filter(|known| known.section == section).map(|known| known.name).collect(),
    };
    if in_section.is_empty() {
        let mut sections: Vec<&str> = keys.iter().map(|known| known.section).collect();
        sections.dedup();
        sections.push(channel_rule::SECTION);
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
