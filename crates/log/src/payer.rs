//! Who pays for the work that a request causes.

/// Somebody to whom work is charged: a subject, else the address of a client. The log asks only whether
/// two payers are the same. It has 32 bits, which is what a cursor has to spare; two clients that fall together share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payer(u32);

/// Fibonacci hashing: neighbours are spread over all payers.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Payer {
    /// The node's own account: what it does for its logs and not for one reader.
    pub const NODE: Self = Self(0);

    /// The node's account for logs of the gateway's own: others wait for what these say, so that they are read first.
    pub(crate) const OWN_LOGS: Self = Self(u32::MAX);

    /// The payer with this key, never one of the [node's](Self::NODE).
    #[must_use]
    pub fn of(key: u64) -> Self {
        let mixed = key.wrapping_mul(FACTOR) >> 32;
        // The first and the last are the node's.
        Self(u32::try_from(mixed).unwrap_or(u32::MAX).clamp(1, u32::MAX - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_are_payers_of_their_own_and_none_of_them_is_the_node() {
        let keys = (1..=100_000u64).chain((1..=100_000).map(|network| network << 32));
        let payers: HashSet<Payer> = keys.map(Payer::of).collect();
        assert!(payers.len() > 199_900 && !payers.contains(&Payer::NODE), "{}", payers.len());
    }

    // Seen to fail when what is mixed may be nought: one key in 2^32 is the node's.
    #[test]
    fn no_key_is_mixed_into_the_node() {
        // The inverse of the factor modulo 2^64: these keys are mixed into less than 2^32.
        let inverse =
            (0..6).fold(1u64, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(inverse.wrapping_mul(FACTOR))));
        assert_eq!(inverse.wrapping_mul(FACTOR), 1);
        assert!([0, inverse, inverse << 31].map(Payer::of).iter().all(|payer| *payer != Payer::NODE));
        // Mixed into all ones.
        assert_ne!(Payer::of(inverse.wrapping_mul(u64::MAX)), Payer::OWN_LOGS);
    }
}
