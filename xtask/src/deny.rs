//! The bans in `deny.toml` that follow from the edges: made from the table of [`edges`](crate::edges), so that cargo-deny and
//! `cargo xtask edges` cannot say different things.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::edges::{Crate, RESERVED};

const BEGIN: &str =
    "  # Made by `cargo xtask deny` from RESERVED in xtask/src/edges.rs; `make edges` fails when it is stale.\n";
const END: &str = "  # End of what is made.\n";

/// Rewrites the made part of `deny.toml`.
pub(crate) fn write(root: &Path, crates: &[Crate]) -> Result<()> {
    let text = read(root)?;
    fs::write(root.join("deny.toml"), made(&text, crates)?).context("deny.toml cannot be written")
}

/// Says whether `deny.toml` is what the table makes of it.
pub(crate) fn check(root: &Path, crates: &[Crate]) -> Result<Option<String>> {
    let text = read(root)?;
    let stale = made(&text, crates)? != text;
    Ok(stale.then(|| "deny.toml has other bans than xtask/src/edges.rs: run `cargo xtask deny`".to_owned()))
}

fn read(root: &Path) -> Result<String> {
    fs::read_to_string(root.join("deny.toml")).context("deny.toml cannot be read")
}

/// The text with the part between the two comments made anew.
fn made(text: &str, crates: &[Crate]) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("deny.toml has lost the line before what is made")?;
    let (_, after) = rest.split_once(END).context("deny.toml has lost the line behind what is made")?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", bans(crates)))
}

fn bans(crates: &[Crate]) -> String {
    let mut out = String::new();
    for reserved in RESERVED {
        let (name, why, wrappers) = (reserved.name, reserved.why, reserved.dependents(crates));
        // Writing to a String cannot fail. Names and reasons are text that Rust and TOML quote alike.
        let _ = writeln!(out, "  {{ crate = {name:?}, reason = {why:?}, wrappers = {wrappers:?} }},");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Vec<Crate> {
        crate::edges::parse(&crate::cargo_metadata(&crate::root()).expect("cargo metadata")).expect("metadata")
    }

    #[test]
    fn deny_toml_bans_what_the_table_reserves() {
        assert_eq!(check(&crate::root(), &workspace()).expect("deny.toml"), None);
    }

    #[test]
    fn a_ban_changed_by_hand_is_made_anew_and_what_stands_around_it_stays() {
        let text = read(&crate::root()).expect("deny.toml");
        let by_hand =
            text.replace(r#"wrappers = ["fanfare-redis", "#, r#"wrappers = ["fanfare-server", "fanfare-redis", "#);
        assert_ne!(by_hand, text);
        assert_eq!(made(&by_hand, &workspace()).expect("both comments"), text);
    }

    #[test]
    fn without_its_two_comments_nothing_is_written() {
        assert!(made("[bans]\ndeny = []\n", &[]).is_err());
        assert!(made(BEGIN, &[]).is_err());
    }
}
