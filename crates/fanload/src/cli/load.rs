//! The options of a run, and what they mean.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::duration::duration;
use super::url::Url;
use crate::admin;
use crate::report;
use crate::scenario::{Ended, Parameters, Scenario, run_as_far_as_possible};
use crate::stage::Stage;
use crate::target::{Primed, Protocol, Publish, RedisWay, Resume, STREAMS, Subscribe, Target, Trust};
use crate::transport::tls;

/// Options of all scenarios. Each scenario has its own defaults for what is left out.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// Where clients connect, for example http://127.0.0.1:8080; several are used at random. With https:// over TLS
    #[arg(long, required = true, value_name = "URL")]
    target: Vec<String>,
    /// Certificates of authorities that are believed, PEM; those of this machine are not then
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Believe every certificate
    #[arg(long)]
    insecure: bool,
    /// Speak HTTP/2: over TLS by ALPN, in cleartext with prior knowledge
    #[arg(long)]
    http2: bool,
    /// Clients that share a connection of HTTP/2
    #[arg(long, value_name = "N", default_value_t = STREAMS, requires = "http2",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    streams_per_connection: usize,
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
    /// Admin listener of a node: its reads of Redis Streams are counted
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
    /// How long anything may take before it counts as silent or failed, also how long Redis may be away
    #[arg(long, value_name = "TIME", value_parser = duration)]
    patience: Option<Duration>,
    /// Seed of the random choices
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Load {
    /// Runs a scenario and prints what came out of it.
    pub(super) fn run(&self, scenario: Scenario) -> Result<ExitCode> {
        let (parameters, target) = (self.parameters(scenario)?, self.target()?);
        let stage = Stage::new(true)?;
        target.admin.iter().try_for_each(|&node| admin::check(node))?;
        let ended = run_as_far_as_possible(scenario, &parameters, &target, &self.pid, &stage);
        let Ended { outcome, error } = match (ended, stage.asked_to_end()) {
            (Err(error), Some(code)) => {
                eprintln!("fanload: {error:#}");
                return Ok(ExitCode::from(code));
            }
            (ended, _) => ended?,
        };
        if self.json {
            println!("{}", serde_json::to_string(&outcome)?);
        } else {
            print!("{}", report::table(&outcome));
        }
        if let Some(error) = &error {
            eprintln!("fanload: {error:#}");
        }
        Ok(match (outcome.integrity.holds(), stage.asked_to_end(), error) {
            (false, _, _) => ExitCode::from(1),
            (true, Some(code), Some(_)) => ExitCode::from(code),
            (true, None, Some(_)) => ExitCode::from(2),
            (true, _, None) => ExitCode::SUCCESS,
        })
    }

    fn parameters(&self, scenario: Scenario) -> Result<Parameters> {
        if self.events == Some(0) {
            bail!("--events 0: nothing would be published");
        }
        // The table of one run shows what slow clients change.
        let mut parameters = Parameters { compare: scenario == Scenario::Slow, ..Parameters::of(scenario) };
        put(&mut parameters.connections, self.connections);
        put(&mut parameters.baseline, self.baseline);
        put(&mut parameters.channels, self.channels);
        put(&mut parameters.channels_per_connection, self.channels_per_connection);
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
        parameters.check(scenario)?;
        Ok(parameters)
    }

    fn target(&self) -> Result<Target> {
        let targets = self.target.iter().map(|url| Url::read(url, "http", true)).collect::<Result<Vec<_>>>()?;
        let first = targets.first().context("no --target")?;
        let protocol = self.protocol(&targets)?;
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
        let admin = self.admin.iter().map(|url| Url::read(url, "http", false)).collect::<Result<Vec<_>>>()?;
        Ok(Target {
            protocol,
            addresses: targets.into_iter().flat_map(|url| url.addresses).collect(),
            subscribe,
            publish: self.publish(&headers)?,
            admin: admin.into_iter().filter_map(|url| url.addresses.first().copied()).collect(),
        })
    }

    fn protocol(&self, targets: &[Url]) -> Result<Protocol> {
        let tls = targets.iter().filter(|url| url.tls).count();
        if tls != 0 && tls != targets.len() {
            bail!("either all --target are https, or none is");
        }
        if tls == 0 && (self.ca.is_some() || self.insecure) {
            bail!("--ca and --insecure are about TLS: say --target https://…");
        }
        let trust = match &self.ca {
            Some(file) => {
                tls::check_authorities(file)?;
                Trust::File(file.clone())
            }
            None if self.insecure => Trust::Anybody,
            None => Trust::Authorities,
        };
        Ok(Protocol { tls: (tls > 0).then_some(trust), http2: self.http2.then_some(self.streams_per_connection) })
    }

    fn publish(&self, headers: &[(String, String)]) -> Result<Option<Publish>> {
        if let Some(url) = &self.redis {
            let redis = Url::read(url, "redis", false)?;
            let (prefix, way) = (self.prefix.clone(), self.publish);
            return Ok(Some(Publish::Redis { address: redis.address(url)?, login: redis.login, prefix, way }));
        }
        if let Some(address) = &self.feed {
            return Ok(Some(Publish::Feed { address: Url::read(address, "feed", false)?.address(address)? }));
        }
        let Some(url) = &self.post else { return Ok(None) };
        let post = Url::read(url, "http", false)?;
        let mut all = vec![("Host".to_owned(), post.host.clone())];
        all.extend(headers.iter().cloned());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            all.push(("Content-Type".to_owned(), "text/plain".to_owned()));
        }
        Ok(Some(Publish::Http {
            address: post.address(url)?,
            method: "POST".to_owned(),
            path: post.path,
            headers: all,
            body: "{data}".to_owned(),
            connections: 1,
            pipeline: 1,
            create: None,
        }))
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
