//! How a file shows that it is another one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What tells a file from what stood in its place before. Symbolic links are followed, as what Kubernetes mounts is a link that it sets anew; certbot does
/// the same. Where nothing can be read, nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState(Option<[i64; 7]>);

impl FileState {
    pub(super) fn of(path: &Path) -> Self {
        let signed = |number: u64| number.cast_signed();
        let facts = |about: Metadata| {
            // The time of its last change tells of permissions as well, which may have been what was wrong.
            let (modified, changed) = ([about.mtime(), about.mtime_nsec()], [about.ctime(), about.ctime_nsec()]);
            [
                signed(about.dev()),
                signed(about.ino()),
                signed(about.size()),
                modified[0],
                modified[1],
                changed[0],
                changed[1],
            ]
        };
        Self(path.metadata().ok().map(facts))
    }
}
