use super::*;

fn refresh_of(values: &[&'static str]) -> u64 {
    let values = values.iter().map(|value| (CACHE_CONTROL, HeaderValue::from_static(value)));
    refresh(&values.collect()).as_secs()
}

#[test]
fn keys_are_kept_for_as_long_as_their_publisher_says_within_bounds() {
    assert_eq!(refresh_of(&[]), 600);
    assert_eq!(refresh_of(&["public, max-age=3600, must-revalidate"]), 3_600);
    assert_eq!(refresh_of(&["MAX-AGE=\"120\""]), 120);
    assert_eq!(refresh_of(&["max-age=1"]), 60);
    assert_eq!(refresh_of(&["max-age=99999999"]), 86_400);
    assert_eq!(refresh_of(&["max-age=3600", "no-store"]), 60);
    assert_eq!(refresh_of(&["max-age=often"]), 600);
}

#[test]
fn the_pause_doubles_up_to_a_minute() {
    assert_eq!([1, 2, 3, 6, 7, 100].map(|failures| retry(failures).as_secs()), [1, 2, 4, 32, 60, 60]);
}
