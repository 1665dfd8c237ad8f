//! Judging what the server says of itself.

use super::product::{Kind, Product};
use super::report::Report;
use crate::eviction::Eviction;
use crate::primary::Regions;

/// Redis cuts a subscriber off whose queue is longer than this; the default of Redis, in bytes.
const OUTPUT_BUFFER_WANTED: u64 = 32 * 1024 * 1024;

pub(super) fn version(report: &mut Report, product: &Product, has_functions: bool) {
    let shown = product.shown();
    match (&product.kind, product.redis_version()) {
        (_, Some((0..=5, _) | (6, 0..=1))) => {
            report.fail("version", format!("{shown}; expected Redis 6.2 or newer"), "");
        }
        (Kind::Other(_), _) => {
            let finding =
                format!("{shown}: nobody has tried Fanfare on this product; the lines below say what it lacks");
            report.warn("version", finding, "");
        }
        _ if !has_functions => report.warn(
            "version",
            format!(
                "{shown} has no functions: publishers use EVAL of sse_publish.lua; and a publisher whose ACL lacks \
                 +publish is not told: its events arrive within redis.reconcile_interval"
            ),
            "",
        ),
        _ => report.ok("version", shown),
    }
}

/// Regions of an Active-Active database take events at once and merge them later: an entry may come to stand before one that was
/// delivered (<https://redis.io/docs/latest/operate/rs/databases/active-active/develop/data-types/streams/>).
pub(super) fn regions(report: &mut Report, regions: Regions) {
    let finding = match regions {
        Regions::One => return,
        Regions::Several => {
            "this is an Active-Active database: entries of other regions come to stand before those that were delivered, so that \
             nothing can be proven; nodes need a database of one region"
        }
        Regions::Untold => {
            "this may be an Active-Active database, which nodes cannot use, and this user may not ask: allow +crdt.config to tell"
        }
    };
    report.fail("topology", finding, "");
}

pub(super) fn role(report: &mut Report, role: &str, primary: &str) {
    match role {
        "slave" => report.fail(
            "role",
            format!("a replica of {primary}: nodes must use the primary, for the feed and the archive alike"),
            "",
        ),
        _ => report.ok("role", "primary"),
    }
}

pub(super) fn persistence(report: &mut Report, append_only: bool, save: Option<&str>) {
    const RUN: &str = "redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE";
    match (append_only, save) {
        (true, _) => report.ok("persistence", "append-only file"),
        (false, Some("")) => {
            report.warn("persistence", "none: a restart forgets every stream, and each client gets a $gap reset", RUN);
        }
        (false, Some(_)) => report.warn(
            "persistence",
            "snapshots only: a crash forgets what was published since the last one, and clients get a $gap reset",
            RUN,
        ),
        (false, None) => report.warn("persistence", "no append-only file; this user may not ask for snapshots", RUN),
    }
}

pub(super) fn eviction(report: &mut Report, (eviction, is_promised): (Eviction, bool), policy: &str, limit: &str) {
    match eviction {
        Eviction::Nothing => report.ok(
            "eviction",
            if limit == "0B" { "none: memory is not limited".into() } else { format!("none: {policy}") },
        ),
        Eviction::Expiring if is_promised => report.ok(
            "eviction",
            format!("{policy} beyond {limit}: only keys that expire, and redis.streams_expire promises that no stream does"),
        ),
        Eviction::Expiring => report.warn(
            "eviction",
            format!(
                "{policy} beyond {limit}: streams with a TTL may vanish ($gap reset), and the absence of one proves nothing (false \
                 gaps), unless no publisher gives a TTL and redis.streams_expire = false promises it"
            ),
            "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
        ),
        Eviction::Anything => report.warn(
            "eviction",
            format!(
                "{policy} beyond {limit}: streams may vanish ($gap reset), and the absence of one proves nothing (false gaps)"
            ),
            "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
        ),
    }
}

/// A node with `auth.enabled` does not start then.
pub(super) fn revocations(report: &mut Report, policy: &str) {
    report.fail(
        "revocations",
        format!("{policy} may evict what was revoked, so that nodes with auth.enabled do not start"),
        "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
    );
}

pub(super) fn failover(report: &mut Report, replicas: u32, required: Option<&str>) {
    const RUN: &str = "redis-cli CONFIG SET min-replicas-to-write 1 && redis-cli CONFIG REWRITE";
    match (replicas, required) {
        (0, _) => report.ok("failover", "no replicas, so no failover"),
        (_, Some("0")) => report.warn(
            "failover",
            format!(
                "{replicas} replica(s), min-replicas-to-write is 0: a primary that lost its replicas goes on accepting \
                 events that a failover then forgets"
            ),
            RUN,
        ),
        (_, Some(required)) => {
            report.ok("failover", format!("{replicas} replica(s), min-replicas-to-write is {required}"));
        }
        (_, None) => {
            report.warn("failover", "this user may not ask for min-replicas-to-write; make sure that it is not 0", RUN);
        }
    }
}

pub(super) fn is_full(used: &str, limit: &str) -> bool {
    let (used, limit) = (used.parse::<u64>().unwrap_or(0), limit.parse::<u64>().unwrap_or(0));
    limit > 0 && used >= limit
}

/// `reads`: a node can read streams all the same.
pub(super) fn full(report: &mut Report, reads: bool, has_functions: bool, used: &str, limit: &str) {
    let finding = format!("{used} of {limit} are in use: Redis refuses every publish (OOM) unless it can evict");
    match reads {
        true => report.warn("memory", format!("{finding}; nodes read on"), ""),
        false => {
            let rules: &[&str] =
                if has_functions { &["+fcall_ro", "+eval_ro", "+evalsha_ro"] } else { &["+eval", "+evalsha"] };
            let run = report.allow(rules.iter().copied());
            let finding = format!(
                "{finding}, and transactions: a node whose user may run neither functions nor scripts cannot read"
            );
            report.fail("memory", finding, &run);
        }
    }
}

/// `info` tells of each database that holds keys: `db0:keys=1,expires=0,avg_ttl=0`.
pub(super) fn database(report: &mut Report, own: i64, info: &str) {
    let number = |line: &str| line.strip_prefix("db")?.split_once(":keys=")?.0.parse::<i64>().ok();
    let used: Vec<_> = info.lines().filter_map(number).collect();
    if used.is_empty() || used.contains(&own) {
        report.ok("database", own);
        return;
    }
    let others = used.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    report.warn(
        "database",
        format!(
            "database {own} is empty, but there are keys in {others}: if publishers use one of those, put it at the end of \
             redis.url (/{}); their messages arrive from any database, their entries cannot be read",
            used[0]
        ),
        "",
    );
}

/// `limits` is what `CONFIG GET client-output-buffer-limit` tells: class, hard limit, soft limit, seconds; repeated.
pub(super) fn output_buffer(report: &mut Report, limits: Option<&str>, event_bytes: usize) {
    let run = format!("redis-cli CONFIG SET client-output-buffer-limit 'pubsub {OUTPUT_BUFFER_WANTED} 8388608 60'");
    let words: Vec<&str> = limits.unwrap_or_default().split_whitespace().collect();
    let hard = words.iter().position(|word| *word == "pubsub").and_then(|at| words.get(at + 1)?.parse::<u64>().ok());
    match hard {
        None => {
            report.ok("output buffer", "this user may not ask for client-output-buffer-limit; 32 MB is the default");
        }
        Some(0) => report.ok("output buffer", "not limited for subscribers"),
        Some(hard) if hard < OUTPUT_BUFFER_WANTED.max(16 * event_bytes as u64) => report.warn(
            "output buffer",
            format!("{hard} bytes for a subscriber: a burst cuts nodes off, which then read the archive instead"),
            &run,
        ),
        Some(hard) => report.ok("output buffer", format!("{hard} bytes for a subscriber")),
    }
}
