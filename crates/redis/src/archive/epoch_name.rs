//! The value of the epoch key, which names one life of the data. It may end in `.n`: the life has been renamed n times, each time the eviction policy
//! was found to be another one. n is odd while Redis may evict keys.

/// A new name.
pub(super) fn new(random: [u64; 2], evicts: bool) -> String {
    let name = format!("{:016x}{:016x}", random[0], random[1]);
    if evicts { format!("{name}.1") } else { name }
}

/// Whether Redis may evict keys in the life of this name.
pub(super) fn evicts(name: &[u8]) -> bool {
    split(name).1 % 2 == 1
}

/// The next name, after Redis began to evict or stopped. The same for all nodes, so that those who find out at once agree.
pub(super) fn next(name: &[u8]) -> Vec<u8> {
    let (life, renamed) = split(name);
    let mut next = life.to_vec();
    next.extend_from_slice(format!(".{}", renamed.wrapping_add(1)).as_bytes());
    next
}

/// Somebody else may have set the key, to anything: then nobody has renamed it.
fn split(name: &[u8]) -> (&[u8], u64) {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let number = |dot: usize| std::str::from_utf8(&name[dot + 1..]).ok()?.parse().ok();
    dot.and_then(|dot| Some((&name[..dot], number(dot)?))).unwrap_or((name, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_renamed_each_time_the_policy_changes() {
        let name = new([1, 2], false);
        assert_eq!(name, "00000000000000010000000000000002");
        assert!(!evicts(name.as_bytes()) && evicts(new([1, 2], true).as_bytes()));
        let evicting = next(name.as_bytes());
        assert!(evicts(&evicting));
        let later = next(&evicting);
        assert!(!evicts(&later) && later != name.as_bytes(), "what was true in between is not true of this life");
        assert_eq!(later, b"00000000000000010000000000000002.2");
    }

    #[test]
    fn a_name_that_somebody_else_gave_is_one_that_was_never_renamed() {
        for name in [&b""[..], b"x.", b"x.y", b"\xff.\xff"] {
            assert!(!evicts(name));
            assert_eq!(next(name), [name, b".1"].concat());
        }
    }
}
