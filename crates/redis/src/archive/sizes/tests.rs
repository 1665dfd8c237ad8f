use std::time::Duration;

use super::*;

const PAGE: usize = 262_144;

fn name(name: &str) -> LogName {
    LogName::from(fanfare_protocol::ChannelName::parse(name).unwrap())
}

fn plain(ask: Ask) -> usize {
    let Ask::Plain { count } = ask else { panic!("{ask:?}") };
    count
}

fn bounded(ask: Ask) -> (usize, usize, usize) {
    let Ask::Bounded { entries, bytes, count } = ask else { panic!("{ask:?}") };
    (entries, bytes, count)
}

#[test]
fn of_an_unknown_channel_a_few_are_read_by_size_and_a_small_stream_of_small_entries_in_plain_pages() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (64, PAGE, 8));
    assert_eq!(bounded(sizes.ask(&channel, 3, PAGE, now)), (3, PAGE, 3));
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 700_000, now);
    assert_eq!(plain(sizes.ask(&channel, 1000, PAGE, now)), 1000);
    assert_eq!(plain(sizes.ask(&channel, 10_000, PAGE, now)), 1310);
}

// Seen to fail when small entries are all that is asked of a plain page: 400 MB that followed them came in one answer.
#[test]
fn a_stream_that_could_hold_large_entries_is_read_by_size_however_small_those_were_that_were_seen() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 400_000_000, now);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (1000, PAGE, 1000));
}

#[test]
fn where_no_function_runs_pages_grow_by_steps_and_not_beyond_64_before_one_was_small() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    let count = |sizes: &Sizes| bounded(sizes.ask(&channel, 1000, PAGE, now)).2;
    assert_eq!(count(&sizes), 8);
    sizes.learn(&channel, (8, 200, true), now);
    assert_eq!(count(&sizes), 64);
    sizes.learn(&channel, (64, 200, true), now);
    assert_eq!(count(&sizes), 256);
    sizes.learn(&channel, (64, 100_000, true), now);
    assert_eq!(count(&sizes), 2);
}

// Seen to fail when only a page tells that a stream may be read plainly, and when the size of the whole is enough for that.
#[test]
fn of_a_stream_of_which_only_the_size_is_known_no_more_is_asked_for_plainly_than_a_page_may_hold() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn_whole(&channel, PAGE, now);
    sizes.learn_ends(&channel, 10, 10);
    let ask = sizes.ask(&channel, 1000, PAGE, now);
    assert_eq!(plain(ask), 1000);
    assert!(sizes.expects_much(&channel, ask));
    sizes.learn_whole(&channel, PAGE + 1, now);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (64, PAGE, 8));
}

// Seen to fail when only the size of the newest entry counts: each page brought the oldest along.
#[test]
fn a_stream_with_a_large_oldest_entry_is_read_by_a_function() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 5_000_000, now);
    assert_eq!(plain(sizes.ask(&channel, 1000, PAGE, now)), 1000);
    sizes.learn_ends(&channel, 4_000_000, 10);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (1000, PAGE, 1000));
}

// Seen to fail when what was learnt is believed for ever: 1,000 entries were asked for after an outage, which were 400 MB.
#[test]
fn what_was_learnt_before_an_outage_is_not_believed_after_it() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 700_000, now);
    let later = now + ENTRY_SIZES_FRESH + Duration::from_millis(1);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, later)), (64, PAGE, 8));
    sizes.learn(&channel, (50, 200, true), later);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, later)), (1000, PAGE, 200), "the stream may have grown");
    sizes.learn_whole(&channel, 700_000, later);
    assert_eq!(plain(sizes.ask(&channel, 1000, PAGE, later)), 1000);
}

#[test]
fn large_entries_are_read_by_size_at_once_and_small_ones_end_that_by_steps() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 5_000_000, now);
    sizes.learn(&channel, (1, 1_000_000, true), now);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (1000, PAGE, 1));
    let mut careful = 0;
    while matches!(sizes.ask(&channel, 1000, PAGE, now), Ask::Bounded { .. }) {
        sizes.learn(&channel, (500, 200, true), now);
        careful += 1;
    }
    assert!((4..=12).contains(&careful), "{careful}");
}

// Seen to fail when a page of 64 entries by a function is what the next one is expected to be, and when one to the stream's end is not.
#[test]
fn an_answer_is_expected_to_be_large_when_there_is_more_or_when_the_last_one_was() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    let expects_much = |sizes: &Sizes| sizes.expects_much(&channel, sizes.ask(&channel, 1000, PAGE, now));
    assert!(!expects_much(&sizes), "a few entries at first");
    sizes.learn(&channel, (64, 200, true), now);
    assert!(expects_much(&sizes), "by a function");
    sizes.learn_whole(&channel, 700_000, now);
    assert!(expects_much(&sizes), "by a transaction");
    sizes.learn(&channel, (1, 200, false), now);
    assert!(!expects_much(&sizes), "a channel whose events come one by one");
    sizes.learn(&channel, (936, 200, false), now);
    assert!(expects_much(&sizes));
    sizes.learn(&channel, (1, 1_000_000, false), now);
    assert!(expects_much(&sizes));
}

#[test]
fn a_large_newest_entry_makes_the_next_read_careful_and_a_small_one_changes_nothing() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 700_000, now);
    sizes.learn_ends(&channel, 0, 10);
    assert_eq!(plain(sizes.ask(&channel, 1000, PAGE, now)), 1000);
    sizes.learn_ends(&channel, 0, 100_000);
    assert_eq!(bounded(sizes.ask(&channel, 1000, PAGE, now)), (1000, PAGE, 2));
}

#[test]
fn a_page_that_does_not_arrive_is_asked_for_in_quarters_down_to_one_entry_and_grows_again() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    sizes.learn(&channel, (1000, 200, true), now);
    sizes.learn_whole(&channel, 700_000, now);
    let asked = |sizes: &Sizes| bounded(sizes.ask(&channel, 1000, PAGE, now));
    sizes.shrink(&channel);
    assert_eq!(asked(&sizes), (250, PAGE / 4, 250));
    sizes.shrink(&channel);
    assert_eq!(asked(&sizes), (62, PAGE / 16, 62));
    (0..10).for_each(|_| sizes.shrink(&channel));
    assert_eq!(asked(&sizes), (1, PAGE / 1024, 1));
    assert_eq!(bounded(sizes.ask(&name("b"), 1000, PAGE, now)), (64, PAGE, 8), "only that channel");
    for _ in 0..PAGE_SHRINKS_MAX {
        sizes.learn(&channel, (1, 200, true), now);
    }
    assert_eq!(plain(sizes.ask(&channel, 1000, PAGE, now)), 1000);
}

// Seen to fail when a channel's reads teach of all its places: what is read at the head makes the page large again.
#[test]
fn a_page_that_does_not_arrive_is_not_asked_for_at_large_again_because_others_arrive() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    let [place, other] = [5, 9].map(|ms| EntryId { ms, seq: 0 });
    let asked = |place| sizes.ask_from(&channel, place, (1000, PAGE), now);
    for _ in 0..PAGE_SHRINKS_MAX {
        assert!(!asked(place).is_single());
        sizes.shrink_from(&channel, place, now);
        for _ in 0..3 {
            sizes.learn(&channel, (1, 200, false), now);
            sizes.note_arrived(&channel, other);
        }
    }
    assert!(asked(place).is_single() && !asked(other).is_single());
    sizes.note_arrived(&channel, place);
    assert!(!asked(place).is_single());
    (0..3 * UNREADABLE_PLACES_MAX as u64).for_each(|ms| sizes.shrink_from(&channel, EntryId { ms, seq: 1 }, now));
    assert_eq!(sizes.get(&channel).lost.len(), UNREADABLE_PLACES_MAX);
}

// Seen to fail when a place that is not remembered begins anew: one after the other they displace each other's count.
#[test]
fn of_more_places_than_are_remembered_each_gets_down_to_a_single_entry() {
    let (sizes, channel, now) = (Sizes::default(), name("a"), Instant::now());
    let places: Vec<_> = (0..2 * UNREADABLE_PLACES_MAX as u64).map(|ms| EntryId { ms, seq: 1 }).collect();
    let asked = |place, now| sizes.ask_from(&channel, place, (1000, PAGE), now);
    for _ in 0..PAGE_SHRINKS_MAX {
        for place in &places {
            sizes.shrink_from(&channel, *place, now);
            // What arrives elsewhere makes up for it.
            (0..2).for_each(|_| sizes.learn(&channel, (1, 200, false), now));
        }
    }
    assert!(places.iter().all(|place| asked(*place, now).is_single()));
    let elsewhere = EntryId { ms: 99, seq: 0 };
    assert!(asked(elsewhere, now).is_single());
    let later = now + LOST_PLACE_REMEMBERED + Duration::from_millis(1);
    assert!(!asked(elsewhere, later).is_single(), "places that nobody is at make no page small");
    sizes.note_arrived(&channel, places[places.len() - 1]);
    assert!(!asked(elsewhere, now).is_single(), "all others are remembered");
}

#[test]
fn a_stream_is_compared_without_its_entries_while_they_are_large() {
    let (sizes, channel) = (Sizes::default(), name("a"));
    assert_eq!(sizes.large_ends(&channel), None);
    sizes.learn_ends(&channel, 30 << 20, 200);
    assert_eq!(sizes.large_ends(&channel), Some((30 << 20) + 200));
    sizes.learn_ends(&channel, 200, 200);
    assert_eq!(sizes.large_ends(&channel), None);
}

#[test]
fn the_number_of_channels_remembered_is_bounded() {
    let (sizes, now) = (Sizes::default(), Instant::now());
    for number in 0..ENTRY_SIZES_TRACKED_MAX + 10 {
        sizes.learn(&name(&number.to_string()), (1, 100, true), now);
    }
    assert!(sizes.lock().channels.len() <= ENTRY_SIZES_TRACKED_MAX);
}

// Seen to fail when all is forgotten at once, and when nothing tells a warning from a page that came.
#[test]
fn a_flood_of_other_channels_displaces_no_warning_and_none_that_are_in_use() {
    let (sizes, now) = (Sizes::default(), Instant::now());
    let (failed, large, used) = (name("failed"), name("large"), name("used"));
    sizes.shrink(&failed);
    sizes.learn_ends(&large, 30 << 20, 200);
    sizes.learn(&used, (64, 200, true), now);
    for number in 0..3 * ENTRY_SIZES_TRACKED_MAX {
        sizes.learn(&name(&number.to_string()), (1, 100, true), now);
        if number % 1000 == 0 {
            assert_eq!(bounded(sizes.ask(&used, 1000, PAGE, now)).2, 256);
        }
    }
    assert_eq!(bounded(sizes.ask(&failed, 1000, PAGE, now)), (16, PAGE / 4, 2));
    assert_eq!(sizes.large_ends(&large), Some((30 << 20) + 200));
    for number in 0..2 * ENTRY_SIZES_TRACKED_MAX {
        sizes.learn_ends(&name(&number.to_string()), 1 << 20, 0);
    }
    assert!(sizes.lock().channels.len() <= ENTRY_SIZES_TRACKED_MAX, "warnings are bounded too");
}

// Seen to fail when a read that found nothing is remembered.
#[test]
fn names_of_streams_that_do_not_exist_are_not_remembered() {
    let (sizes, now) = (Sizes::default(), Instant::now());
    for number in 0..100 {
        let channel = name(&number.to_string());
        sizes.learn(&channel, (0, 0, true), now);
        sizes.learn_ends(&channel, 0, 0);
        sizes.learn_whole(&channel, 0, now);
    }
    assert_eq!(sizes.lock().channels.len(), 0);
}

#[test]
fn ends_whose_answer_does_not_arrive_are_suspected_to_be_larger_each_time_until_one_does() {
    let (sizes, channel) = (Sizes::default(), name("a"));
    sizes.suspect_ends(&channel);
    assert_eq!(sizes.large_ends(&channel), Some(TIP_BYTES_PLAIN_MAX + 1));
    sizes.suspect_ends(&channel);
    assert_eq!(sizes.large_ends(&channel), Some(4 * (TIP_BYTES_PLAIN_MAX + 1)));
    (0..40).for_each(|_| sizes.suspect_ends(&channel));
    assert_eq!(sizes.large_ends(&channel), Some(ENDS_SUSPECTED_MAX));
    sizes.learn_ends(&channel, 10, 10);
    assert_eq!(sizes.large_ends(&channel), None);
}
