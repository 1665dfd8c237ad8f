//! How much memory the process holds, cheaply enough to be asked every second.

/// Bytes that are in memory (`VmRSS`, see proc_pid_status(5)), as `process_resident_memory_bytes` of a scrape; `None` where there is no `/proc`.
pub(super) fn bytes() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_kernel_is_read_in_bytes() {
        assert_eq!(parse("Name:\tfanfare\nVmHWM:\t  900 kB\nVmRSS:\t   22240 kB\n"), Some(22_240 * 1024));
        assert_eq!(parse("Name:\tkthreadd\n"), None);
        assert!(bytes().is_some_and(|bytes| bytes > 1 << 20), "this test runs in more than a MiB");
    }
}
