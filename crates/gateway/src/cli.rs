//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, ConfigError, Layered, Sources};
use crate::metrics;

/// A horizontally scaled SSE fan-out gateway over Redis.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Serve(ConfigArgs),
    /// Check or show the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a generated reference document.
    #[command(hide = true)]
    Docs {
        /// Which one.
        document: Document,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Document {
    /// docs/configuration.md
    Configuration,
    /// docs/metrics.md
    Metrics,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether a node would start with it; every mistake with file, line, column and what was expected.
    Check(ConfigArgs),
    /// Print what is in effect, with comments and where each value came from. Secrets are redacted.
    Print(ConfigArgs),
}

/// Where the configuration comes from: file, then environment (`FANFARE__SECTION__KEY`), then these flags.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
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

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl ConfigArgs {
    fn sources(&self) -> Sources {
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

    fn load(&self) -> Result<Layered, ConfigError> {
        config::load(&self.sources())
    }
}

/// Bad usage or configuration, as in `sysexits.h`'s tradition of clap.
const EXIT_USAGE: u8 = 2;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => args.load().map(|_| ExitCode::SUCCESS),
        Command::Config { command: ConfigCommand::Check(args) } => args.load().map(|_| {
            println!("the configuration is good");
            ExitCode::SUCCESS
        }),
        Command::Config { command: ConfigCommand::Print(args) } => args.load().map(|layered| {
            print!("{}", config::print(&layered));
            ExitCode::SUCCESS
        }),
        Command::Docs { document } => {
            print!(
                "{}",
                match document {
                    Document::Configuration => config::docs::markdown(),
                    Document::Metrics => metrics::docs::markdown(),
                }
            );
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(EXIT_USAGE)
    })
}
