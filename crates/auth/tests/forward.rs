//! The application is asked: what it is sent, what its answers mean, and that nothing but a clear answer lets anybody in.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{
    Answering, Ask, AskAnswer, AskError, AskRequest, FORWARD_ISSUER, Forward, ForwardError, ForwardOptions,
    ForwardQuestion, ForwardRequest, Grant, Right, SafeUrl, UnixSeconds, Verdict, is_forwardable,
};
use fanfare_protocol::{ChannelName, Pattern};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use support::{NOW, Publisher};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> ForwardOptions {
    ForwardOptions {
        url: SafeUrl::parse("https://app.example/fanfare?key=hunter2").unwrap(),
        headers: vec!["authorization".parse().unwrap(), "cookie".parse().unwrap()],
        timeout: 3 * SECOND,
        concurrency: 2,
        keep: Duration::ZERO,
        lifetime: 300 * SECOND,
        max_lifetime: 3_600 * SECOND,
        public: [Pattern::parse("news:*").unwrap()].into(),
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn answer(status: u16, body: &[u8]) -> AskAnswer {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::copy_from_slice(body));
    AskAnswer { status, headers: HeaderMap::new(), body }
}

fn request(forward: &Forward, channels: &[&str], headers: &HeaderMap) -> ForwardRequest {
    let channels: Vec<_> = channels.iter().map(|name| channel(name)).collect();
    let (right, address) = (Right::Subscribe, IpAddr::from([192, 0, 2, 7]));
    forward.request(&ForwardQuestion { right, channels: &channels, headers, target: "/events?channel=a", address })
}

/// What an answer to the question whether `user:7` may be followed means.
async fn judged(answer: Result<AskAnswer, AskError>) -> Result<Verdict, ForwardError> {
    let forward = Forward::new(options(), Publisher::new([answer]));
    let verdict = forward.ask(request(&forward, &["user:7"], &HeaderMap::new()), || NOW).await;
    let status = forward.status();
    assert_eq!(
        (status.last_error.is_some(), status.failed, status.asking),
        (verdict.is_err(), u64::from(verdict.is_err()), 0)
    );
    verdict
}

async fn said(status: u16, body: &str) -> Result<Verdict, ForwardError> {
    judged(Ok(answer(status, body.as_bytes()))).await
}

async fn grant(body: &str) -> Grant {
    match said(200, body).await.unwrap() {
        Verdict::Granted(grant) => *grant,
        other => panic!("{other:?}"),
    }
}

fn gives(grant: &Grant, right: Right, name: &str) -> bool {
    grant.rights.allow(right, &channel(name))
}

#[tokio::test]
async fn the_application_is_sent_what_is_asked_for_and_the_listed_headers_and_nothing_else() {
    let application = Publisher::new([Ok(answer(204, b""))]);
    let forward = Forward::new(options(), application.clone());
    let all = headers(&[
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("cookie", "c=d"),
        ("host", "live.example"),
        ("x-user", "root"),
        ("content-type", "text/plain"),
    ]);
    let question = request(&forward, &["user:7", "a\"b"], &all);
    assert!(forward.takes_one_of(&all) && !forward.takes_one_of(&headers(&[("x-user", "root")])));
    forward.ask(question, || NOW).await.unwrap();
    let asked = application.requests().pop().unwrap();
    assert_eq!(
        (asked.method, asked.uri.to_string().as_str()),
        (Method::POST, "https://app.example/fanfare?key=hunter2")
    );
    let mut names: Vec<_> =
        asked.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    names.sort();
    let expected = [
        "accept: application/json",
        "authorization: Bearer x",
        "content-type: application/json",
        "cookie: a=b",
        "cookie: c=d",
    ];
    assert_eq!(names, expected);
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    let expected = serde_json::json!({
        "right": "subscribe", "channels": ["user:7", "a\"b"], "uri": "/events?channel=a", "address": "192.0.2.7",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_is_for_one_connection_only_is_never_sent_along() {
    for name in [
        "host",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "content-length",
    ] {
        assert!(!is_forwardable(&HeaderName::from_static(name)), "{name}");
    }
    assert!(is_forwardable(&HeaderName::from_static("x-tenant")));
    let application = Publisher::new([Ok(answer(204, b""))]);
    let listed =
        vec![HeaderName::from_static("host"), HeaderName::from_static("cookie"), HeaderName::from_static("x-tenant")];
    let forward = Forward::new(ForwardOptions { headers: listed, ..options() }, application.clone());
    let all = headers(&[("host", "a"), ("cookie", "a=b"), ("x-tenant", "1"), ("connection", "close, X-Tenant")]);
    forward.ask(request(&forward, &["c"], &all), || NOW).await.unwrap();
    let asked = application.requests().pop().unwrap();
    assert!(asked.headers.contains_key("cookie"));
    assert!(!asked.headers.contains_key("host") && !asked.headers.contains_key("x-tenant"), "{:?}", asked.headers);
}

// Fails when a pattern is made of a name: `a*` would be everybody's.
#[tokio::test]
async fn an_answer_without_channels_allows_exactly_what_was_asked_for() {
    for (status, body) in
        [(200, ""), (204, ""), (200, "{}"), (200, "{\"channels\":null,\"theme\":\"dark\"}"), (201, " \n")]
    {
        let Ok(Verdict::Granted(grant)) = said(status, body).await else { panic!("{status} {body}") };
        assert!(
            gives(&grant, Right::Subscribe, "user:7") && gives(&grant, Right::Subscribe, "news:1"),
            "what is public, too"
        );
        assert!(!gives(&grant, Right::Subscribe, "user:8") && !gives(&grant, Right::Publish, "user:7"));
        assert!(!gives(&grant, Right::History, "user:7"), "what was not asked for");
        assert_eq!((grant.issuer.as_deref(), grant.subject.as_deref()), (Some(FORWARD_ISSUER), None));
        assert_eq!(grant.expires_at, Some(UnixSeconds(NOW.0 + 300)));
    }
    let forward = Forward::new(options(), Publisher::new([Ok(answer(200, b""))]));
    let Ok(Verdict::Granted(grant)) = forward.ask(request(&forward, &["a*"], &HeaderMap::new()), || NOW).await else {
        panic!("it is allowed")
    };
    assert!(gives(&grant, Right::Subscribe, "a*") && !gives(&grant, Right::Subscribe, "ab"));
}

#[tokio::test]
async fn an_answer_may_say_what_it_allows_for_whom_and_for_how_long() {
    let grant = grant(r#"{"sub":"7","subscribe":["user:*"],"publish":["room:1"],"lifetime":60}"#).await;
    assert_eq!((grant.subject.as_deref(), grant.expires_at), (Some("7"), Some(UnixSeconds(NOW.0 + 60))));
    assert!(gives(&grant, Right::Subscribe, "user:8") && gives(&grant, Right::History, "user:8"));
    assert!(gives(&grant, Right::Publish, "room:1") && !gives(&grant, Right::Publish, "user:8"));
    let named = self::grant(r#"{"channels":["user:7","a*"]}"#).await;
    assert!(gives(&named, Right::Subscribe, "a*") && !gives(&named, Right::Subscribe, "ab"));
    assert!(!gives(&self::grant(r#"{"channels":[]}"#).await, Right::Subscribe, "user:7"), "an empty list is nothing");
    let long = self::grant(r#"{"lifetime":18446744073709551615}"#).await;
    assert_eq!(long.expires_at, Some(UnixSeconds(NOW.0 + 3_600)), "not longer than may be");
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

/// Never answers, and counts those who wait.
#[derive(Default)]
struct Hanging(AtomicUsize);

impl Ask for Hanging {
    fn ask(&self, _: AskRequest) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }
}

// Fails when the wait for a place has no end, and when there is no bound.
#[tokio::test(start_paused = true)]
async fn an_application_that_hangs_is_asked_so_many_questions_at_once_and_each_ends_in_time() {
    let hanging = Arc::new(Hanging::default());
    let forward = Arc::new(Forward::new(options(), hanging.clone()));
    let start = tokio::time::Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (forward, question) = (forward.clone(), request(&forward, &["c"], &HeaderMap::new()));
        all.spawn(async move { forward.ask(question, || NOW).await });
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!((hanging.0.load(Ordering::Relaxed), forward.status().asking), (2, 2));
    while let Some(one) = all.join_next().await {
        assert_eq!(one.unwrap(), Err(ForwardError::Ask(AskError::TimedOut(3 * SECOND))));
    }
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_eq!((forward.status().asking, forward.status().failed), (0, 5));
}

// Fails when failures are kept, and when another cookie gets the answer of the first.
#[tokio::test]
async fn what_was_answered_a_moment_ago_counts_for_exactly_the_same_and_failures_do_not() {
    let application = Publisher::new([Err(AskError::TooLarge(1)), Ok(answer(200, b"")), Ok(answer(403, b""))]);
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, application.clone());
    let of = |cookie| request(&forward, &["c"], &headers(&[("cookie", cookie)]));
    assert!(forward.ask(of("a=1"), || NOW).await.is_err());
    assert_eq!(forward.kept(&of("a=1"), NOW), None);
    forward.ask(of("a=1"), || NOW).await.unwrap();
    assert!(matches!(forward.kept(&of("a=1"), NOW), Some(Verdict::Granted(_))));
    assert_eq!(forward.kept(&of("a=2"), NOW), None);
    assert_eq!(forward.kept(&request(&forward, &["d"], &headers(&[("cookie", "a=1")])), NOW), None);
    assert_eq!(forward.kept(&of("a=1"), UnixSeconds(NOW.0 + 2)), None);
    forward.ask(of("a=3"), || NOW).await.unwrap();
    assert_eq!(forward.kept(&of("a=3"), NOW), Some(Verdict::Forbidden));
    let status = forward.status();
    assert_eq!((status.allowed, status.denied, status.failed, status.kept), (1, 1, 1, 2));
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let forward = Forward::new(options(), Publisher::new([]));
    assert!(!format!("{forward:?}").contains("hunter2"));
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
