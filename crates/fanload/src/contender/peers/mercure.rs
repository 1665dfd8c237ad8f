//! Mercure: a hub for Server-Sent Events as a module of Caddy, in Go.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::posted::Post;
use super::{go, posted, program};
use crate::contender::contract::Contender;
use crate::contender::place::Place;
use crate::contender::running::Running;
use crate::contender::{address, version, wait};
use crate::process::Process;
use crate::target::{Dialect, Primed, Protocol, Resume, Subscribe, Target};

const PROGRAM: &str = "mercure";
/// Updates that its history keeps, of all topics together.
const HISTORY: usize = 2_000;
/// What tokens are signed with. It listens on the loopback for as long as it is measured.
const KEY: &str = "of-a-measurement-on-this-machine-alone";
/// `{"mercure":{"publish":["*"]}}`, signed by that key with HS256.
const PUBLISHER: &str = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.\
                         DJU6Uh-tT6zxhiQaOvJrqvMiNA5Yu1SvW0msOLHB7E8";
/// Subscribers and publishers.
const HUB: &str = "/.well-known/mercure";

/// A hub with its history in a Bolt database, which is what its free edition has that survives a restart.
#[derive(Debug)]
pub struct Mercure;

impl Contender for Mercure {
    fn name(&self) -> &'static str {
        "mercure"
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let program = program::find(PROGRAM, go::INSTALL)?;
        let version = version::told_by(&program, "version", go::INSTALL)?;
        let version = without_checksum(&version);
        let address = address::free()?;
        let file = place.directory.join("Caddyfile");
        let directory = place.directory.display().to_string();
        fs::write(&file, configuration(address, &directory))
            .with_context(|| format!("cannot write {}", file.display()))?;

        let log = place.directory.join("mercure.log");
        let mut command = go::command(&program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        // Caddy keeps files of its own, too.
        for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(name, &place.directory);
        }
        let mut process = Process::start(&command, place.server_core, &log)?;
        wait::until(PROGRAM, &mut process, &log, || wait::get(address, "/healthz"))?;
        Ok(Running {
            server_pids: vec![process.id()],
            target: target(address),
            description: format!(
                "{version}, Bolt with the last {HISTORY} updates of all topics, anonymous subscribers, no access log"
            ),
            processes: vec![process],
        })
    }
}

/// `Mercure 0.24.2 in Caddy v2.11.3` of the same with the checksum of Caddy's module behind it.
fn without_checksum(version: &str) -> &str {
    version.split(" h1:").next().unwrap_or(version)
}

fn configuration(address: SocketAddr, directory: &str) -> String {
    include_str!("mercure.caddyfile")
        .replace("${address}", &address.to_string())
        .replace("${ip}", &address.ip().to_string())
        .replace("${directory}", directory)
        .replace("${history}", &HISTORY.to_string())
        .replace("${key}", KEY)
}

fn target(address: SocketAddr) -> Target {
    Target {
        addresses: vec![address],
        protocol: Protocol::default(),
        subscribe: Subscribe {
            path: format!("{HUB}?{{channels}}"),
            channel: "topic={channel}".to_owned(),
            separator: "&".to_owned(),
            host: address.to_string(),
            headers: Vec::new(),
            resume: Resume::Header,
            // It says ":" once the subscription stands.
            primed: Primed::Bytes,
            dialect: Dialect::default(),
        },
        publish: Some(posted::publish(
            address,
            &Post {
                path: HUB,
                headers: &[("Authorization", PUBLISHER), ("Content-Type", "application/x-www-form-urlencoded")],
                body: "topic={channel}&data={form}",
            },
        )),
        admin: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_no_checksum() {
        let told = "Mercure 0.24.2 in Caddy v2.11.3 h1:/vFbdjcs2DtzcWTIxHybf5R5TspYFFThlZffChyBFHg=";
        assert_eq!(without_checksum(told), "Mercure 0.24.2 in Caddy v2.11.3");
        assert_eq!(without_checksum("Mercure"), "Mercure");
    }

    #[test]
    fn the_configuration_has_every_place_filled() {
        let text = configuration("127.0.0.1:3000".parse().unwrap(), "/scratch");
        assert!(!text.contains("${"), "{text}");
        for line in ["http://127.0.0.1:3000 {", "bind 127.0.0.1", "path /scratch/mercure.db", "size 2000", "anonymous"]
        {
            assert!(text.lines().any(|each| each.trim() == line), "no `{line}` in {text}");
        }
        assert!(text.contains(&format!("publisher_jwt {KEY}")), "{text}");
    }
}
