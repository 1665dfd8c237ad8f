//! The command line.

mod config_args;
mod config_check;
mod key_value;
mod revoke;
mod token;
mod token_report;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fanfare_redis::Grade;

use self::config_args::{ConfigArgs, load};
use crate::config::{self, Config, Log, Sources};
use crate::demo::{self, DemoOptions, DevOptions};
use crate::descriptors::Descriptors;
use crate::logging::LogControl;
use crate::output::{complain, print};
use crate::process::Process;
use crate::{logging, metrics, node, run};

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
    /// Look at Redis.
    Redis {
        #[command(subcommand)]
        command: RedisCommand,
    },
    /// Make tokens, and explain them.
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Take back what tokens give, on all nodes. Prints the id of the entry that says so.
    Revoke(revoke::RevokeArgs),
    /// Publish this host's figures to Redis and serve a live page, for nodes that run elsewhere.
    Demo(DemoArgs),
    /// Two nodes, a publisher of this host's figures and a live page, in one process and without Redis.
    Dev(DevArgs),
    /// Print a generated reference document.
    #[command(hide = true)]
    Docs {
        /// Which one.
        document: Document,
    },
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Redis; by default `FANFARE__REDIS__URL`, which others on this machine cannot see.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// What stands before every channel name in Redis.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Base URLs of two nodes as a browser reaches them, separated by a comma. They must admit the page's origin.
    #[arg(long, value_name = "URLS", value_delimiter = ',', required = true)]
    nodes: Vec<String>,
    /// Where the page is served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
struct DevArgs {
    /// Where the page is served; port 0 picks a free one, here and below.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Where the nodes serve clients, separated by a comma.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = "127.0.0.1:8081,127.0.0.1:8082")]
    nodes: Vec<SocketAddr>,
    /// Where the nodes serve operators, in the same order.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = "127.0.0.1:9081,127.0.0.1:9082")]
    admin: Vec<SocketAddr>,
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

#[derive(Debug, Subcommand)]
enum RedisCommand {
    /// Say whether the configured Redis can carry the guarantee, and what to change if it cannot.
    Check(ConfigArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve(&args),
        Command::Config { command: ConfigCommand::Check(args) } => config_check::run(&args),
        Command::Config { command: ConfigCommand::Print(args) } => config_print(&args),
        Command::Redis { command: RedisCommand::Check(args) } => redis_check(&args),
        Command::Token { command } => token::run(&command),
        Command::Revoke(args) => revoke::run(args),
        Command::Demo(args) => demo(args),
        Command::Dev(args) => dev(args),
        Command::Docs { document } => docs(document),
    };
    outcome.unwrap_or_else(|error| {
        complain(format_args!("fanfare: {}", told(&error)));
        ExitCode::FAILURE
    })
}

/// An error with its causes in one line. Some errors say their cause themselves: it is not said twice.
fn told(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    })
}

/// Runs what logs. Its error is the last line of the log, and the last lines get a moment to be written.
fn logged(log: &Log, run: impl FnOnce(&LogControl) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let control = logging::install(log)?;
    let code = run(&control).unwrap_or_else(|error| {
        control.pipe().say(format!("fanfare: {}\n", told(&error)).as_bytes());
        ExitCode::FAILURE
    });
    control.pipe().flush();
    Ok(code)
}

fn serve(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let sources = args.sources();
    let layered = match load(&sources) {
        Ok(layered) => layered,
        Err(code) => return Ok(code),
    };
    let log = layered.config.log.clone();
    logged(&log, |control| run::serve(layered, &sources, control, node::redis))
}

fn config_print(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    load(&args.sources()).map_or_else(Ok, |layered| print(config::print(&layered), ExitCode::SUCCESS))
}

fn redis_check(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let layered = match load(&args.sources()) {
        Ok(layered) => layered,
        Err(code) => return Ok(code),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(fanfare_redis::check(&node::redis_options(&layered.config)));
    // What is only weaker than it could be is for people to decide.
    let code = if report.worst() == Grade::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    print(report, code)
}

fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let flags = [("--redis", "redis.url", args.redis), ("--prefix", "redis.prefix", args.prefix)];
    let flags = flags.into_iter().filter_map(|(flag, key, value)| Some((flag.to_owned(), key.to_owned(), value?)));
    let layered = match load(&Sources::from_process(None, flags.collect())) {
        Ok(layered) => layered,
        Err(code) => return Ok(code),
    };
    let options = DemoOptions { listen: args.listen, nodes: args.nodes };
    logged(&layered.config.log, |_| demo::demo(&options, &layered.config))
}

fn dev(args: DevArgs) -> anyhow::Result<ExitCode> {
    let config = Config::default();
    let options = DevOptions { listen: args.listen, nodes: args.nodes, admin: args.admin };
    logged(&config.log, |log| {
        let descriptors = Descriptors::raise().shared_by(options.nodes.len());
        demo::dev(&options, &config, &Process { log: log.pipe().clone(), descriptors })
    })
}

fn docs(document: Document) -> anyhow::Result<ExitCode> {
    let text = match document {
        Document::Configuration => config::docs::markdown(),
        Document::Metrics => metrics::docs::markdown(),
    };
    print(text, ExitCode::SUCCESS)
}
