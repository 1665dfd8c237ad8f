//! Revocations: how they are written, and which grants they hit.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{
    Grant, Revocation, RevocationEntry, RevocationTarget, Revocations, TargetUnreadable, TooManyRevocations,
    UnixSeconds,
};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{REVOCATION_BYTES_MAX, REVOCATIONS_MAX};
use proptest::prelude::*;

const LIFETIME: u64 = 100;
const LEEWAY: u64 = 5;
const NOW: u64 = 1_000_000;

fn none() -> Revocations {
    Revocations::new(Duration::from_secs(LIFETIME), Duration::from_secs(LEEWAY))
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn subject(name: &str) -> RevocationTarget {
    RevocationTarget::subject(Some("a"), name).unwrap()
}

fn json_of(target: &RevocationTarget) -> String {
    RevocationEntry { target: target.clone(), keep: Some(Duration::from_secs(60)) }.to_json()
}

fn parse(json: &[u8]) -> Result<RevocationTarget, TargetUnreadable> {
    RevocationEntry::parse(json).map(|entry| entry.target)
}

fn revoke(revocations: &mut Revocations, target: RevocationTarget, at: u64) {
    revocations.insert(Revocation { target, at: UnixSeconds(at) }, UnixSeconds(NOW)).unwrap();
}

fn grant(issuer: &str, subject: &str, token_id: &str, issued_at: Option<u64>) -> Grant {
    Grant {
        issuer: Some(issuer.into()),
        subject: Some(subject.into()),
        token_id: Some(token_id.into()),
        issued_at: issued_at.map(UnixSeconds),
        ..Grant::default()
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn target() -> impl Strategy<Value = RevocationTarget> {
    (0..3, prop::option::of(name()), name()).prop_map(|(kind, issuer, name)| match kind {
        0 => RevocationTarget::subject(issuer, name).unwrap(),
        1 => RevocationTarget::token(issuer, name).unwrap(),
        _ => RevocationTarget::Channel(channel(name)),
    })
}

/// A grant and the channels that it is used for.
fn use_of_a_grant() -> impl Strategy<Value = (Grant, Vec<ChannelName>)> {
    let names = (prop::option::of(name()), prop::option::of(name()), prop::option::of(name()));
    let channels = prop::collection::vec(name(), 0..3);
    (names, prop::option::of(NOW - 2 * LIFETIME..NOW + LEEWAY), channels).prop_map(
        |((issuer, subject, token_id), issued_at, channels)| {
            let grant = Grant {
                issuer: issuer.map(Arc::from),
                subject: subject.map(Box::from),
                token_id: token_id.map(Box::from),
                issued_at: issued_at.map(UnixSeconds),
                ..Grant::default()
            };
            (grant, channels.into_iter().map(channel).collect())
        },
    )
}

fn is_about(target: &RevocationTarget, grant: &Grant, channels: &[ChannelName]) -> bool {
    match target {
        RevocationTarget::Subject { issuer, subject } => {
            *issuer == grant.issuer && grant.subject.as_deref() == Some(subject)
        }
        RevocationTarget::Token { issuer, token_id } => {
            *issuer == grant.issuer && grant.token_id.as_deref() == Some(token_id)
        }
        RevocationTarget::Channel(channel) => channels.contains(channel),
    }
}

proptest! {
    // Fails if the issuer does not count, if a later revocation of the same thing counts for less, or if forgetting takes too much.
    #[test]
    fn a_grant_is_hit_exactly_if_one_of_all_that_were_revoked_in_its_life_is_about_it(
        all in prop::collection::vec((target(), NOW - 2 * LIFETIME..NOW), 0..12),
        (grant, channels) in use_of_a_grant(),
    ) {
        let mut revocations = none();
        for (target, at) in &all {
            revoke(&mut revocations, target.clone(), *at);
        }
        let is_hit = all.iter().any(|(target, at)| {
            let is_in_force = at + LIFETIME + 2 * LEEWAY > NOW;
            let is_given_before = grant.issued_at.is_none_or(|issued| issued.0 <= at + LEEWAY);
            is_in_force && is_given_before && is_about(target, &grant, &channels)
        });
        let found = revocations.hit(&grant, &channels);
        // One that is out of force may still be here behind one that is not. It hits nothing that lives.
        let lives = grant.issued_at.is_none_or(|issued| issued.0 + LIFETIME + LEEWAY > NOW);
        prop_assert!(found == is_hit || (found && !lives) || (found && grant.issued_at.is_none()), "{revocations:?}");
        let kept: Vec<_> = revocations.after(0).map(|(_, revocation)| revocation.target.clone()).collect();
        prop_assert_eq!(revocations.len(), kept.len());
        for (target, at) in &all {
            prop_assert!(at + LIFETIME + 2 * LEEWAY <= NOW || kept.contains(target), "{target:?} is gone");
        }
        revocations.forget_old(UnixSeconds(NOW + LIFETIME + 2 * LEEWAY));
        prop_assert!(revocations.is_empty() && !revocations.hit(&grant, &channels));
    }

    #[test]
    fn what_is_written_is_read_and_anything_else_is_an_error_and_no_panic(
        target in target(),
        text in "\\PC{1,60}",
        garbage in prop::collection::vec(any::<u8>(), 0..200),
        nearly in "\\{\"v\":[0-2],\"kind\":\"(subject|token|channel|ticket|)\",\"(subject|token_id|channel)\":(\"[a-c$]{0,3}\"|7|null)\\}",
    ) {
        prop_assert_eq!(parse(json_of(&target).as_bytes()), Ok(target));
        let odd = RevocationTarget::token(Some(&text), &text).unwrap();
        prop_assert_eq!(parse(json_of(&odd).as_bytes()), Ok(odd));
        let _ = parse(&garbage);
        let _ = parse(nearly.as_bytes());
    }
}

#[test]
fn an_entry_is_one_line_of_json_that_says_its_version() {
    let json = r#"{"issuer":"https://id.example","keep":60,"kind":"subject","subject":"7","v":1}"#;
    let target = RevocationTarget::subject(Some("https://id.example"), "7").unwrap();
    assert_eq!((json_of(&target).as_str(), parse(json.as_bytes())), (json, Ok(target)));
    let keep = |json: &str| RevocationEntry::parse(json.as_bytes()).unwrap().keep;
    assert_eq!(keep(json), Some(Duration::from_secs(60)));
    assert_eq!(keep(r#"{"v":1,"kind":"token","token_id":"t"}"#), None, "one of an older writer");
    let nameless = parse(br#"{"v":1,"kind":"token","token_id":"t\n"}"#);
    assert_eq!(nameless, Err(TargetUnreadable::Garbage), "no token has such an id");
    let more = br#"{"v":1,"kind":"token","token_id":"t","because":"it was lost"}"#;
    assert_eq!(parse(more), Ok(RevocationTarget::token(None, "t").unwrap()));
    for unknown in [r#"{"v":1,"kind":"ticket","ticket":"t"}"#, r#"{"v":2,"kind":"subject","subject":"7"}"#] {
        assert_eq!(parse(unknown.as_bytes()), Err(TargetUnreadable::Unknown), "{unknown}");
    }
    let long = format!(r#"{{"v":1,"kind":"channel","channel":"a","x":"{}"}}"#, "x".repeat(REVOCATION_BYTES_MAX));
    for garbage in ["", "[]", "{}", "null", r#"{"v":"1"}"#, r#"{"v":1}"#, r#"{"v":1,"kind":"channel"}"#, &long] {
        assert_eq!(parse(garbage.as_bytes()), Err(TargetUnreadable::Garbage), "{garbage}");
    }
}

// Fails when names of any length are taken: no entry that can be written may be too long to be read.
#[test]
fn the_longest_names_fit_into_an_entry_however_they_are_escaped() {
    let issuer = "\u{1}".repeat(1_024);
    let target = RevocationTarget::subject(Some(&issuer), &"\"".repeat(255)).unwrap();
    assert_eq!(parse(json_of(&target).as_bytes()), Ok(target));
    assert!(RevocationTarget::subject(Some(&"i".repeat(1_025)), "s").is_err());
    for name in ["", "a\nb", &"s".repeat(256)] {
        assert!(RevocationTarget::subject(None, name).is_err() && RevocationTarget::token(None, name).is_err());
    }
}

// Fails when the leeway is not allowed for, and when a token without `iat` passes.
#[test]
fn who_was_revoked_comes_back_with_a_token_that_was_given_later_and_with_no_other() {
    let mut revocations = none();
    revoke(&mut revocations, subject("7"), NOW);
    let hit = |issued_at| revocations.hit(&grant("a", "7", "t", issued_at), []);
    assert!(hit(Some(NOW - 1)) && hit(Some(NOW + LEEWAY)) && hit(None));
    assert!(!hit(Some(NOW + LEEWAY + 1)));
    assert!(!revocations.hit(&grant("b", "7", "t", None), []), "another issuer's user of this name");
    assert!(!revocations.hit(&grant("a", "8", "t", None), []));
}

#[test]
fn whoever_reads_them_in_order_is_told_of_each_and_of_the_last_of_the_same() {
    let mut revocations = none();
    for (name, at) in [("1", NOW), ("2", NOW), ("1", NOW + 1), ("3", NOW)] {
        revoke(&mut revocations, subject(name), at);
    }
    // Read again, as all are after the log was lost: nothing that is not known.
    for (name, at) in [("1", NOW), ("2", NOW), ("1", NOW + 1), ("3", NOW)] {
        revoke(&mut revocations, subject(name), at);
    }
    let after =
        |number| revocations.after(number).map(|(number, all)| (number, all.target.clone())).collect::<Vec<_>>();
    assert_eq!(after(0), [(2, subject("2")), (3, subject("1")), (4, subject("3"))]);
    assert_eq!((after(3), after(4), revocations.latest()), (vec![(4, subject("3"))], vec![], 4));
}

// Fails when what is full takes more, or forgets what is in force to make room.
#[test]
fn a_full_set_says_so_and_keeps_what_it_has_until_that_is_old() {
    let mut revocations = none();
    let revocation = |number: usize, at| Revocation { target: subject(&number.to_string()), at: UnixSeconds(at) };
    for number in 0..REVOCATIONS_MAX {
        revocations.insert(revocation(number, NOW), UnixSeconds(NOW)).unwrap();
    }
    let one_more = revocation(REVOCATIONS_MAX, NOW);
    assert_eq!(revocations.insert(one_more.clone(), UnixSeconds(NOW)), Err(TooManyRevocations));
    revocations.insert(revocation(0, NOW + 1), UnixSeconds(NOW)).unwrap();
    assert!(revocations.len() == REVOCATIONS_MAX && revocations.hit(&grant("a", "0", "t", None), []));
    let later = UnixSeconds(NOW + LIFETIME + 2 * LEEWAY);
    revocations.insert(Revocation { at: later, ..one_more }, later).unwrap();
    assert_eq!(revocations.len(), 2, "what was revoked again stays longer");
}
