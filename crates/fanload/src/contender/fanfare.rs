//! Fanfare with Redis in the path: one node on the server's core, redis-server on the helpers'.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::contract::Contender;
use super::place::Place;
use super::running::Running;
use super::{address, redis, version, wait};
use crate::process::Process;
use crate::target::{Publish, RedisWay, Subscribe, Target};

/// What stands before every setting in the environment. Those of the person who measures are not for the measured node.
const SETTINGS: &str = "FANFARE__";

/// One `fanfare serve` with its defaults (and what the place says), and a Redis that persists nothing.
#[derive(Debug)]
pub struct Fanfare {
    program: PathBuf,
}

impl Fanfare {
    /// Runs `program`, which is the release build of `fanfare`.
    pub const fn new(program: PathBuf) -> Self {
        Self { program }
    }
}

impl Contender for Fanfare {
    fn name(&self) -> &'static str {
        "fanfare"
    }

    fn start(&self, place: &Place) -> Result<Running> {
        self.start_through(place, Ok)
    }
}

impl Fanfare {
    /// Starts it with whatever `link` puts between the node and Redis: it gets the address of Redis and says where the node
    /// shall connect. Publishers go to Redis itself.
    ///
    /// # Errors
    /// As [`start`](Contender::start), and those of `link`.
    pub fn start_through(&self, place: &Place, link: impl FnOnce(SocketAddr) -> Result<SocketAddr>) -> Result<Running> {
        let version = version::told_by(&self.program, "--version", "build it with `make build`")?;
        let redis_version = redis::version()?;
        let (redis, redis_address) = redis::start(place)?;
        let (node, listen, admin) = self.start_node(place, link(redis_address)?)?;
        Ok(Running {
            server_pids: vec![node.id()],
            target: Target {
                addresses: vec![listen],
                subscribe: Subscribe::fanfare(&listen.to_string()),
                publish: Some(Publish::Redis {
                    address: redis_address,
                    login: None,
                    prefix: "sse:".to_owned(),
                    way: RedisWay::Function,
                }),
                admin: vec![admin],
            },
            description: format!("{version}, default settings; events through Redis {redis_version}"),
            // The node first: it would complain about a Redis that goes.
            processes: vec![node, redis],
        })
    }

    fn start_node(&self, place: &Place, redis: SocketAddr) -> Result<(Process, SocketAddr, SocketAddr)> {
        let (listen, admin) = (address::free()?, address::free()?);
        let log = place.directory.join("fanfare.log");
        let mut command = Command::new(&self.program);
        command.arg("serve").current_dir(&place.directory);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(SETTINGS) {
                command.env_remove(name);
            }
        }
        for (name, value) in place.settings {
            command.env(format!("{SETTINGS}{name}"), value);
        }
        command.env("FANFARE__SERVER__LISTEN", listen.to_string());
        command.env("FANFARE__ADMIN__LISTEN", admin.to_string());
        command.env("FANFARE__REDIS__URL", format!("redis://{redis}"));
        let mut node = Process::start(&command, place.server_core, &log)?;
        wait::until("fanfare", &mut node, &log, || wait::get(admin, "/readyz"))?;
        Ok((node, listen, admin))
    }
}
