//! `GET /channels/{channel}`.

use std::net::IpAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, timeout};

use crate::world::World;

/// How long an answer may take: the deadline of the store, and what a narrow link takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a node answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// So many read the channel.
    Readers(u64),
    /// It cannot say so now.
    Unknown,
    /// There is no node.
    NoNode,
}

/// Asks a node.
///
/// # Errors
/// It gives no answer, or one that it must not give.
pub(crate) async fn ask(world: &World, node: usize, channel: &str, from: IpAddr) -> Result<Count, String> {
    let Some(mut end) = world.nodes[node].connect(65_536, from) else { return Ok(Count::NoNode) };
    let request = format!("GET /channels/{channel} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let asked = async {
        // A node that is killed meanwhile hangs up.
        let _ = end.write_all(request.as_bytes()).await;
        let _ = end.read_to_string(&mut answer).await;
    };
    if timeout(PATIENCE, asked).await.is_err() {
        return Err(format!("node {node} says nothing about {channel} within {PATIENCE:?}"));
    }
    world.trace.bytes(&format!("who asks node {node} about {channel}"), answer.as_bytes());
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match status {
        None if answer.is_empty() => Ok(Count::NoNode),
        Some("200") => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let said: Value = serde_json::from_str(body).unwrap_or_default();
            let readers = said["readers"].as_u64().filter(|_| said["channel"] == channel);
            readers.map(Count::Readers).ok_or_else(|| format!("node {node} answers about {channel}: {body:?}"))
        }
        // 502: its memory is full.
        Some("502" | "503") => Ok(Count::Unknown),
        _ => Err(format!("node {node} answers about {channel}: {answer:?}")),
    }
}
