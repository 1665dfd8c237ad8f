//! nchan: publish and subscribe as a module of nginx, in C.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{posted, program};
use crate::contender::contract::Contender;
use crate::contender::place::Place;
use crate::contender::running::Running;
use crate::contender::{address, version, wait};
use crate::process::Process;
use crate::target::Primed;

/// Where Debian's package `libnginx-mod-nchan` puts the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const INSTALL: &str = "apt-get install nginx libnginx-mod-nchan (make bench-peers does it)";
/// Open files of the worker. Connections and publishers are below it.
const FILES: usize = 20_000;

/// nchan with its store in the worker's memory, one worker.
#[derive(Debug)]
pub struct Nchan;

impl Contender for Nchan {
    fn name(&self) -> &'static str {
        "nchan"
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let program = program::find("nginx", INSTALL)?;
        ensure!(Path::new(MODULE).is_file(), "nchan is not installed ({MODULE} is missing): {INSTALL}");
        let version = version::told_by(&program, "-v", INSTALL)?;
        let address = address::free()?;
        let configuration = include_str!("nchan.conf")
            .replace("${module}", MODULE)
            .replace("${directory}", &place.directory.display().to_string())
            .replace("${files}", &FILES.to_string())
            .replace("${connections}", &(FILES - 100).to_string())
            .replace("${address}", &address.to_string());
        let file = place.directory.join("nginx.conf");
        fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;

        let log = place.directory.join("nginx.log");
        let mut command = Command::new(&program);
        command.arg("-p").arg(&place.directory).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut process = Process::start(&command, place.server_core, &log)?;
        // The master listens before there is a worker; what answers is the worker.
        let status = wait::until("nginx with nchan", &mut process, &log, || wait::get(address, "/status"))?;
        let nchan =
            status.lines().find_map(|line| line.strip_prefix("nchan version: ")).unwrap_or("of unknown version");
        let master = process.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))
            .context("cannot see the worker of nginx")?;
        let server_pids: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        ensure!(server_pids.len() == 1, "nginx has {} workers instead of one", server_pids.len());
        Ok(Running {
            server_pids,
            // It says ": hi" once the subscription stands.
            target: posted::target(
                address,
                "/events/{channels}",
                Primed::Bytes,
                "/publish/{channel}",
                Some("text/plain"),
            ),
            description: format!(
                "nchan {} in {}, one worker, store in memory",
                nchan.trim(),
                version.trim_start_matches("nginx version: ")
            ),
            processes: vec![process],
        })
    }
}
