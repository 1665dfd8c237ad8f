//! CPU time of processes.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Ticks a second in `/proc/PID/stat`. Linux shows user space 100, whatever it uses itself.
const TICKS: f64 = 100.0;

/// CPU time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// In the program's own code.
    pub user: f64,
    /// In the kernel on its behalf.
    pub system: f64,
}

impl Cpu {
    /// Both together.
    pub fn total(&self) -> f64 {
        self.user + self.system
    }

    /// What was used since `earlier`. The sum is exact; the split may be off by a tick, and is then cut at zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let total = (self.total() - earlier.total()).max(0.0);
        let user = (self.user - earlier.user).clamp(0.0, total);
        Self { user, system: total - user }
    }
}

/// CPU time of a process, its ended threads included.
///
/// The kernel knows the sum to the nanosecond and shows it, per living thread, in `task/*/schedstat`; `stat` shows it in
/// ticks, and splits it by sampling. So the split is that of `stat` and the sum that of the threads, unless they show less
/// than `stat` does, because some have ended.
pub(super) fn of(pid: u32) -> Result<Cpu> {
    let cpu = ticks_of(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
    let exact = threads_of(pid).unwrap_or(0.0);
    if exact <= cpu.total() {
        return Ok(cpu);
    }
    // Without a single tick the split is not known: a program's own code comes first.
    let system = if cpu.total() > 0.0 { exact * cpu.system / cpu.total() } else { 0.0 };
    Ok(Cpu { user: exact - system, system })
}

fn ticks_of(stat: &str) -> Result<Cpu> {
    // The name in parentheses may hold anything; the fields after it are numbers, the first of them is the third.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat has no name")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).context("/proc/PID/stat is short");
    Ok(Cpu { user: ticks()? / TICKS, system: ticks()? / TICKS })
}

/// Seconds that the living threads have run; `None` where the kernel does not count them.
fn threads_of(pid: u32) -> Option<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that ends meanwhile has no file any more.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of one thread that does nothing but work. In this one, threads of other tests end, and take their exact
    /// time with them.
    struct Busy(std::process::Child);

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    // Seen to fail when the threads are left out: `stat` shows nothing below its ticks.
    #[test]
    fn time_below_a_tick_shows() {
        let busy = Busy(std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
        let before = of(busy.0.id()).unwrap();
        let mut steps = std::collections::BTreeSet::new();
        while steps.len() < 8 {
            let used = of(busy.0.id()).unwrap().since(&before).total();
            assert!(used < 2.0, "after two seconds of CPU only these were shown: {steps:?}");
            steps.insert((used * TICKS * 10.0).round() as u64);
        }
        assert!(steps.iter().any(|tenths| tenths % 10 != 0), "{steps:?}");
    }

    // Seen to fail when the difference of each part is taken by itself.
    #[test]
    fn a_split_that_moved_back_does_not_become_negative() {
        let earlier = Cpu { user: 0.02, system: 0.10 };
        let used = Cpu { user: 0.01, system: 0.14 }.since(&earlier);
        assert!(used.user == 0.0 && (used.system - 0.03).abs() < 1e-9, "{used:?}");
    }

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(ticks_of(stat).unwrap(), Cpu { user: 2.5, system: 0.5 });
        assert!(ticks_of("7 (a) R 1").is_err());
    }
}
