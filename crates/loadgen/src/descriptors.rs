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
