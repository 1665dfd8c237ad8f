//! CPU and memory of processes and of the kernel's sockets, from `/proc` (Linux, proc(5)).

mod cpu;
mod objects;

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use cpu::Cpu;
pub use objects::socket_objects;

/// Bytes of the pages that `/proc/net/sockstat` counts.
const PAGE: u64 = 4096;

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
            let cpu = cpu::of(pid).with_context(|| format!("process {pid} cannot be read: has it ended?"))?;
            reading.cpu.user += cpu.user;
            reading.cpu.system += cpu.system;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            reading.rss += kib_field(&status, "VmRSS:") * 1024;
            reading.peak_rss += kib_field(&status, "VmHWM:") * 1024;
        }
        Ok(reading)
    }
}

fn kib_field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
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

    #[test]
    fn a_process_that_has_ended_is_an_error_that_names_it() {
        let error = Reading::take(&[u32::MAX]).unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{error}");
    }
}
