//! The Redis that Fanfare is measured with.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::place::Place;
use super::{address, version, wait};
use crate::process::Process;

const PROGRAM: &str = "redis-server";

/// The number of the version that is installed.
///
/// # Errors
/// When it cannot be run.
pub(super) fn version() -> Result<String> {
    let line = version::told_by(Path::new(PROGRAM), "--version", "apt-get install redis-server")?;
    Ok(short(&line).to_owned())
}

/// A Redis server without persistence on the helpers' core, with its files in the directory of the place.
///
/// # Errors
/// When it cannot be started or does not answer.
pub(super) fn start(place: &Place) -> Result<(Process, SocketAddr)> {
    let address = address::free()?;
    let log = place.directory.join("redis.log");
    let mut command = Command::new(PROGRAM);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.args(["--port", &address.port().to_string(), "--dir"]).arg(&place.directory);
    let mut process = Process::start(&command, place.helper_core, &log)?;
    wait::until(PROGRAM, &mut process, &log, || wait::redis_answers(address).then_some(()))?;
    Ok((process, address))
}

/// The number in "Redis server v=7.0.15 sha=...".
fn short(version: &str) -> &str {
    let rest = version.split_once("v=").map_or(version, |(_, rest)| rest);
    rest.split(' ').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_redis_is_only_its_number() {
        assert_eq!(super::short("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), "7.0.15");
        assert_eq!(super::short("unknown"), "unknown");
    }
}
