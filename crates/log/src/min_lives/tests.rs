use fanfare_protocol::ChannelName;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const LEAST_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000 - 60_000;

fn log(name: &str) -> LogName {
    LogName::from(ChannelName::parse(name).unwrap())
}

fn promises(of: &[(&str, Duration)]) -> MinLives {
    MinLives::new(of.iter().map(|(pattern, min_life)| (Pattern::parse(pattern).unwrap(), *min_life)))
}

fn expires(last_ms: u64, end_ms: u64, seen_ms: u64) -> Ending {
    Ending { last_ms, end_ms, seen_ms, by: BrokenBy::Expiry }
}

#[test]
fn the_first_promise_that_matches_counts_and_none_is_needed_for_the_gateways_own_logs() {
    let lives = promises(&[("user:vip:*", HOUR * 2), ("user:*", HOUR)]);
    assert_eq!(lives.of(&log("user:vip:1")), MinLife::promised(HOUR * 2));
    assert_eq!(lives.of(&log("user:1")), MinLife::promised(HOUR));
    assert_eq!(lives.of(&log("orders")), MinLife::LEAST);
    let all = promises(&[("*", HOUR)]);
    let system = LogName::system(ChannelName::parse("revoked").unwrap());
    assert!(!all.covers(&system) && all.covers(&log("revoked")));
    assert_eq!(all.of(&system), MinLife::UNENDING);
}

// Seen to fail when the promise is broken for all channels, and when what was known is counted again.
#[test]
fn a_stream_that_ends_too_early_is_counted_once_and_concerns_its_channel_up_to_then() {
    let lives = promises(&[("user:*", HOUR)]);
    lives.note(&log("user:1"), expires(1_000, 101_000, 5_000));
    lives.note(&log("user:1"), expires(1_000, 101_000, 6_000));
    lives.note(&log("user:2"), expires(1_000, 9_000_000, 5_000));
    assert_eq!((lives.broken(BrokenBy::Expiry), lives.broken(BrokenBy::End)), (1, 0));
    let (own, other) = (lives.of(&log("user:1")), lives.of(&log("user:2")));
    assert_eq!((own.ms_since(5_000), own.ms_since(5_001), other.ms_since(1)), (LEAST_MS, HOUR_MS, HOUR_MS));
    lives.note(&log("user:1"), Ending { by: BrokenBy::End, ..expires(7_000, 8_000, 8_000) });
    assert_eq!((lives.broken(BrokenBy::Expiry), lives.broken(BrokenBy::End)), (1, 1));
    assert_eq!(lives.of(&log("user:1")).ms_since(8_000), LEAST_MS);
}

// Fails if a number of channels is remembered and no more.
#[test]
fn channels_that_break_a_promise_do_not_break_it_for_all() {
    let lives = promises(&[("user:*", HOUR)]);
    (0..1_000).for_each(|n| lives.note(&log(&format!("user:{n}")), expires(n + 1, n + 2, 1_000_000)));
    assert!((0..1_000).all(|n| lives.of(&log(&format!("user:{n}"))).ms_since(1) == LEAST_MS), "none is forgotten");
    assert!((0..20).any(|n| lives.of(&log(&format!("user:kept{n}"))).ms_since(1) == HOUR_MS));
}
