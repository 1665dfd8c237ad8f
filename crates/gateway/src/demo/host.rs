//! What the host measures about itself, from `/proc`.

use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Bytes of a sector in `/proc/diskstats`, whatever the device says (`Documentation/admin-guide/iostats.rst`).
const SECTOR_BYTES: u64 = 512;

/// Shares of the processors' time since the last reading, in percent of all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// In programs.
    pub user: f64,
    /// In the kernel, interrupts and a hypervisor's other guests included.
    pub system: f64,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What cannot be had without swapping.
    pub used: u64,
    /// File cache, which can be had at once.
    pub cached: u64,
}

/// Network traffic, in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Network {
    /// Received on every interface but loopback.
    pub received: f64,
    /// Sent on every interface but loopback.
    pub sent: f64,
    /// Through the loopback interface.
    pub local: f64,
}

/// Block devices, in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Disk {
    /// Read.
    pub read: f64,
    /// Written.
    pub written: f64,
}

/// One reading of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// See [`Cpu`].
    pub cpu: Cpu,
    /// See [`Memory`].
    pub memory: Memory,
    /// See [`Network`].
    pub network: Network,
    /// See [`Disk`].
    pub disk: Disk,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Totals {
    user: u64,
    system: u64,
    idle: u64,
    received: u64,
    sent: u64,
    local: u64,
    read: u64,
    written: u64,
}

/// Reads the counters and turns their growth into rates.
#[derive(Debug)]
pub struct Host {
    proc: PathBuf,
    disks: HashSet<String>,
    last: Option<(Instant, Totals)>,
}

impl Host {
    /// The host that this process runs on.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Path::new("/proc"), whole_disks(Path::new("/sys/block")))
    }

    fn at(proc: &Path, disks: HashSet<String>) -> Self {
        Self { proc: proc.to_owned(), disks, last: None }
    }

    /// Reads everything. Rates are over the time since the last reading, and 0 in the first. A file that is not there
    /// reads as nothing: the demonstration runs in odd containers too.
    pub fn read(&mut self, now: Instant) -> Figures {
        let file = |name: &str| std::fs::read_to_string(self.proc.join(name)).unwrap_or_default();
        let totals = totals(&file("stat"), &file("net/dev"), &file("diskstats"), &self.disks);
        let mut figures = Figures { memory: memory(&file("meminfo")), ..Figures::default() };
        if let Some((then, before)) = self.last.replace((now, totals)) {
            rates(&mut figures, &before, &totals, now.duration_since(then).as_secs_f64());
        }
        figures
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

fn rates(figures: &mut Figures, before: &Totals, now: &Totals, seconds: f64) {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let grown = |field: fn(&Totals) -> u64| field(now).saturating_sub(field(before)) as f64;
    let (user, system, idle) = (grown(|t| t.user), grown(|t| t.system), grown(|t| t.idle));
    let ticks = (user + system + idle).max(1.0);
    figures.cpu = Cpu { user: tenth(100.0 * user / ticks), system: tenth(100.0 * system / ticks) };
    let rate = |field: fn(&Totals) -> u64| tenth(grown(field) / seconds.max(0.001));
    figures.network = Network { received: rate(|t| t.received), sent: rate(|t| t.sent), local: rate(|t| t.local) };
    figures.disk = Disk { read: rate(|t| t.read), written: rate(|t| t.written) };
}

/// More digits would be noise, and bytes on the wire.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn totals(stat: &str, net: &str, diskstats: &str, disks: &HashSet<String>) -> Totals {
    let mut totals = Totals::default();
    // proc_stat(5): user nice system idle iowait irq softirq steal; guest time is part of user time already.
    let cpu = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<u64> = cpu.split_whitespace().map(|ticks| number(Some(ticks))).collect();
    let tick = |index: usize| ticks.get(index).copied().unwrap_or(0);
    totals.user = tick(0) + tick(1);
    totals.idle = tick(3) + tick(4);
    totals.system = tick(2) + tick(5) + tick(6) + tick(7);
    for (name, counters) in net.lines().filter_map(|line| line.split_once(':')) {
        let mut counters = counters.split_whitespace();
        let received = number(counters.next());
        let sent = number(counters.nth(7));
        if name.trim() == "lo" {
            totals.local += received;
        } else {
            totals.received += received;
            totals.sent += sent;
        }
    }
    for line in diskstats.lines() {
        let mut fields = line.split_whitespace().skip(2);
        if fields.next().is_some_and(|name| disks.contains(name)) {
            // iostats: reads, reads merged, sectors read, ms, writes, writes merged, sectors written.
            totals.read += number(fields.nth(2)) * SECTOR_BYTES;
            totals.written += number(fields.nth(3)) * SECTOR_BYTES;
        }
    }
    totals
}

fn memory(meminfo: &str) -> Memory {
    let field = |name: &str| {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        number(value.and_then(|value| value.split_whitespace().next())) * 1024
    };
    let total = field("MemTotal");
    let used = total.saturating_sub(field("MemAvailable"));
    // Cache counts as available; what remains above that is the rest of it.
    let cached = (field("Cached") + field("Buffers") + field("SReclaimable")).min(total - used);
    Memory { total, used, cached }
}

/// Whole physical disks: partitions, loop and RAM disks, and what is stacked on other disks would count twice.
fn whole_disks(block: &Path) -> HashSet<String> {
    let stacked = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];
    let names = std::fs::read_dir(block).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !stacked.iter().any(|prefix| name.starts_with(prefix))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   60000     751    0    0    0     0          0         0    60000     751    0    0    0     0       0          0
  eth0: 3000000   15713    0    0    0     0          0         0  1200000   11447    0    0    0     0       0          0
 wlan0:     500       1    0    0    0     0          0         0      70       1    0    0    0     0       0          0
";
    const DISKS: &str = "   7       0 loop0 9 9 9 9 9 9 9 0 0 0 0
 254       0 vda 177134 14416 1000 84433 27866 94083 3000 71765 0 20388 158216 13042 53 3647224 1964 1498 53
 254       1 vda1 177134 14416 1000 84433 27866 94083 3000 71765 0 20388 158216 13042 53 3647224 1964 1498 53
";

    fn vda() -> HashSet<String> {
        HashSet::from(["vda".to_owned()])
    }

    #[test]
    fn counters_are_taken_from_the_documented_columns() {
        let totals = totals("cpu  100 1 50 800 9 2 3 4 90 0\ncpu0 1 1 1 1\n", NET, DISKS, &vda());
        assert_eq!((totals.user, totals.system, totals.idle), (101, 59, 809));
        assert_eq!((totals.received, totals.sent, totals.local), (3_000_500, 1_200_070, 60_000));
        assert_eq!(
            (totals.read, totals.written),
            (512_000, 1_536_000),
            "the partition and the loop device do not count"
        );
    }

    #[test]
    fn rates_are_growth_over_time() {
        let before = Totals::default();
        let now = Totals { user: 30, system: 10, idle: 40, received: 1000, written: 4096, ..before };
        let mut figures = Figures::default();
        rates(&mut figures, &before, &now, 0.5);
        assert_eq!(figures.cpu, Cpu { user: 37.5, system: 12.5 });
        assert_eq!(figures.network, Network { received: 2000.0, sent: 0.0, local: 0.0 });
        assert_eq!(figures.disk, Disk { read: 0.0, written: 8192.0 });
    }

    #[test]
    fn a_counter_that_starts_again_is_no_negative_rate() {
        let before = Totals { received: 1000, user: 50, ..Totals::default() };
        let mut figures = Figures::default();
        rates(&mut figures, &before, &Totals::default(), 1.0);
        assert_eq!(figures, Figures::default());
    }

    #[test]
    fn memory_splits_into_used_and_cached_within_the_total() {
        let text = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 600 kB\nBuffers: 10 kB\nCached: 250 kB\nSReclaimable: 900 kB\n";
        assert_eq!(memory(text), Memory { total: 1_024_000, used: 409_600, cached: 614_400 });
    }

    #[test]
    fn a_host_without_proc_reads_as_nothing() {
        let mut host = Host::at(Path::new("/nowhere"), HashSet::new());
        host.read(Instant::now());
        assert_eq!(host.read(Instant::now()), Figures::default());
    }

    #[test]
    fn this_host_has_memory_and_processors() {
        let mut host = Host::new();
        assert!(host.read(Instant::now()).memory.total > 0);
        assert!(host.last.is_some_and(|(_, totals)| totals.idle > 0));
    }
}
