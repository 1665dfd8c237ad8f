//! Kernel objects of sockets.

use std::fs;

/// Kinds of kernel objects of which a TCP connection that a readiness loop watches has one or more.
const SOCKET_OBJECTS: [&str; 7] =
    ["TCP", "TCPv6", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq"];

/// Bytes of the kernel objects of all sockets of the machine, files and readiness queues included; buffers are in
/// [`Reading::kernel`](super::Reading::kernel). `None` where `/proc/slabinfo` may not be read, as by most users but root (slabinfo(5)).
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

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when another column than the objects in use is taken, and when a name needs only begin alike.
    #[test]
    fn only_objects_of_sockets_are_counted() {
        let slabinfo = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab>\n\
            TCPv6 10 26 2496 13 8 : tunables 0 0 0\ntw_sock_TCPv6 5 16 256 16 1 : tunables 0 0 0\nfilp 100 144 232 17 1 :\n";
        assert_eq!(objects_in(slabinfo), 10 * 2496 + 100 * 232);
    }
}
