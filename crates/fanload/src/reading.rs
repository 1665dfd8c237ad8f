//! CPU and memory of processes and of the kernel's sockets, from `/proc` (Linux, proc(5)).

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Ticks a second in `/proc/PID/stat`. Linux shows user space 100, whatever it uses itself.
const TICKS: f64 = 100.0;
/// Bytes of the pages that `/proc/net/sockstat` counts.
const PAGE: u64 = 4096;

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

/// What a set of processes used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// CPU time since each process started.
    pub cpu: Cpu,
    /// Bytes of resident memory.
    pub rss: u64,
    /// Highest resident memory so far, in bytes, summed over the processes.
    pub peak_rss: u64,
    /// Bytes in the buffers of TCP sockets, of the whole machine (both ends, on loopback).
    pub kernel: u64,
    /// Bytes of the kernel's own objects, sockets among them, of the whole machine. They move for many reasons, so only
    /// a large difference says something.
    pub slab: u64,
}

impl Reading {
    /// Reads `pids` now. Without pids only the memory of the kernel is read.
    ///
    /// # Errors
    /// When one of the processes does not exist or may not be read.
    pub fn take(pids: &[u32]) -> Result<Self> {
        let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo cannot be read")?;
        let slab = kib_field(&memory, "Slab:") * 1024;
        let mut reading = Self { kernel: kernel_tcp_bytes()?, slab, ..Self::default() };
        for &pid in pids {
            let cpu = cpu_of(pid).with_context(|| format!("process {pid} cannot be read: has it ended?"))?;
            reading.cpu.user += cpu.user;
            reading.cpu.system += cpu.system;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            reading.rss += kib_field(&status, "VmRSS:") * 1024;
            reading.peak_rss += kib_field(&status, "VmHWM:") * 1024;
        }
        Ok(reading)
    }
}

/// CPU time of a process, its ended threads included.
///
/// The kernel knows the sum to the nanosecond and shows it, per living thread, in `task/*/schedstat`; `stat` shows it in
/// ticks, and splits it by sampling. So the split is that of `stat` and the sum that of the threads, unless they show less
/// than `stat` does, because some have ended.
fn cpu_of(pid: u32) -> Result<Cpu> {
    let cpu = ticks_of(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
    let exact = threads_of(pid).unwrap_or(0.0);
    if exact <= cpu.total() {
        return Ok(cpu);
    }
    // Without a single tick nobody knows the split: a program's own code comes first.
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

fn kib_field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Kinds of kernel objects of which a TCP connection that a readiness loop watches has one or more.
const SOCKET_OBJECTS: [&str; 7] =
    ["TCP", "TCPv6", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq"];

/// Bytes of the kernel objects of all sockets of the machine, files and readiness queues included; buffers are in
/// [`Reading::kernel`]. `None` where `/proc/slabinfo` may not be read, as by most users but root (slabinfo(5)).
pub fn socket_objects() -> Option<u64> {
    Some(objects_in(&fs::read_to_string("/proc/slabinfo").ok()?))
}

fn objects_in(slabinfo: &str) -> u64 {
    // name, objects in use, objects, bytes of one
    let bytes = slabinfo.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.next().filter(|name| SOCKET_OBJECTS.contains(name))?;
        let (used, size) = (fields.next()?.parse::<u64>().ok()?, fields.nth(1)?.parse::<u64>().ok()?);
        Some(used * size)
    });
    bytes.sum()
}

fn kernel_tcp_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").context("/proc/net/sockstat cannot be read")?;
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = line.rsplit_once("mem ").and_then(|(_, pages)| pages.trim().parse::<u64>().ok());
    Ok(pages.unwrap_or(0) * PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the fields of the stat line are counted from the wrong place.
    #[test]
    fn work_shows_as_cpu_time_and_memory() {
        let before = Reading::take(&[std::process::id()]).unwrap();
        let mut sum = 0_u64;
        while Reading::take(&[std::process::id()]).unwrap().cpu.since(&before.cpu).user < 0.05 {
            sum = (0..1_000_000_u64).fold(sum, |sum, n| sum.wrapping_add(std::hint::black_box(n)));
        }
        assert!(before.rss > 100_000 && before.peak_rss >= before.rss, "{before:?}");
    }

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
        let before = Reading::take(&[busy.0.id()]).unwrap().cpu;
        let mut steps = std::collections::BTreeSet::new();
        while steps.len() < 8 {
            let used = Reading::take(&[busy.0.id()]).unwrap().cpu.since(&before).total();
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

    // Seen to fail when another column than the objects in use is taken, and when a name needs only begin alike.
    #[test]
    fn only_objects_of_sockets_are_counted() {
        let slabinfo = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab>\n\
            TCPv6 10 26 2496 13 8 : tunables 0 0 0\ntw_sock_TCPv6 5 16 256 16 1 : tunables 0 0 0\nfilp 100 144 232 17 1 :\n";
        assert_eq!(objects_in(slabinfo), 10 * 2496 + 100 * 232);
    }

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(ticks_of(stat).unwrap(), Cpu { user: 2.5, system: 0.5 });
        assert!(ticks_of("7 (a) R 1").is_err());
    }

    #[test]
    fn a_process_that_has_ended_is_an_error_that_names_it() {
        let error = Reading::take(&[u32::MAX]).unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{error}");
    }
}
