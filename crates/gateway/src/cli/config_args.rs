//! Where the configuration comes from, on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::key_value::key_value;
use crate::config::{self, Layered, Sources};
use crate::output::complain;

/// Where the configuration comes from: file, then environment (`FANFARE__SECTION__KEY`), then these flags.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients connect: server.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where operators connect: admin.listen.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Origins whose pages may read, separated by commas: `server.cors_origins`.
    #[arg(long, value_name = "ORIGINS")]
    cors_origins: Option<String>,
    /// Redis: redis.url. Others on this machine can see it here; prefer `FANFARE__REDIS__URL` when it holds a password.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// What stands before every channel name in Redis: redis.prefix.
    #[arg(long, value_name = "TEXT")]
    redis_prefix: Option<String>,
    /// text or json: log.format.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// error, warn, info, debug, trace: log.level.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Any other key, such as `--set tail.budget=1GiB`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl ConfigArgs {
    pub(super) fn sources(&self) -> Sources {
        let named = [
            ("--listen", "server.listen", &self.listen),
            ("--admin-listen", "admin.listen", &self.admin_listen),
            ("--cors-origins", "server.cors_origins", &self.cors_origins),
            ("--redis-url", "redis.url", &self.redis_url),
            ("--redis-prefix", "redis.prefix", &self.redis_prefix),
            ("--log-format", "log.format", &self.log_format),
            ("--log-level", "log.level", &self.log_level),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| {
            value.as_ref().map(|value| (flag.to_owned(), key.to_owned(), value.clone()))
        });
        let set = self.set.iter().map(|(key, value)| (format!("--set {key}"), key.clone(), value.clone()));
        Sources::from_process(self.config.clone(), named.chain(set).collect())
    }
}

/// Bad usage or configuration, as clap has it.
pub(super) const EXIT_USAGE: u8 = 2;

/// Loads the configuration; mistakes are printed as they are, one a line, for editors that jump to them.
pub(super) fn load(sources: &Sources) -> Result<Layered, ExitCode> {
    config::load(sources).map_err(|error| {
        complain(error);
        ExitCode::from(EXIT_USAGE)
    })
}
