//! Fanfare with Redis in the path: one node on the server's core, redis-server on the helpers'.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::certificate::Certificate;
use super::contract::Contender;
use super::place::Place;
use super::running::Running;
use super::unable::Unable;
use super::wire::Wire;
use super::{address, probe, redis, version, wait};
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

    fn cannot_speak(&self, _: Wire) -> Option<&'static str> {
        None
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
        let (certificate, protocol) = Certificate::prepare(place)?;
        let (redis, redis_address) = redis::start(place)?;
        let (node, listen, admin) = self.start_node(place, certificate.as_ref(), link(redis_address)?)?;
        if protocol.http2.is_some() && !probe::speaks_http2(listen, &protocol)? {
            bail!(Unable("this build speaks no HTTP/2".to_owned()));
        }
        Ok(Running {
            server_pids: vec![node.id()],
            target: Target {
                addresses: vec![listen],
                protocol,
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

    fn start_node(
        &self,
        place: &Place,
        certificate: Option<&Certificate>,
        redis: SocketAddr,
    ) -> Result<(Process, SocketAddr, SocketAddr)> {
        let (listen, admin) = (address::free()?, address::free()?);
        let log = place.directory.join("fanfare.log");
        let mut command = self.command(place, "serve");
        match certificate {
            None => drop(command.env("FANFARE__SERVER__LISTEN", listen.to_string())),
            Some(files) => {
                let file = place.directory.join("fanfare.toml");
                fs::write(&file, listener(listen, files)).context("cannot write the node's configuration")?;
                self.check_tls(place, &file)?;
                command.arg("--config").arg(&file);
            }
        }
        for (name, value) in place.settings {
            command.env(format!("{SETTINGS}{name}"), value);
        }
        command.env("FANFARE__ADMIN__LISTEN", admin.to_string());
        command.env("FANFARE__REDIS__URL", format!("redis://{redis}"));
        let mut node = Process::start(&command, place.server_core, &log)?;
        wait::until("fanfare", &mut node, &log, || wait::get(admin, "/readyz"))?;
        Ok((node, listen, admin))
    }

    /// A command of the program, without the settings of the person who measures.
    fn command(&self, place: &Place, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).current_dir(&place.directory);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(SETTINGS) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Whether the program knows a listener with a certificate.
    fn check_tls(&self, place: &Place, file: &Path) -> Result<()> {
        let mut command = self.command(place, "config");
        let output = command.arg("check").arg("--config").arg(file).output().context("cannot check a configuration")?;
        if output.status.success() {
            return Ok(());
        }
        let why = [output.stdout, output.stderr].concat();
        let why = String::from_utf8_lossy(&why);
        if why.contains("unknown key `server.listen.certificate`") {
            bail!(Unable("this build takes no listener with a certificate".to_owned()));
        }
        bail!("fanfare refuses a listener with a certificate: {}", why.trim());
    }
}

/// The table of a listener with TLS. Paths of a temporary directory need no escapes in a literal string.
fn listener(address: SocketAddr, files: &Certificate) -> String {
    format!(
        "[[server.listen]]\naddress = \"{address}\"\ncertificate = '{}'\nkey = '{}'\n",
        files.certificate.display(),
        files.key.display(),
    )
}
