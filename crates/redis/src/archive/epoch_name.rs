//! The value of the epoch key, which names one life of the data. It may end in `.n`: the life has been renamed, and n tells what Redis
//! might evict since. n is odd while that may be streams. Of the even ones a multiple of four means that nothing is evicted, and any other that
//! streams are not, by the operator's promise: a promise says nothing of the time before it.

use crate::eviction::Eviction;

/// A new name.
pub(super) fn new(random: [u64; 2], eviction: Eviction) -> String {
    let name = format!("{:016x}{:016x}", random[0], random[1]);
    match step(0, eviction) {
        0 => name,
        n => format!("{name}.{n}"),
    }
}

/// What Redis may evict in the life of this name.
pub(super) fn eviction(name: &[u8]) -> Eviction {
    match split(name).1 % 4 {
        0 => Eviction::Nothing,
        2 => Eviction::Expiring,
        _ => Eviction::Anything,
    }
}

/// The next name, after Redis was found to evict something else. The same for all nodes, so that those who find out at once agree.
pub(super) fn next(name: &[u8], eviction: Eviction) -> Vec<u8> {
    let (life, renamed) = split(name);
    let mut next = life.to_vec();
    next.extend_from_slice(format!(".{}", step(renamed.wrapping_add(1), eviction)).as_bytes());
    next
}

/// The first number from this one on that tells what Redis may evict.
fn step(from: u64, eviction: Eviction) -> u64 {
    let behind = from % 4;
    let steps = match eviction {
        Eviction::Nothing => (4 - behind) % 4,
        Eviction::Expiring => (6 - behind) % 4,
        Eviction::Anything => (from + 1) % 2,
    };
    from.wrapping_add(steps)
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
        let name = new([1, 2], Eviction::Nothing);
        assert_eq!(name, "00000000000000010000000000000002");
        let mut names = vec![name.into_bytes()];
        for now in [Eviction::Anything, Eviction::Nothing, Eviction::Expiring, Eviction::Anything, Eviction::Expiring] {
            let name = next(&names[names.len() - 1], now);
            assert_eq!(eviction(&name), now);
            assert!(!names.contains(&name), "what was true in between is not true of this life");
            names.push(name);
        }
        assert_eq!(names[2], b"00000000000000010000000000000002.4");
    }

    #[test]
    fn a_new_name_tells_what_is_evicted_and_an_odd_number_means_streams() {
        for (now, end) in [(Eviction::Nothing, "2"), (Eviction::Anything, ".1"), (Eviction::Expiring, ".2")] {
            let name = new([1, 2], now);
            assert!(name.ends_with(end) && eviction(name.as_bytes()) == now, "{name}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_gave_is_one_that_was_never_renamed() {
        for name in [&b""[..], b"x.", b"x.y", b"\xff.\xff"] {
            assert_eq!(eviction(name), Eviction::Nothing);
            assert_eq!(next(name, Eviction::Anything), [name, b".1"].concat());
        }
    }
}
