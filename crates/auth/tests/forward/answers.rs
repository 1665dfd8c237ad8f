//! What the application's answers mean.

use std::net::IpAddr;

use fanfare_auth::{
    AskError, FORWARD_ISSUER, Forward, ForwardError, ForwardFailure, ForwardOptions, ForwardQuestion, Right,
    UnixSeconds, Verdict,
};
use fanfare_protocol::limits::FORWARD_LIFETIME_MIN;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::support::{NOW, Publisher};
use super::{SECOND, answer, channel, gives, grant, judged, options, request, said};

// Fails when a pattern is made of a name: `a*` would allow every name that begins with an `a`.
#[tokio::test]
async fn an_answer_without_channels_allows_exactly_what_was_asked_for() {
    for (status, body) in
        [(204, ""), (200, "{}"), (201, " {}\n"), (200, r#"{"sub":"7"}"#), (200, r#"{"lifetime":300}"#)]
    {
        let Ok(Verdict::Granted(grant)) = said(status, body).await else { panic!("{status} {body}") };
        assert!(
            gives(&grant, Right::Subscribe, "user:7") && gives(&grant, Right::Subscribe, "news:1"),
            "what is public, too"
        );
        assert!(!gives(&grant, Right::Subscribe, "user:8") && !gives(&grant, Right::Publish, "user:7"));
        assert!(!gives(&grant, Right::History, "user:7"), "what was not asked for");
        assert_eq!(grant.issuer.as_deref(), Some(FORWARD_ISSUER));
        assert_eq!(grant.expires_at, Some(UnixSeconds(NOW.0 + 300)));
    }
    let forward = Forward::new(options(), Publisher::new([Ok(answer(204, b""))]));
    let Ok(Verdict::Granted(grant)) = forward.ask(request(&forward, &["a*"], &HeaderMap::new()), || NOW).await else {
        panic!("it is allowed")
    };
    assert!(gives(&grant, Right::Subscribe, "a*") && !gives(&grant, Right::Subscribe, "ab"));
}

// Fails when a handler that returned early, an API that always answers 200, a misspelt member or a list that is null allows what was asked for.
#[tokio::test]
async fn a_2xx_that_does_not_say_yes_is_no_answer() {
    for body in [
        "",
        " \n",
        r#"{"ok":false,"error":"login required"}"#,
        r#"{"allow":false}"#,
        r#"{"errors":[]}"#,
        r#"{"theme":"dark"}"#,
        r#"{"subscibe":["user:7"]}"#,
        r#"{"Channels":[]}"#,
        r#"{"sub":"7","subscibe":["user:8"]}"#,
        r#"{"sub":"7","allowed":false}"#,
        r#"{"channels":null}"#,
        r#"{"channels":["user:7"],"subscribe":null}"#,
        r#"{"channels":["user:7"],"channels":null}"#,
        r#"{"sub":null}"#,
        r#"{"lifetime":null}"#,
        r#"{"channels":{}}"#,
        r#"{"channels":false}"#,
    ] {
        assert!(matches!(said(200, body).await, Err(ForwardError::Body(_))), "{body}");
    }
    assert!(matches!(said(201, "").await, Err(ForwardError::Body(_))));
    let named = grant(r#"{"channels":["user:7"],"theme":"dark"}"#).await;
    assert!(gives(&named, Right::Subscribe, "user:7"), "a list says it, whatever else is there");
}

#[tokio::test]
async fn an_answer_may_say_what_it_allows_for_whom_and_for_how_long() {
    let grant = grant(r#"{"sub":"7","subscribe":["user:*"],"publish":["room:1"],"lifetime":60}"#).await;
    assert_eq!((grant.subject.as_deref(), grant.expires_at), (Some("7"), Some(UnixSeconds(NOW.0 + 60))));
    assert!(gives(&grant, Right::Subscribe, "user:8") && gives(&grant, Right::History, "user:8"));
    assert!(gives(&grant, Right::Publish, "room:1") && !gives(&grant, Right::Publish, "user:8"));
    let named = super::grant(r#"{"channels":["user:7","a*"]}"#).await;
    assert!(gives(&named, Right::Subscribe, "a*") && !gives(&named, Right::Subscribe, "ab"));
    assert!(!gives(&super::grant(r#"{"channels":[]}"#).await, Right::Subscribe, "user:7"), "an empty list is nothing");
    let short = super::grant(r#"{"lifetime":1}"#).await;
    let least = UnixSeconds(NOW.0 + FORWARD_LIFETIME_MIN.as_secs());
    assert_eq!(short.expires_at, Some(least), "or a stream would be over when it begins, again and again");
    let long = super::grant(r#"{"lifetime":18446744073709551615}"#).await;
    assert_eq!(long.expires_at, Some(UnixSeconds(NOW.0 + 3_600)), "not longer than may be");
}

/// What an answer to a request that names no channels means.
async fn named(status: u16, body: &str) -> Result<Verdict, ForwardError> {
    let forward = Forward::new(options(), Publisher::new([Ok(answer(status, body.as_bytes()))]));
    let verdict = forward.ask(request(&forward, &[], &HeaderMap::new()), || NOW).await;
    let is_allowed = matches!(&verdict, Ok(Verdict::Granted(grant)) if !grant.named_channels().is_empty());
    assert_eq!(forward.status().allowed, u64::from(is_allowed));
    verdict
}

// Fails when a yes that names no channel is one to a request that names none either.
#[tokio::test]
async fn the_application_may_name_the_channels_of_a_stream_and_where_it_begins() {
    let Ok(Verdict::Granted(grant)) = named(200, r#"{"channels":["a*","b","a*"],"from":"7-0"}"#).await else {
        panic!("it is allowed")
    };
    assert_eq!(grant.named_channels(), [channel("a*"), channel("b")]);
    let stream = grant.stream.as_ref().unwrap();
    assert_eq!(stream.from.as_ref().map(ToString::to_string).as_deref(), Some("7-0"));
    assert!(gives(&grant, Right::Subscribe, "a*") && !gives(&grant, Right::Subscribe, "ab"));
    for (status, body) in
        [(204, ""), (200, "{}"), (200, r#"{"sub":"7"}"#), (200, r#"{"subscribe":["*"]}"#), (200, r#"{"from":"7-0"}"#)]
    {
        assert_eq!(named(status, body).await, Ok(Verdict::Forbidden), "{body}");
    }
    for from in ["7", "null", "\"\"", "\"now\"", "\"v \""] {
        let body = format!(r#"{{"channels":["a"],"from":{from}}}"#);
        assert!(matches!(named(200, &body).await, Err(ForwardError::Body(_))), "{body}");
    }
    let Ok(Verdict::Granted(none)) = named(200, r#"{"channels":[]}"#).await else { panic!("an empty list is clear") };
    assert!(none.named_channels().is_empty() && none.permit(Right::Subscribe, none.named_channels()).is_err());
    // Of a request that names channels, the list says which of them are allowed.
    let grant = super::grant(r#"{"channels":["user:7","b"],"from":"7-0"}"#).await;
    assert!(grant.named_channels().is_empty() && grant.stream.is_some_and(|stream| stream.from.is_some()));
}

// Fails when a list that is too long for a stream is a yes, which would be kept, or ends the young time of denials.
#[tokio::test]
async fn an_answer_that_names_more_channels_than_a_stream_may_have_says_how_many_it_may_and_is_denied() {
    let body = r#"{"channels":["a","b","c","d"]}"#;
    let fits = r#"{"channels":["a","b","c","a"]}"#;
    let answers = [body, body, fits].map(|body| Ok(answer(200, body.as_bytes())));
    let options = ForwardOptions { keep: 2 * SECOND, denied_grace: 60 * SECOND, ..options() };
    let forward = Forward::new(options, Publisher::new(answers));
    let question = || request(&forward, &[], &HeaderMap::new());
    for is_young in [true, false] {
        let now = if is_young { NOW } else { UnixSeconds(NOW.0 + 60) };
        let (question, asker) = (question(), question().asker());
        assert_eq!(forward.kept(&question, now, None), None);
        assert_eq!(forward.ask(question, || now).await, Ok(Verdict::TooMany(3)));
        assert_eq!(forward.is_young_denial(&asker, now), is_young);
    }
    let Ok(Verdict::Granted(grant)) = forward.ask(question(), || NOW).await else { panic!("three are not too many") };
    assert_eq!(grant.named_channels().len(), 3);
    assert_eq!((forward.status().allowed, forward.status().denied), (1, 2));
}

// Fails when an application that does not look at `right` lets every user publish.
#[tokio::test]
async fn publishing_has_to_be_named() {
    let channels = [channel("user:7")];
    let publishes = async |status, body: &str| {
        let forward = Forward::new(options(), Publisher::new([Ok(answer(status, body.as_bytes()))]));
        let (right, headers, address) = (Right::Publish, HeaderMap::new(), IpAddr::from([192, 0, 2, 7]));
        let question =
            ForwardQuestion { right, channels: &channels, headers: &headers, target: "/", address, payer: 1 };
        let verdict = forward.ask(forward.request(&question), || NOW).await.unwrap();
        let Verdict::Granted(grant) = verdict else { panic!("{verdict:?}") };
        gives(&grant, Right::Publish, "user:7")
    };
    for body in ["{}", r#"{"sub":"7"}"#, r#"{"channels":["user:7"]}"#, r#"{"subscribe":["user:*"]}"#] {
        assert!(!publishes(200, body).await, "{body}");
    }
    assert!(!publishes(204, "").await);
    assert!(publishes(200, r#"{"sub":"7","publish":["user:7"]}"#).await);
}

#[tokio::test]
async fn only_401_and_403_deny() {
    assert_eq!(said(401, "<html>").await, Ok(Verdict::Unauthenticated));
    assert_eq!(said(403, "").await, Ok(Verdict::Forbidden));
    for status in [100, 301, 302, 304, 307, 400, 404, 405, 407, 429, 500, 502, 503, 599] {
        let status_code = StatusCode::from_u16(status).unwrap();
        assert_eq!(said(status, "{}").await, Err(ForwardError::Status(status_code)));
    }
}

// Fails when a page for logging in, which is a 200 of many applications, counts as a yes.
#[tokio::test]
async fn garbage_lets_nobody_in() {
    for body in [
        "<html>please log in</html>",
        "true",
        "[]",
        "null",
        "{",
        "{}{}",
        "\u{feff}{}",
        r#"{"channels":"user:7"}"#,
        r#"{"channels":[7]}"#,
        r#"{"channels":[""]}"#,
        r#"{"subscribe":["user:*",null]}"#,
        r#"{"sub":""}"#,
        r#"{"sub":["7"]}"#,
        "{\"sub\":\"a\\nb\"}",
        r#"{"lifetime":0}"#,
        r#"{"lifetime":-1}"#,
        r#"{"lifetime":1.5}"#,
        r#"{"lifetime":"60"}"#,
    ] {
        assert!(matches!(said(200, body).await, Err(ForwardError::Body(_))), "{body}");
    }
    let many = format!(r#"{{"subscribe":[{}]}}"#, vec!["\"a\""; 65].join(","));
    assert!(matches!(said(200, &many).await, Err(ForwardError::Body(_))));
    assert!(matches!(judged(Ok(answer(200, b"\xff"))).await, Err(ForwardError::Body(_))));
    assert_eq!(judged(Err(AskError::TooLarge(9))).await, Err(ForwardError::Ask(AskError::TooLarge(9))));
}

// Fails when a redirection, a certificate and a page that is no answer are one to operators, and when what does not cover the question
// counts as a yes.
#[tokio::test]
async fn operators_are_told_what_went_wrong() {
    let failure = async |answer| {
        let forward = Forward::new(options(), Publisher::new([answer]));
        let _ = forward.ask(request(&forward, &["user:7"], &HeaderMap::new()), || NOW).await;
        let status = forward.status();
        ForwardFailure::ALL.into_iter().zip(status.failures).find(|(_, count)| *count == 1).map(|(failure, _)| failure)
    };
    let said = |status, body: &str| Ok(answer(status, body.as_bytes()));
    for (answer, expected) in [
        (Err(AskError::TimedOut(SECOND)), ForwardFailure::Timeout),
        (Err(AskError::NotReached("there was no connection", SECOND)), ForwardFailure::Timeout),
        (Err(AskError::Failed("its certificate has expired".into())), ForwardFailure::Connection),
        (Err(AskError::TooLarge(9)), ForwardFailure::Answer),
        (said(302, ""), ForwardFailure::Redirect),
        (said(500, ""), ForwardFailure::Status),
        (said(200, "<html>"), ForwardFailure::Answer),
    ] {
        assert_eq!(failure(answer).await, Some(expected));
    }
    let forward = Forward::new(options(), Publisher::new([said(200, r#"{"channels":["user:8"]}"#)]));
    forward.ask(request(&forward, &["user:7"], &HeaderMap::new()), || NOW).await.unwrap();
    assert_eq!((forward.status().allowed, forward.status().denied), (0, 1));
}

/// Objects of members that the judge knows or does not, with values of any type.
fn object() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
    let name = prop::sample::select(vec![
        "sub",
        "lifetime",
        "channels",
        "subscribe",
        "publish",
        "history",
        "subscibe",
        "Channels",
        "allow",
        "error",
        "",
    ]);
    let value = prop::sample::select(vec!["null", "false", "7", "\"7\"", "[]", "[\"user:7\"]", "[7]", "{}"]);
    prop::collection::vec((name, value), 1..5).prop_map(|members| {
        members.into_iter().map(|(name, value)| (name.to_owned(), serde_json::from_str(value).unwrap())).collect()
    })
}

proptest! {
    /// What allows a channel names it, or has no member but `sub` and `lifetime`.
    #[test]
    fn only_what_says_yes_allows(object in object()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = serde_json::Value::Object(object.clone()).to_string();
        let verdict = runtime.block_on(said(200, &body));
        let Ok(Verdict::Granted(grant)) = verdict else { return Ok(()) };
        let names = |list: &str| object.get(list).is_some_and(|list| list == &serde_json::json!(["user:7"]));
        let is_bare = object.keys().all(|name| name == "sub" || name == "lifetime");
        if gives(&grant, Right::Subscribe, "user:7") {
            prop_assert!(is_bare || names("channels") || names("subscribe"), "{body}");
        }
        prop_assert!(!gives(&grant, Right::Publish, "user:7") || names("publish"), "{body}");
    }
}

proptest! {
    /// Whatever an application answers, nothing panics, and what it gives is bounded in time.
    #[test]
    fn no_answer_makes_the_judge_panic(status in 100_u16..1_000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        if let Ok(Verdict::Granted(grant)) = runtime.block_on(judged(Ok(answer(status, &body)))) {
            prop_assert!((200..300).contains(&status));
            prop_assert!(grant.expires_at.is_some_and(|end| end.0 <= NOW.0 + 3_600));
        }
    }
}
