//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::report;
use crate::scenario::{Parameters, Scenario, run_scenario};
use crate::stage::Stage;
use crate::target::{Primed, Publish, RedisWay, Resume, Subscribe, Target};
use crate::worker;

/// Puts load on an event-stream server and checks every delivery.
///
/// Exit code 0: everything arrived. 1: something was lost, doubled, out of order, damaged or silent. 2: the run could
/// not be made.
#[derive(Debug, Parser)]
#[command(name = "fanload", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Idle connections: memory of each, and how fast they are accepted
    Hold(Load),
    /// One channel; the next event when everybody has the last one: CPU per delivery
    Fanout(Load),
    /// Events as fast as they can be published: deliveries per CPU second
    Burst(Load),
    /// A fixed rate: latency
    Rate(Load),
    /// One subscriber on each of many channels: CPU per delivery
    Many(Load),
    /// Everybody is cut and comes back at once with an old position
    Storm(Load),
    /// Random cuts while events are published
    Churn(Load),
    /// Some clients read a few bytes a second
    Slow(Load),
    /// A fixed rate with cuts and slow clients, for long
    Soak(Load),
    /// One channel with 15,000 connections at 100 events a second
    Full(Load),
    /// Many channels on few connections, and Redis closes the feeds of the nodes
    Channels(Load),
    /// Large events to many connections: memory
    Large(Load),
    /// Serve events with a bare loop: the least that any server can do for the same work
    Floor(crate::floor::Arguments),
    /// Run all scenarios for Fanfare (with Redis) and the floor, in turns, and compare them
    ///
    /// Starts everything itself, with the server alone on one core. Figures are medians with their extremes and ratios to
    /// the floor.
    Bench(crate::bench::Arguments),
    /// A part of a run; started by the other commands
    #[command(hide = true)]
    Worker,
}

/// Options of all scenarios. Each scenario has its own defaults for what is left out.
#[derive(Debug, Args)]
struct Load {
    /// Where clients connect, for example http://127.0.0.1:8080; several are used at random
    #[arg(long, required = true, value_name = "URL")]
    target: Vec<String>,
    /// Publish through this Redis, for example redis://user:password@127.0.0.1:6379
    #[arg(long, value_name = "URL", conflicts_with_all = ["feed", "post"])]
    redis: Option<String>,
    /// What the keys of channels begin with
    #[arg(long, value_name = "TEXT", default_value = "sse:")]
    prefix: String,
    /// With which commands events are published
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    publish: RedisWay,
    /// Publish frames to the feed of `fanload floor`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "post")]
    feed: Option<String>,
    /// Publish with POST to this URL, in which {channel} is replaced
    #[arg(long, value_name = "URL")]
    post: Option<String>,
    /// A header of every request, subscriptions and POST
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Admin listener of a node: its archive reads are counted
    #[arg(long, value_name = "URL")]
    admin: Vec<String>,
    /// A server process on this machine: its CPU and memory are read
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Connections
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Connections at which memory is measured first (hold)
    #[arg(long, value_name = "N")]
    baseline: Option<usize>,
    /// Channels
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Channels that each connection subscribes to
    #[arg(long, value_name = "N")]
    channels_per_connection: Option<usize>,
    /// Events to publish, over all channels
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// Bytes of an event's data
    #[arg(long, value_name = "N")]
    bytes: Option<usize>,
    /// Events a second
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// How long events are published, for example 90s, 10m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Connections to cut each second
    #[arg(long, value_name = "N")]
    cuts: Option<f64>,
    /// Share of clients that read a few bytes a second, for example 0.05
    #[arg(long, value_name = "SHARE")]
    slow: Option<f64>,
    /// Worker processes; as few as can hold the connections if left out
    #[arg(long, value_name = "N")]
    processes: Option<usize>,
    /// Connections of one worker between connect and first answer at a time
    #[arg(long, value_name = "N")]
    at_once: Option<usize>,
    /// How long anything may take before it counts as silent or failed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    patience: Option<Duration>,
    /// Seed of the random choices
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Worker => worker::run().map(|()| ExitCode::SUCCESS),
        Command::Floor(arguments) => crate::floor::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench(&arguments),
        Command::Hold(load) => load.run(Scenario::Hold),
        Command::Fanout(load) => load.run(Scenario::Fanout),
        Command::Burst(load) => load.run(Scenario::Burst),
        Command::Rate(load) => load.run(Scenario::Rate),
        Command::Many(load) => load.run(Scenario::Many),
        Command::Storm(load) => load.run(Scenario::Storm),
        Command::Churn(load) => load.run(Scenario::Churn),
        Command::Slow(load) => load.run(Scenario::Slow),
        Command::Soak(load) => load.run(Scenario::Soak),
        Command::Full(load) => load.run(Scenario::Full),
        Command::Channels(load) => load.run(Scenario::Channels),
        Command::Large(load) => load.run(Scenario::Large),
    };
    result.unwrap_or_else(|error| {
        eprintln!("fanload: {error:#}");
        ExitCode::from(2)
    })
}

fn bench(arguments: &crate::bench::Arguments) -> Result<ExitCode> {
    let kept = crate::bench::run(arguments, &Stage::new(true)?)?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Load {
    fn run(&self, scenario: Scenario) -> Result<ExitCode> {
        let (parameters, target) = (self.parameters(scenario), self.target()?);
        parameters.check()?;
        let stage = Stage::new(true)?;
        let outcome = run_scenario(scenario, &parameters, &target, &self.pid, &stage)?;
        if self.json {
            println!("{}", serde_json::to_string(&outcome)?);
        } else {
            print!("{}", report::table(&outcome));
        }
        Ok(if outcome.integrity.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn parameters(&self, scenario: Scenario) -> Parameters {
        let mut parameters = Parameters::of(scenario);
        fn put<T: Copy>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        put(&mut parameters.connections, self.connections);
        put(&mut parameters.baseline, self.baseline);
        put(&mut parameters.channels, self.channels);
        put(&mut parameters.channels_per_connection, self.channels_per_connection);
        // A length of time that is asked for is not cut short by a default number of events.
        put(&mut parameters.events, self.events);
        put(&mut parameters.bytes, self.bytes);
        put(&mut parameters.rate, self.rate);
        put(&mut parameters.duration, self.duration);
        put(&mut parameters.cuts, self.cuts);
        put(&mut parameters.slow, self.slow);
        put(&mut parameters.processes, self.processes);
        put(&mut parameters.at_once, self.at_once);
        put(&mut parameters.patience, self.patience);
        put(&mut parameters.seed, self.seed);
        parameters
    }

    fn target(&self) -> Result<Target> {
        let targets = self.target.iter().map(|url| Place::read(url, "http")).collect::<Result<Vec<_>>>()?;
        let first = targets.first().context("no --target")?;
        let headers = self.header.iter().map(|header| {
            let (name, value) = header.split_once(':').with_context(|| format!("--header {header}: no colon"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        });
        let headers = headers.collect::<Result<Vec<_>>>()?;
        let mut subscribe = Subscribe { headers: headers.clone(), ..Subscribe::fanfare(&first.host) };
        if !matches!(first.path.as_str(), "" | "/") {
            // A URL with a path says how another server is asked.
            subscribe.path = first.path.replace("{channel}", "{channels}");
            if !subscribe.path.contains("{channels}") {
                bail!("--target {}: a URL with a path needs {{channel}} in it", self.target[0]);
            }
            subscribe.channel = "{channel}".to_owned();
            subscribe.separator = ",".to_owned();
            subscribe.primed = Primed::Head;
            subscribe.resume = Resume::Header;
        }
        let admin = self.admin.iter().map(|url| Place::read(url, "http")).collect::<Result<Vec<_>>>()?;
        Ok(Target {
            addresses: targets.into_iter().flat_map(|place| place.addresses).collect(),
            subscribe,
            publish: self.publish(&headers)?,
            admin: admin.into_iter().filter_map(|place| place.addresses.first().copied()).collect(),
        })
    }

    fn publish(&self, headers: &[(String, String)]) -> Result<Option<Publish>> {
        if let Some(url) = &self.redis {
            let place = Place::read(url, "redis")?;
            let (prefix, way) = (self.prefix.clone(), self.publish);
            return Ok(Some(Publish::Redis { address: place.address(url)?, login: place.login, prefix, way }));
        }
        if let Some(address) = &self.feed {
            return Ok(Some(Publish::Feed { address: Place::read(address, "feed")?.address(address)? }));
        }
        let Some(url) = &self.post else { return Ok(None) };
        let place = Place::read(url, "http")?;
        let mut all = vec![("Host".to_owned(), place.host.clone())];
        all.extend(headers.iter().cloned());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            all.push(("Content-Type".to_owned(), "text/plain".to_owned()));
        }
        Ok(Some(Publish::Http {
            address: place.address(url)?,
            method: "POST".to_owned(),
            path: place.path,
            headers: all,
            body: "{data}".to_owned(),
            connections: 1,
            pipeline: 1,
            create: None,
        }))
    }
}

/// A URL taken apart, with its host looked up.
struct Place {
    addresses: Vec<SocketAddr>,
    host: String,
    path: String,
    login: Option<(String, String)>,
}

impl Place {
    /// Reads a URL of `scheme`; the scheme may be left out.
    fn read(url: &str, scheme: &str) -> Result<Self> {
        let rest = match url.split_once("://") {
            Some((found, rest)) if found == scheme => rest,
            Some((found @ ("https" | "rediss"), _)) => bail!(
                "{url}: {found} is not supported; put load on the listener behind the TLS, or use the k6 scenarios"
            ),
            Some((found, _)) => bail!("{url}: {found} is not supported here, {scheme} is"),
            None => url,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => {
                let (user, password) = login.split_once(':').unwrap_or(("", login));
                let user = if user.is_empty() { "default" } else { user };
                (Some((user.to_owned(), password.to_owned())), host)
            }
            None => (None, authority),
        };
        let port = if scheme == "redis" { 6379 } else { 80 };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let found =
            with_port.to_socket_addrs().with_context(|| format!("{url}: the host {host} cannot be looked up"))?;
        // Several addresses of one name may be IPv4 and IPv6 of the same machine, of which only one may listen.
        let found: Vec<_> = found.collect();
        let v4: Vec<_> = found.iter().copied().filter(SocketAddr::is_ipv4).collect();
        let addresses = if v4.is_empty() { found } else { v4 };
        Ok(Self { addresses, host: host.to_owned(), path: path.to_owned(), login })
    }

    fn address(&self, url: &str) -> Result<SocketAddr> {
        self.addresses.first().copied().with_context(|| format!("{url}: the host has no address"))
    }
}

/// Reads `90s`, `10m`, `1h`, `250ms`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time: 90s, 10m, 1h, 250ms"))?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time: ms, s, m, h")),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}
