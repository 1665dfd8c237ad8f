//! Files with keys that sign tokens or check them.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use fanfare_protocol::limits::KEY_FILE_BYTES_MAX;

/// How a command line names standard input.
const STDIN: &str = "-";

/// What stands in such a file.
///
/// # Errors
/// It cannot be read, or is larger than any file of keys. `-` is none: a node has nothing to do with standard input.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_at_most(path, KEY_FILE_BYTES_MAX)
}

/// The same of a file that may be of another size.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_at_most(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    if path == Path::new(STDIN) {
        bail!("`-`: expected a file; standard input is for the command line");
    }
    let file = File::open(path).map_err(|error| not_opened(path, &error))?;
    read_all(file, path, most)
}

/// The system's own words do not say that the right is missing at a directory, which it is where another program keeps its keys to root.
fn not_opened(path: &Path, error: &io::Error) -> anyhow::Error {
    let what_to_do = match error.kind() {
        io::ErrorKind::PermissionDenied => "; expected that this user may read it, and enter the directories above it",
        _ => "",
    };
    anyhow!("{}: {error}{what_to_do}", path.display())
}

/// The same, or what stands in standard input for `-`.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_or_stdin(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new(STDIN) { read_all(io::stdin().lock(), path, KEY_FILE_BYTES_MAX) } else { read(path) }
}

fn read_all(source: impl io::Read, path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("{}", path.display()))?;
    if bytes.len() > most {
        bail!("{}: it has more than {most} bytes", path.display());
    }
    Ok(bytes)
}

/// The bytes of a file as text, for PEM.
///
/// # Errors
/// They are none.
pub(crate) fn text(bytes: Vec<u8>, path: &Path) -> anyhow::Result<String> {
    String::from_utf8(bytes).with_context(|| format!("{}", path.display()))
}

/// What there is to complain of about who may read a file with which tokens are signed. Of standard input nothing is known.
pub(crate) fn complaint(path: &Path) -> Option<String> {
    let is_open = path != Path::new(STDIN) && is_open(path);
    is_open
        .then(|| format!("{}: everybody on this machine can sign tokens with it; expected `chmod 600`", path.display()))
}

/// The same of a file with the private key of a certificate, which the node may read as one of a group.
pub(crate) fn tls_complaint(path: &Path) -> Option<String> {
    is_open(path).then(|| {
        format!(
            "{}: everybody on this machine can read this private key, and pass for this node; expected `chmod o=`",
            path.display()
        )
    })
}

/// Whether everybody on this machine may read a file.
fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|about: Metadata| about.is_file() && about.permissions().mode() & 0o004 != 0)
}

/// The bytes of a file as a shared secret. The line end that editors add is not part of it.
pub(crate) fn secret(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|last| *last == b'\r');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_of_a_secret_is_not_part_of_it() {
        for (written, read) in [("a b\n", "a b"), ("a b\r\n", "a b"), ("a b", "a b"), ("a b\n\n", "a b\n"), ("", "")] {
            assert_eq!(secret(written.into()), read.as_bytes());
        }
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(complaint(file.path()).is_some(), is_open, "{mode:o}");
            assert_eq!(tls_complaint(file.path()).is_some(), is_open, "{mode:o}");
        }
        assert_eq!(complaint(Path::new(STDIN)), None);
    }

    #[test]
    fn who_may_not_read_a_file_is_told_what_it_takes() {
        let said = |kind: io::ErrorKind| not_opened(Path::new("/keys/tls.key"), &kind.into()).to_string();
        let denied = said(io::ErrorKind::PermissionDenied);
        assert_eq!(
            denied,
            "/keys/tls.key: permission denied; expected that this user may read it, and enter the directories above it"
        );
        assert_eq!(said(io::ErrorKind::NotFound), "/keys/tls.key: entity not found");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("more than"));
        assert!(read_or_stdin(Path::new("/dev/zero")).unwrap_err().to_string().contains("more than"));
        assert!(read(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
    }
}
