//! Files with keys that sign tokens or check them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use fanfare_protocol::limits::KEY_FILE_BYTES_MAX;

/// What stands in such a file, or in standard input for `-`.
///
/// # Errors
/// It cannot be read, or is larger than any file of keys.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = KEY_FILE_BYTES_MAX as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{}", path.display()))?;
    if bytes.len() > KEY_FILE_BYTES_MAX {
        bail!("{}: it has more than {KEY_FILE_BYTES_MAX} bytes", path.display());
    }
    Ok(bytes)
}

/// The text of a PEM file.
///
/// # Errors
/// As [`read`], or it is no text.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(path)?).with_context(|| format!("{}", path.display()))
}

/// Whether everybody may read what stands in a file. Of standard input nothing is known.
fn is_open_to_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o004 != 0)
}

/// A shared secret. The line end that editors add is not part of it. A file that everybody on the machine can read is complained of in
/// the log.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = read(path)?;
    if is_open_to_all(path) {
        tracing::warn!(path = %path.display(), "everybody on this machine can read this secret, and sign tokens with it; expected `chmod 600`");
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|last| *last == b'\r');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_of_a_secret_is_not_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        for (written, secret) in [("a b\n", "a b"), ("a b\r\n", "a b"), ("a b", "a b"), ("a b\n\n", "a b\n"), ("", "")]
        {
            let path = folder.path().join("secret");
            std::fs::write(&path, written).unwrap();
            assert_eq!(read_secret(&path).unwrap(), secret.as_bytes());
        }
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_all(file.path()), is_open, "{mode:o}");
        }
        assert!(!is_open_to_all(Path::new("-")));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("more than"));
        assert!(read(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
    }
}
