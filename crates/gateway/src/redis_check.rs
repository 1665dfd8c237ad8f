//! `fanfare redis check`: whether this Redis can carry the guarantee, before anybody depends on it.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use fanfare_log::{Archive, ArchiveError, Desired, feed};
use fanfare_protocol::{ChannelName, limits};
use fanfare_redis::{LOAD_BY_HAND, Library, RedisBackend, RedisHandle, StatusReport};
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::node;

/// How often the findings are looked at while they come in.
const LOOK: Duration = Duration::from_millis(20);
/// A channel that is read and never written.
const CHANNEL: &str = "fanfare.check";
/// The oldest version whose Streams are good enough, and the oldest with Functions.
const VERSION_MIN: (u32, u32) = (6, 2);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Good,
    /// The node runs, with less than the full guarantee or comfort.
    Warning,
    /// The node cannot serve.
    Failure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Good => "good",
            Level::Warning => "warning",
            Level::Failure => "failure",
        };
        write!(f, "{word:<8} {}", self.text)
    }
}

/// Looks at the configured Redis as a node would, prints what it finds, and fails if a node could not serve.
///
/// # Errors
/// Options that cannot work, whatever Redis says.
pub fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(look(config))?;
    println!("checking {}", config.redis.url.redacted());
    for finding in &findings {
        println!("{finding}");
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Failure);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn look(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let (sink, _source) = feed(limits::FEED_QUEUE_BYTES_MAX);
    let handle = RedisBackend::start(&node::redis_options(config), Desired::new(), sink)?;
    let deadline = Instant::now() + config.redis.command_timeout.0 + config.redis.probe_timeout.0;
    let complete = |report: &StatusReport| {
        report.probe_age.is_some() && report.library.is_some() && report.server_version.is_some()
    };
    // Nobody there is found out at once, not at the deadline.
    let hopeless = |report: &StatusReport| report.connected_for.is_none() && report.last_error.is_some();
    let mut report = handle.status.report();
    while !complete(&report) && !hopeless(&report) && Instant::now() < deadline {
        sleep(LOOK).await;
        report = handle.status.report();
    }
    let read = match (report.connected_for, ChannelName::parse(CHANNEL)) {
        (Some(_), Ok(channel)) => Some(handle.archive.tips(vec![channel]).await.and_then(first)),
        _ => None,
    };
    let findings = judge(&handle.status.report(), read.as_ref());
    RedisHandle::stop(handle).await;
    Ok(findings)
}

fn first<T>(tips: Vec<Result<T, ArchiveError>>) -> Result<(), ArchiveError> {
    tips.into_iter().try_for_each(|tip| tip.map(drop))
}

fn judge(report: &StatusReport, read: Option<&Result<(), ArchiveError>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |level, text: String| findings.push(Finding { level, text });
    if report.connected_for.is_none() {
        let reason = report.last_error.as_ref().map_or("no answer in time", |(_, text)| text.as_str());
        say(Level::Failure, format!("cannot connect: {reason}"));
        return findings;
    }
    match report.server_version.as_deref() {
        Some(version) if at_least(version, VERSION_MIN) => say(Level::Good, format!("connected to Redis {version}")),
        Some(version) => say(Level::Failure, format!("Redis {version} is too old; expected 6.2 or newer")),
        None => say(Level::Warning, "the version of Redis is unknown: INFO was not answered".into()),
    }
    match report.probe_age {
        Some(_) => say(Level::Good, "a message made its way around Pub/Sub".into()),
        None => say(Level::Failure, "no message came back through Pub/Sub: the node would never be ready".into()),
    }
    match read {
        Some(Ok(())) => say(Level::Good, "streams can be read".into()),
        Some(Err(error)) => say(Level::Failure, format!("streams cannot be read: {error}")),
        None => {}
    }
    let (level, text) = library(report.library.as_ref());
    say(level, text);
    match report.evicts {
        Some(false) => say(Level::Good, "keys are not evicted".into()),
        Some(true) => say(
            Level::Warning,
            "keys may be evicted: a stream can vanish, and clients then get $gap; set maxmemory-policy noeviction"
                .into(),
        ),
        None => say(Level::Warning, "whether keys are evicted is unknown: it is taken that they are".into()),
    }
    findings
}

fn library(library: Option<&Library>) -> (Level, String) {
    match library {
        Some(Library::Loaded) => (Level::Good, "the publishing functions were loaded".into()),
        Some(Library::Present) => (Level::Good, "the publishing functions are there".into()),
        Some(Library::Newer(version)) => (Level::Good, format!("newer publishing functions are there: {version}")),
        Some(Library::Refused(reason)) => {
            (Level::Warning, format!("the publishing functions cannot be loaded: {reason}; run: {LOAD_BY_HAND}"))
        }
        Some(Library::Unsupported) => {
            (Level::Warning, "Redis older than 7.0 has no functions: publishers use the script".into())
        }
        Some(Library::Off) => {
            (Level::Good, "the publishing functions were not looked at (redis.load_functions)".into())
        }
        None => (Level::Warning, "what became of the publishing functions is unknown".into()),
    }
}

fn at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> StatusReport {
        StatusReport {
            connected_for: Some(Duration::ZERO),
            probe_age: Some(Duration::ZERO),
            reconnects: 0,
            subscriptions: 0,
            server_version: Some("7.0.15".into()),
            evicts: Some(false),
            library: Some(Library::Present),
            last_error: None,
            foreign_event_names: 0,
            foreign_without_data: 0,
            archive_reads: 0,
            archive_bytes: 0,
        }
    }

    fn worst(report: &StatusReport, read: &Result<(), ArchiveError>) -> Level {
        judge(report, Some(read)).iter().map(|finding| finding.level).max().unwrap()
    }

    #[test]
    fn a_redis_with_everything_is_good() {
        assert_eq!(worst(&good(), &Ok(())), Level::Good);
    }

    #[test]
    fn what_weakens_the_guarantee_is_a_warning() {
        assert_eq!(worst(&StatusReport { evicts: Some(true), ..good() }, &Ok(())), Level::Warning);
        assert_eq!(worst(&StatusReport { evicts: None, ..good() }, &Ok(())), Level::Warning);
        let refused = StatusReport { library: Some(Library::Refused("NOPERM".into())), ..good() };
        assert_eq!(worst(&refused, &Ok(())), Level::Warning);
        assert!(judge(&refused, None).iter().any(|finding| finding.text.ends_with(LOAD_BY_HAND)));
    }

    #[test]
    fn what_keeps_a_node_from_serving_is_a_failure() {
        assert_eq!(worst(&StatusReport { probe_age: None, ..good() }, &Ok(())), Level::Failure);
        assert_eq!(worst(&StatusReport { connected_for: None, ..good() }, &Ok(())), Level::Failure);
        assert_eq!(worst(&StatusReport { server_version: Some("6.0.9".into()), ..good() }, &Ok(())), Level::Failure);
        assert_eq!(worst(&good(), &Err(ArchiveError::Denied("NOPERM".into()))), Level::Failure);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(at_least("6.2.0", (6, 2)) && at_least("10.0.1", (6, 2)) && !at_least("5.14.0", (6, 2)));
    }
}
