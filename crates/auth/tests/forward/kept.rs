//! What an answer is worth later: grants that are kept, denials that are young.

use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_auth::{AskError, Forward, ForwardOptions, ForwardRequest, UnixSeconds, Verdict};
use http::HeaderMap;

use super::support::{NOW, Publisher};
use super::{SECOND, answer, headers, options, request};

// Fails when a session store that is away for a moment ends the streams of all who are signed in, and when who is signed out is never told so.
#[tokio::test]
async fn a_denial_is_young_for_a_while_for_who_asks_for_the_same_and_an_answer_that_allows_it_makes_it_so_again() {
    let options = ForwardOptions { denied_grace: 60 * SECOND, ..options() };
    let forward = Forward::new(options, Publisher::new([Ok(answer(204, b""))]));
    let of = |channel, cookie| request(&forward, &[channel], &headers(&[("cookie", cookie)]));
    let is_young =
        |request: &ForwardRequest, after| forward.is_young_denial(&request.asker(), UnixSeconds(NOW.0 + after));
    assert!(is_young(&of("c", "sid=1"), 0) && is_young(&of("c", "sid=1"), 59));
    assert!(is_young(&of("c", "sid=2"), 60) && is_young(&of("d", "sid=1"), 60), "others");
    assert!(!is_young(&of("c", "sid=1"), 60));
    forward.ask(of("c", "sid=1"), || NOW).await.unwrap();
    assert!(is_young(&of("c", "sid=1"), 61));
}

// Fails when failures are kept, and when another cookie gets the answer of the first.
#[tokio::test]
async fn what_was_allowed_a_moment_ago_is_allowed_for_exactly_the_same() {
    let application = Publisher::new([Err(AskError::TooLarge(1)), Ok(answer(204, b""))]);
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, application.clone());
    let of = |cookie| request(&forward, &["c"], &headers(&[("cookie", cookie)]));
    assert!(forward.ask(of("a=1"), || NOW).await.is_err());
    assert_eq!(forward.kept(&of("a=1"), NOW, None), None);
    forward.ask(of("a=1"), || NOW).await.unwrap();
    assert!(forward.kept(&of("a=1"), NOW, None).is_some());
    assert_eq!(forward.kept(&of("a=2"), NOW, None), None);
    assert_eq!(forward.kept(&request(&forward, &["d"], &headers(&[("cookie", "a=1")])), NOW, None), None);
    assert_eq!(forward.kept(&of("a=1"), UnixSeconds(NOW.0 + 2), None), None);
    let status = forward.status();
    assert_eq!((status.allowed, status.denied, status.failed(), status.kept), (1, 0, 1, 1));
}

// Fails when the page that a user sees after logging in, or after joining a room, is told what was true before: that ends an `EventSource`
// for good.
#[tokio::test]
async fn a_denial_is_not_kept_and_makes_an_earlier_grant_count_no_more() {
    let answers = [Ok(answer(401, b"")), Ok(answer(204, b"")), Ok(answer(403, b""))];
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, Publisher::new(answers));
    let question = || request(&forward, &["c"], &headers(&[("cookie", "a=1")]));
    assert_eq!(forward.ask(question(), || NOW).await, Ok(Verdict::Unauthenticated));
    assert!(forward.kept(&question(), NOW, None).is_none());
    assert!(matches!(forward.ask(question(), || NOW).await, Ok(Verdict::Granted(_))));
    assert_eq!(forward.ask(question(), || NOW).await, Ok(Verdict::Forbidden));
    assert!(forward.kept(&question(), NOW, None).is_none());
}

// Fails when every yes is kept: the next one to ask would be denied for good by it, without the grace that a denial has.
#[tokio::test]
async fn a_yes_that_is_not_enough_is_no_more_kept_than_a_no() {
    let answers = [Ok(answer(204, b"")), Ok(answer(200, br#"{"channels":[]}"#))];
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, Publisher::new(answers));
    let question = || request(&forward, &["c"], &headers(&[("cookie", "a=1")]));
    for is_kept in [true, false] {
        assert!(matches!(forward.ask(question(), || NOW).await, Ok(Verdict::Granted(_))));
        assert_eq!(forward.kept(&question(), NOW, None).is_some(), is_kept);
    }
}

// Fails when a slow application's answer counts from when it came: it says what was true when the application looked.
#[tokio::test]
async fn an_answer_is_as_old_as_its_question() {
    let forward =
        Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, Publisher::new([Ok(answer(204, b""))]));
    let clock = AtomicUsize::new(0);
    // Each look at the clock is two seconds after the one before.
    let later = || UnixSeconds(NOW.0 + clock.fetch_add(2, Ordering::Relaxed) as u64);
    forward.ask(request(&forward, &["c"], &HeaderMap::new()), later).await.unwrap();
    assert!(forward.kept(&request(&forward, &["c"], &HeaderMap::new()), UnixSeconds(NOW.0 + 2), None).is_none());
}
