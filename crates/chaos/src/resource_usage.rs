//! What the processes of a run cost: memory and files, from time to time, so that an hour shows whether anything grows.

use std::fs;
use std::time::Duration;

use fanfare_e2e::Node;

use crate::world::World;

/// Time between two samples.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
const MIB: f64 = 1024.0 * 1024.0;

/// One sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ResourceUsage {
    /// Since the beginning of the run.
    at: Duration,
    /// Resident memory of the harness, in bytes.
    harness: u64,
    /// Of the largest node.
    node: u64,
    /// Of the primary.
    redis: u64,
    /// Bytes of logs and append-only files.
    files: u64,
}

impl ResourceUsage {
    /// Looks at the harness, these nodes, and Redis if it runs.
    pub(crate) fn take<'a>(
        at: Duration,
        nodes: impl Iterator<Item = &'a Node>,
        world: &World,
        redis_runs: bool,
    ) -> Self {
        let node = nodes.map(|node| resident(&node.pid().to_string())).max().unwrap_or(0);
        let redis = if redis_runs { resident(&world.redis.pid().to_string()) } else { 0 };
        let logs: u64 = world.nodes.iter().map(Node::log_bytes).sum();
        let files = logs + world.redis.disk_bytes() + world.replica.disk_bytes();
        Self { at, harness: resident("self"), node, redis, files }
    }

    /// A line about all samples of a run; `None` if there are too few to say anything.
    pub(crate) fn summary(samples: &[Self]) -> Option<String> {
        // The first third fills what has a bound.
        let late = &samples[samples.len() / 3..];
        let last = late.last().filter(|_| late.len() > 2)?;
        let mib = |bytes: u64| bytes as f64 / MIB;
        let most = |field: fn(&Self) -> u64| mib(samples.iter().map(field).max().unwrap_or(0));
        let slope = |field: fn(&Self) -> u64| slope(late, field) / MIB;
        Some(format!(
            "harness {:.0} MiB at the end ({:+.2} MiB a minute in the last two thirds), nodes at most {:.0} MiB ({:+.2}), \
             Redis at most {:.0} MiB ({:+.2}), files at most {:.0} MiB ({:+.2})",
            mib(last.harness),
            slope(|usage| usage.harness),
            most(|usage| usage.node),
            slope(|usage| usage.node),
            most(|usage| usage.redis),
            slope(|usage| usage.redis),
            most(|usage| usage.files),
            slope(|usage| usage.files),
        ))
    }
}

/// The line of least squares through the samples, in bytes a minute.
fn slope(samples: &[ResourceUsage], field: fn(&ResourceUsage) -> u64) -> f64 {
    let count = samples.len() as f64;
    let points = || samples.iter().map(|usage| (usage.at.as_secs_f64() / 60.0, field(usage) as f64));
    let (sum_x, sum_y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = points().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

/// Resident memory of a process, in bytes; 0 if it has ended.
pub(crate) fn resident(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the samples of the first third count, and when the slope is that between the first and the last sample.
    #[test]
    fn growth_is_told_by_the_minute_and_what_fills_up_first_does_not_count() {
        let sample = |index: u64, harness: f64| {
            let harness = (harness * MIB) as u64;
            ResourceUsage { at: INTERVAL * index as u32, harness, ..ResourceUsage::default() }
        };
        // Six samples a minute: it fills up, then grows by 3 MiB a minute, and the last sample is an outlier.
        let mut samples: Vec<ResourceUsage> = (0..90).map(|index| sample(index, index.min(30) as f64 * 50.0)).collect();
        for (index, usage) in samples.iter_mut().enumerate().skip(30) {
            usage.harness += (index as u64 - 30) * 512 * 1024;
        }
        let told = ResourceUsage::summary(&samples).expect("enough samples");
        assert!(told.starts_with("harness 1530 MiB at the end (+3.00 MiB a minute"), "{told}");
        samples[89].harness -= 20 * 1024 * 1024;
        let told = ResourceUsage::summary(&samples).expect("enough samples");
        assert!(
            told.starts_with("harness 1510 MiB at the end (+2.80 MiB a minute"),
            "one sample decides nothing: {told}"
        );
        assert_eq!(ResourceUsage::summary(&samples[..3]), None);
    }

    #[test]
    fn this_process_occupies_memory_and_one_that_is_gone_does_not() {
        assert!(resident("self") > 1024 * 1024);
        assert_eq!(resident("none"), 0);
    }
}
