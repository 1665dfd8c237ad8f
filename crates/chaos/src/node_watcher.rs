//! Asks a node's admin port all the time, and looks at its memory.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{pace, request_within};

use crate::bounds::{ADMIN_WITHIN, NODE_MEMORY_MAX, START_WITHIN};
use crate::node_under_test::Life;
use crate::resource_usage::resident;
use crate::run::Run;

/// Pause between two looks at a node.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is asked of it, in turns.
const PATHS: [&str; 4] = ["/livez", "/readyz", METRICS, "/status"];
const METRICS: &str = "/metrics";

pub(crate) struct NodeWatcher<'a> {
    run: &'a Run,
    index: usize,
    /// The number of the last life in which the node has answered.
    answered: Option<u64>,
}

impl<'a> NodeWatcher<'a> {
    pub(crate) fn new(run: &'a Run, index: usize) -> Self {
        Self { run, index, answered: None }
    }

    /// Watches until the run is over.
    pub(crate) fn run(mut self) {
        for path in PATHS.iter().cycle() {
            if self.run.over.load(Ordering::Acquire) {
                return;
            }
            pace(INTERVAL);
            let Some(life) = self.run.nodes[self.index].life() else { continue };
            self.run.counters.node_memory.most(resident(&life.pid.to_string()));
            if !self.question(path, life) {
                // One breach tells as much as a hundred.
                pace(ADMIN_WITHIN);
            }
        }
    }

    /// False: what the node is bound to was not kept.
    fn question(&mut self, path: &str, life: Life) -> bool {
        let (run, index) = (self.run, self.index);
        let node = &run.nodes[index];
        let asked = Instant::now();
        let reply = request_within(ADMIN_WITHIN, node.admin, "GET", path, &[], b"");
        let (took, memory) = (asked.elapsed(), resident(&life.pid.to_string()));
        if node.life() != Some(life) {
            return true;
        }
        if memory > NODE_MEMORY_MAX {
            let (mib, most) = (memory >> 20, NODE_MEMORY_MAX >> 20);
            run.counters.breach(|| format!("node {index} has {mib} MiB of memory, and {most} MiB are its bound"));
            return false;
        }
        match reply {
            Ok(reply) if took <= ADMIN_WITHIN => {
                if path == METRICS {
                    self.note_counted(&reply.text());
                }
                run.counters.admin_ms.most(took.as_millis() as u64);
                self.answered = Some(life.number);
                true
            }
            Err(_) if self.answered != Some(life.number) && life.since.elapsed() < START_WITHIN => true,
            reply => {
                let how = reply.map_or_else(|error| error.to_string(), |reply| format!("status {}", reply.status()));
                run.counters
                    .breach(|| format!("the admin port of node {index} did not answer {path}: {how}, {took:?}"));
                false
            }
        }
    }

    /// Keeps what the report tells of a node's own counters.
    fn note_counted(&self, metrics: &str) {
        let sum = |name: &str| -> f64 {
            let samples =
                metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        let counters = &self.run.counters;
        counters.broken_promises.most(sum("fanfare_min_life_broken_total") as u64);
        counters.verified.most(sum("fanfare_verified_entries_total") as u64);
        counters.unfounded.most(sum("fanfare_feed_unfounded_pushes_total") as u64);
    }
}
