use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 160;

fn greedy() -> Payer {
    Payer::of(1)
}

fn modest() -> Payer {
    Payer::of(2)
}

/// Takes so many places. Returns how many there were.
fn take(places: &mut Places<u32>, payer: Payer, count: usize) -> usize {
    (0..count).filter(|_| places.take(payer).is_ok()).count()
}

// Seen to fail when a payer that is alone has to leave the scarce part to others.
#[test]
fn a_payer_that_is_alone_gets_every_place_of_the_limit() {
    let mut places = Places::new(LIMIT);
    assert_eq!(take(&mut places, greedy(), 2 * LIMIT), LIMIT);
}

// Seen to fail without the reserve.
#[test]
fn who_comes_after_a_payer_that_took_everything_finds_the_reserve() {
    let mut places = Places::new(LIMIT);
    take(&mut places, greedy(), LIMIT);
    assert_eq!(take(&mut places, modest(), LIMIT), LIMIT / RESERVE_PART);
    assert_eq!(take(&mut places, greedy(), 1), 0);
}

// Seen to fail when the scarce part is for everybody.
#[test]
fn the_last_places_are_for_those_below_their_share() {
    let mut places = Places::new(LIMIT);
    assert_eq!(take(&mut places, modest(), 1), 1);
    assert_eq!(take(&mut places, greedy(), LIMIT), LIMIT - LIMIT / SCARCE_PART - 1);
    assert_eq!(take(&mut places, modest(), LIMIT), LIMIT / SCARCE_PART + LIMIT / RESERVE_PART);
}

// Seen to fail when the longest idle channel goes, whoever keeps it.
#[test]
fn who_keeps_most_channels_without_readers_loses_them_first_and_the_longest_idle_before_the_others() {
    let mut places = Places::new(4);
    take(&mut places, modest(), 1);
    take(&mut places, greedy(), 3);
    places.fall_idle(modest(), 0);
    (1..4).for_each(|channel| _ = places.fall_idle(greedy(), channel));
    let evicted: Vec<_> = (0..2).map(|_| places.take(Payer::of(3)).unwrap()).collect();
    assert_eq!(evicted, [Some(1), Some(2)]);
}

#[test]
fn a_channel_that_wakes_is_charged_to_its_new_reader() {
    let mut places = Places::new(LIMIT);
    take(&mut places, greedy(), 1);
    let number = places.fall_idle(greedy(), 0);
    places.wake(greedy(), number, modest());
    assert_eq!(places.accounts.keys().copied().collect::<Vec<_>>(), [modest()]);
}

// Seen to fail when what leaves is not counted.
#[test]
fn channels_that_are_not_closed_yet_are_bounded_too() {
    let mut places = Places::new(1);
    let mut taken = 0;
    while places.take(greedy()).is_ok() {
        places.fall_idle(greedy(), taken);
        taken += 1;
        assert!(taken < 100_000);
    }
    assert_eq!(places.leaving, CHANNELS_LEAVING_MAX);
    places.note_closed();
    assert!(places.take(greedy()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn whatever_comes_and_goes_the_places_are_bounded_and_the_accounts_add_up(
        limit in 0usize..40,
        steps in proptest::collection::vec((0u8..6, 0u64..3, any::<prop::sample::Index>()), 0..300),
    ) {
        let mut places: Places<u64> = Places::new(limit);
        let (mut next, mut with_readers, mut idle) = (0u64, Vec::new(), Vec::new());
        for (what, payer, index) in steps {
            let payer = Payer::of(payer + 1);
            match what {
                0..=2 => {
                    if let Ok(evicted) = places.take(payer) {
                        next += 1;
                        with_readers.push((payer, next));
                        if let Some(evicted) = evicted {
                            idle.retain(|(_, channel, _)| *channel != evicted);
                            places.note_closed();
                        }
                    }
                }
                3 if !with_readers.is_empty() => {
                    let (payer, channel) = with_readers.swap_remove(index.index(with_readers.len()));
                    idle.push((payer, channel, places.fall_idle(payer, channel)));
                }
                4 if !idle.is_empty() => {
                    let (before, channel, number) = idle.swap_remove(index.index(idle.len()));
                    places.wake(before, number, payer);
                    with_readers.push((payer, channel));
                }
                5 if !idle.is_empty() => {
                    let (payer, _, number) = idle.swap_remove(index.index(idle.len()));
                    places.leave(payer, number);
                }
                _ => {}
            }
            prop_assert!(with_readers.len() + idle.len() <= limit + limit / RESERVE_PART);
            prop_assert_eq!((places.with_readers, places.idle, places.leaving), (with_readers.len(), idle.len(), 0));
            let payers: HashSet<_> = with_readers.iter().map(|(payer, _)| *payer).collect();
            prop_assert_eq!(places.payers, payers.len());
            let holders: HashSet<_> = idle.iter().map(|(payer, ..)| *payer).chain(payers).collect();
            prop_assert_eq!(places.accounts.keys().copied().collect::<HashSet<_>>(), holders);
            prop_assert_eq!(places.by_idle.iter().map(|(count, _)| *count).sum::<usize>(), idle.len());
        }
    }
}
