//! durable-streams: append-only streams over HTTP with a Server-Sent Events tail, in Rust.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{posted, program};
use crate::contender::contract::Contender;
use crate::contender::place::Place;
use crate::contender::running::Running;
use crate::contender::{address, wait};
use crate::descriptors;
use crate::process::Process;
use crate::scenario::{Parameters, Scenario};
use crate::target::{Dialect, Payload, Position, Primed, Protocol, Publish, Resume, Subscribe, Target};

const PROGRAM: &str = "durable-streams-server";
const INSTALL: &str = "cargo install --locked durable-streams (make bench-peers does it)";

/// The server of the crate `durable-streams`, without a write-ahead log.
#[derive(Debug)]
pub struct DurableStreams;

impl Contender for DurableStreams {
    fn name(&self) -> &'static str {
        "durable-streams"
    }

    fn cannot(&self, scenario: Scenario) -> Option<&'static str> {
        // One file for each stream, one for each connection, and some.
        let files = 2 * Parameters::of(Scenario::Many).channels + 100;
        match scenario {
            Scenario::Channels => Some("a subscription has one stream"),
            Scenario::Many if !descriptors::are_allowed(files) => Some("it keeps a file open for each stream"),
            _ => None,
        }
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let program = program::find(PROGRAM, INSTALL)?;
        let address = address::free()?;
        let log = place.directory.join("durable-streams.log");
        let mut command = Command::new(&program);
        command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.arg("--data-dir").arg(place.directory.join("streams"));
        // No other contender waits for a disk either.
        command.args(["--durability", "memory"]);
        // What its manual recommends for a high fan-out.
        command.args(["--tail-cache-bytes", "65536"]);
        let mut process = Process::start(&command, place.server_core, &log)?;
        wait::until("durable-streams", &mut process, &log, || TcpStream::connect(address).ok())?;
        let version = version(&program).unwrap_or_else(|| "of unknown version".to_owned());
        Ok(Running {
            server_pids: vec![process.id()],
            target: target(address),
            description: format!("durable-streams {version}, --durability memory --tail-cache-bytes 65536"),
            processes: vec![process],
        })
    }
}

/// The program does not tell its version, but `cargo install` keeps a list beside the directory it installs into.
fn version(program: &Path) -> Option<String> {
    let list = fs::read_to_string(program.parent()?.parent()?.join(".crates.toml")).ok()?;
    let line = list.lines().find_map(|line| line.strip_prefix("\"durable-streams "))?;
    Some(line.split(' ').next()?.to_owned())
}

fn target(address: SocketAddr) -> Target {
    let host = address.to_string();
    Target {
        addresses: vec![address],
        protocol: Protocol::default(),
        subscribe: Subscribe {
            path: "/{channels}?offset=now&live=sse".to_owned(),
            channel: "{channel}".to_owned(),
            separator: ",".to_owned(),
            host: host.clone(),
            headers: Vec::new(),
            // It does not look at Last-Event-ID: its own clients ask for the offset that the last control event named.
            resume: Resume::Path("/{channels}?offset={position}&live=sse".to_owned()),
            primed: Primed::Position,
            dialect: Dialect {
                payload: Payload::Line,
                position: Position::After("\"streamNextOffset\":\"".to_owned()),
            },
        },
        publish: Some(Publish::Http {
            address,
            method: "POST".to_owned(),
            path: "/{channel}".to_owned(),
            headers: vec![("Host".to_owned(), host), ("Content-Type".to_owned(), "text/plain".to_owned())],
            // A stream is a run of bytes; lines are what separates one text from the next.
            body: "{data}\n".to_owned(),
            connections: 1,
            pipeline: posted::PIPELINE,
            create: Some("PUT".to_owned()),
        }),
        admin: Vec::new(),
    }
}
