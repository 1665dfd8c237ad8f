//! Centrifugo: a server for messages in real time over many transports, in Go.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};

use super::posted::Post;
use super::{go, posted, program};
use crate::contender::contract::Contender;
use crate::contender::place::Place;
use crate::contender::running::Running;
use crate::contender::{address, redis, version, wait};
use crate::process::Process;
use crate::scenario::Scenario;
use crate::target::{Dialect, Payload, Position, Primed, Protocol, Resume, Subscribe, Target};

const PROGRAM: &str = "centrifugo";
/// What the names of its settings in the environment begin with.
const SETTINGS: &str = "CENTRIFUGO_";
/// Who publishes. It listens on the loopback for as long as it is measured.
const API_KEY: &str = "of-a-measurement-on-this-machine-alone";

/// One node with the unidirectional event stream, `uni_sse`, which is the transport for a plain `EventSource`.
#[derive(Debug)]
pub struct Centrifugo {
    engine: Engine,
}

/// Where messages and their history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Memory,
    Redis,
}

impl Centrifugo {
    /// With everything in the memory of the process: a single node.
    pub const MEMORY: Self = Self { engine: Engine::Memory };
    /// With everything in Redis, as several nodes need it.
    pub const REDIS: Self = Self { engine: Engine::Redis };
}

impl Contender for Centrifugo {
    fn name(&self) -> &'static str {
        match self.engine {
            Engine::Memory => "centrifugo",
            Engine::Redis => "centrifugo-redis",
        }
    }

    fn cannot(&self, scenario: Scenario) -> Option<&'static str> {
        match scenario {
            Scenario::Storm => Some("uni_sse sends no id, so a plain EventSource gets nothing of what it missed"),
            Scenario::Large => Some("an event of 1 MiB is more than may wait for a client (queue_max_size)"),
            _ => None,
        }
    }

    fn start(&self, place: &Place) -> Result<Running> {
        let program = program::find(PROGRAM, go::INSTALL)?;
        let version = version::told_by(&program, "version", go::INSTALL)?;
        let address = address::free()?;
        let file = place.directory.join("centrifugo.json");
        fs::write(&file, include_str!("centrifugo.json"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let redis = match self.engine {
            Engine::Memory => None,
            Engine::Redis => Some((redis::version()?, redis::start(place)?)),
        };

        let log = place.directory.join("centrifugo.log");
        let mut command = go::command(&program);
        command.arg("--config").arg(&file);
        set(&mut command, address, redis.as_ref().map(|(_, (_, address))| *address));
        let mut process = Process::start(&command, place.server_core, &log)?;
        wait::until(PROGRAM, &mut process, &log, || wait::get(address, "/health"))?;
        let engine = match &redis {
            None => "memory engine".to_owned(),
            Some((version, _)) => format!("engine in Redis {version}"),
        };
        Ok(Running {
            server_pids: vec![process.id()],
            target: target(address),
            description: format!("{version}, uni_sse, {engine}, history of 2,000 for ten minutes in each channel"),
            // The node first: it would complain about a Redis that goes.
            processes: std::iter::once(process).chain(redis.map(|(_, (process, _))| process)).collect(),
        })
    }
}

/// What differs from run to run. Settings of the person who measures are not for the measured node.
fn set(command: &mut Command, address: SocketAddr, redis: Option<SocketAddr>) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(SETTINGS) {
            command.env_remove(name);
        }
    }
    let mut set = |name: &str, value: &str| {
        command.env(format!("{SETTINGS}{name}"), value);
    };
    set("HTTP_SERVER_ADDRESS", &address.ip().to_string());
    set("HTTP_SERVER_PORT", &address.port().to_string());
    set("HTTP_API_KEY", API_KEY);
    set("ENGINE_TYPE", if redis.is_some() { "redis" } else { "memory" });
    if let Some(redis) = redis {
        set("ENGINE_REDIS_ADDRESS", &redis.to_string());
    }
}

fn target(address: SocketAddr) -> Target {
    Target {
        addresses: vec![address],
        protocol: Protocol::default(),
        subscribe: Subscribe {
            // A connect request in JSON, `{"subs":{"a":{},"b":{}}}`.
            path: "/connection/uni_sse?cf_connect=%7B%22subs%22:%7B{channels}%7D%7D".to_owned(),
            channel: "%22{channel}%22:%7B%7D".to_owned(),
            separator: ",".to_owned(),
            host: address.to_string(),
            headers: Vec::new(),
            resume: Resume::Nothing,
            // The answer to the connect request comes once the subscriptions stand.
            primed: Primed::Bytes,
            dialect: Dialect { payload: Payload::After("\"data\":\"".to_owned()), position: Position::Id },
        },
        publish: Some(posted::publish(
            address,
            &Post {
                path: "/api/publish",
                headers: &[("X-API-Key", API_KEY), ("Content-Type", "application/json")],
                body: r#"{"channel":"{channel}","data":"{data}"}"#,
            },
        )),
        admin: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(redis: Option<&str>) -> Vec<(String, String)> {
        let mut command = Command::new(Path::new(PROGRAM));
        set(&mut command, "127.0.0.1:8000".parse().unwrap(), redis.map(|address| address.parse().unwrap()));
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    }

    #[test]
    fn each_engine_is_told_where_it_is() {
        let engine = |redis| {
            let set = settings(redis).into_iter();
            set.filter(|(name, _)| name.contains("ENGINE")).map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(engine(None), ["memory"]);
        assert_eq!(engine(Some("127.0.0.1:6379")), ["127.0.0.1:6379", "redis"]);
    }

    #[test]
    fn the_configuration_keeps_as_much_as_the_description_says() {
        let file: serde_json::Value = serde_json::from_str(include_str!("centrifugo.json")).unwrap();
        let channels = &file["channel"]["without_namespace"];
        assert_eq!((&channels["history_size"], &channels["history_ttl"]), (&2_000.into(), &"10m".into()));
        assert_eq!(file["uni_sse"]["enabled"], true);
    }
}
