//! The floor server of this very program.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::certificate::Certificate;
use super::contract::Contender;
use super::place::Place;
use super::running::Running;
use super::wait;
use super::wire::Wire;
use crate::floor::ready_addresses;
use crate::process::Process;
use crate::target::{Publish, Subscribe, Target};

/// [`crate::floor`] in a process of its own.
#[derive(Debug)]
pub struct Floor {
    program: PathBuf,
}

impl Floor {
    /// The floor of `program`, which is `fanload`.
    pub const fn new(program: PathBuf) -> Self {
        Self { program }
    }
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn cannot_speak(&self, _: Wire) -> Option<&'static str> {
        None
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let (certificate, protocol) = Certificate::prepare(place)?;
        let log = place.directory.join("floor.log");
        let mut command = Command::new(&self.program);
        command.arg("floor");
        if let Some(files) = &certificate {
            command.arg("--tls").arg("--cert").arg(&files.certificate).arg("--key").arg(&files.key);
        }
        if place.wire.http2 {
            command.arg("--http2");
        }
        let mut process = Process::start(&command, place.server_core, &log)?;
        let (listen, feed) = wait::until("the floor", &mut process, &log, || {
            ready_addresses(&std::fs::read_to_string(&log).unwrap_or_default())
        })
        .context("fanload floor")?;
        Ok(Running {
            server_pids: vec![process.id()],
            target: Target {
                addresses: vec![listen],
                protocol,
                subscribe: Subscribe::fanfare(&listen.to_string()),
                publish: Some(Publish::Feed { address: feed }),
                admin: Vec::new(),
            },
            description:
                "a bare readiness loop: one write per event and connection, no Redis; TLS by rustls, HTTP/2 by h2"
                    .to_owned(),
            processes: vec![process],
        })
    }
}
