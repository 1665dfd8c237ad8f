//! Where the program of a peer is.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Finds `program` on the PATH, or in one of the directories of daemons, which are not on the PATH of every user.
///
/// # Errors
/// When it is nowhere; the message says how to install it.
pub(super) fn find(program: &str, install: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(daemons).map(|directory| directory.join(program));
    places.find(|place| place.is_file()).with_context(|| format!("{program} is not installed: {install}"))
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn what_is_not_installed_is_said_with_the_way_to_install_it() {
        assert!(find("sh", "").unwrap().is_absolute());
        let error = find("no-such-program", "apt-get install it").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed: apt-get install it");
    }
}
