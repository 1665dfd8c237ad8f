//! How many files this process may open.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one; children inherit it. Says what it was and what it is now.
///
/// # Errors
/// When the kernel refuses, which it does not for a limit of one's own.
pub fn raise() -> Result<(u64, u64)> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    if soft < hard {
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, wanted).context("the limit of open files cannot be raised")?;
    }
    Ok((soft, hard))
}

/// Whether one process that is started from here may open `files` files, once it asks for all that it may have.
pub fn are_allowed(files: usize) -> bool {
    getrlimit(Resource::Nofile).maximum.is_none_or(|hard| files as u64 <= hard)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_few_files_are_allowed_and_all_of_them_are_not() {
        assert!(super::are_allowed(16));
        // Linux lets no process have more than fs.nr_open, which is far below this.
        assert!(!super::are_allowed(usize::MAX));
    }
}
