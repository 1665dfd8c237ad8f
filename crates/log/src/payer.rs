//! Who pays for the work that a request causes.

/// Somebody to whom work is charged: today the address of a client, later the subject of its token. The log asks only whether
/// two payers are the same. It has 32 bits, which is what a cursor has to spare; two clients that fall together share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payer(u32);

impl Payer {
    /// The node's own account: what it does for its logs and not for one reader.
    pub const NODE: Self = Self(0);

    /// The payer with this key.
    #[must_use]
    pub fn of(key: u64) -> Self {
        // Fibonacci hashing: neighbours are spread over all payers.
        let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Self(u32::try_from(mixed).unwrap_or(u32::MAX))
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
}
