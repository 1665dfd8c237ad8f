//! Writing streams and reading them through the archive.

use fanfare_log::proof::{Verdict, prove};
use fanfare_log::{Archive, ReadRequest, Snapshot};
use fanfare_protocol::{Decoded, EntryId, Epoch, GapReason, Position};
use fanfare_redis::{Options, RedisArchive, RedisStore};
use redis::Value;

use super::{Server, name};

pub async fn library() -> (Server, RedisArchive) {
    let server = Server::start().await;
    server.load_library().await;
    let archive = archive(&server.options());
    (server, archive)
}

pub fn archive(options: &Options) -> RedisArchive {
    RedisStore::new(options).unwrap().archive()
}

pub async fn publish(server: &Server, words: &[&str]) -> EntryId {
    server.publish(words).await.parse().unwrap()
}

pub async fn xadd(server: &Server, words: &[&str]) -> EntryId {
    let mut call = vec!["XADD"];
    call.extend(words);
    server.run::<String>(&call).await.parse().unwrap()
}

pub fn request(channel: &str, after: Position) -> ReadRequest {
    ReadRequest { log: name(channel), after, max_entries: 1000, max_bytes: 256 * 1024 }
}

pub async fn read(archive: &RedisArchive, after: Position) -> Snapshot {
    archive.read(request("a", after)).await.unwrap()
}

pub async fn tip(archive: &RedisArchive) -> Position {
    archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().position
}

pub async fn verdict(archive: &RedisArchive, after: Position) -> Verdict {
    prove(after, &read(archive, after).await)
}

pub fn ids(snapshot: &Snapshot) -> Vec<EntryId> {
    snapshot.entries.iter().map(Decoded::id).collect()
}

pub const RESET: Verdict = Verdict::Gap(GapReason::Reset);

pub async fn epoch(archive: &RedisArchive) -> Epoch {
    archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().epoch
}

/// A user who may do all that nodes do but the named commands.
pub async fn user_without(server: &Server, commands: &[&str]) -> Options {
    let mut rules = vec!["ACL", "SETUSER", "node", "reset", "resetchannels", "on", ">secret", "+@all", "~*", "&*"];
    rules.extend(commands);
    server.run::<Value>(&rules).await;
    Options { url: server.url_of("node"), ..server.options() }
}

/// What Redis evicts.
pub async fn set_policy(server: &Server, policy: &str) {
    for setting in [["maxmemory", "100mb"], ["maxmemory-policy", policy]] {
        server.run::<Value>(&[&["CONFIG", "SET"], &setting[..]].concat()).await;
    }
}

/// How often a command was called.
pub async fn calls(server: &Server, command: &str) -> u64 {
    let info: String = server.run(&["INFO", "commandstats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// How many bytes the server has sent to all its clients.
pub async fn bytes_sent(server: &Server) -> usize {
    let info: String = server.run(&["INFO", "stats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).unwrap();
    line.trim().parse().unwrap()
}
