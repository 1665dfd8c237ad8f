//! The loop over responses that is written first, on node:http.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result};

use super::{posted, program};
use crate::contender::contract::Contender;
use crate::contender::place::Place;
use crate::contender::running::Running;
use crate::contender::{address, version, wait};
use crate::process::Process;
use crate::scenario::Scenario;
use crate::target::Primed;

const INSTALL: &str = "apt-get install nodejs (make bench-peers does it)";

/// `node_loop.mjs` on the `node` of the PATH.
#[derive(Debug)]
pub struct NodeLoop;

impl Contender for NodeLoop {
    fn name(&self) -> &'static str {
        "node-loop"
    }

    fn cannot(&self, scenario: Scenario) -> Option<&'static str> {
        (scenario == Scenario::Channels).then_some("a subscription has one channel")
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let program = program::find("node", INSTALL)?;
        let version = version::told_by(&program, "--version", INSTALL)?;
        let address = address::free()?;
        let script = place.directory.join("node_loop.mjs");
        fs::write(&script, include_str!("node_loop.mjs"))
            .with_context(|| format!("cannot write {}", script.display()))?;
        let log = place.directory.join("node.log");
        let mut command = Command::new(&program);
        command.arg(&script).args([address.ip().to_string(), address.port().to_string()]);
        command.env("NODE_ENV", "production");
        let mut process = Process::start(&command, place.server_core, &log)?;
        wait::until("node", &mut process, &log, || TcpStream::connect(address).ok())?;
        Ok(Running {
            server_pids: vec![process.id()],
            // The loop takes the response into its set in the same turn in which it writes the head.
            target: posted::target(address, "/events/{channels}", Primed::Head, "/channels/{channel}", None),
            description: format!("a loop over responses on node:http, node {}", version),
            processes: vec![process],
        })
    }
}
