//! In which order contenders take their turns.

/// Turns `(round, contender)`, in the order A B B A A B B A: each contender stands as often before as behind its neighbours,
/// so that a machine that gets slower or faster favours none.
pub(super) fn turns(contenders: usize, rounds: usize) -> Vec<(usize, usize)> {
    let mut turns = Vec::with_capacity(contenders * rounds);
    for round in 0..rounds {
        if round % 2 == 0 {
            turns.extend((0..contenders).map(|contender| (round, contender)));
        } else {
            turns.extend((0..contenders).rev().map(|contender| (round, contender)));
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    #[test]
    fn neighbours_change_their_order_with_every_round() {
        let order: Vec<usize> = super::turns(2, 4).into_iter().map(|(_, contender)| contender).collect();
        assert_eq!(order, [0, 1, 1, 0, 0, 1, 1, 0]);
        assert_eq!(super::turns(3, 2), [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]);
    }
}
