//! The binary `fanload`, and a server that can do wrong.

use std::net::SocketAddr;
use std::process::{Command, Output};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// The object on standard output; null when there was none.
    pub(crate) json: serde_json::Value,
    pub(crate) errors: String,
}

impl Ran {
    /// A number of the verdict.
    pub(crate) fn verdict(&self, name: &str) -> u64 {
        self.json["integrity"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// Runs `fanload` with these words and `--json`, against a server and its feed.
pub(crate) fn fanload(words: &str, target: SocketAddr, feed: SocketAddr) -> Ran {
    fanload_at(words, &format!("http://{target}"), feed)
}

/// The same with the URL of a server.
pub(crate) fn fanload_at(words: &str, target: &str, feed: SocketAddr) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
    command.args(words.split(' ')).args(["--json", "--target", target, "--feed", &feed.to_string()]);
    ran(&command.output().expect("fanload starts"))
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().expect("fanload exits by itself"),
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
