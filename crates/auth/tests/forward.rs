//! The application is asked: what it is sent, what its answers mean, and that nothing but a clear answer lets anybody in.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{
    Answering, Ask, AskAnswer, AskError, AskRequest, FORWARD_ISSUER, Forward, ForwardError, ForwardFailure,
    ForwardOptions, ForwardQuestion, ForwardRequest, Grant, Right, SafeUrl, UnixSeconds, Verdict, is_forwardable,
};
use fanfare_protocol::limits::{FORWARD_LIFETIME_MIN, FORWARD_MARGIN, FORWARD_WAITING_MAX};
use fanfare_protocol::{ChannelName, Pattern};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use support::{NOW, Publisher};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);

fn options() -> ForwardOptions {
    ForwardOptions {
        url: SafeUrl::parse("https://app.example/fanfare?key=hunter2").unwrap(),
        headers: vec!["authorization".parse().unwrap(), "cookie".parse().unwrap()],
        timeout: 3 * SECOND,
        concurrency: 2,
        keep: Duration::ZERO,
        denied_grace: Duration::ZERO,
        lifetime: 300 * SECOND,
        max_lifetime: 3_600 * SECOND,
        channels: 3,
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
    request_of(forward, channels, headers, 1)
}

fn request_of(forward: &Forward, channels: &[&str], headers: &HeaderMap, payer: u64) -> ForwardRequest {
    let channels: Vec<_> = channels.iter().map(|name| channel(name)).collect();
    let (right, address) = (Right::Subscribe, IpAddr::from([192, 0, 2, 7]));
    let target = "/events?channel=a";
    forward.request(&ForwardQuestion { right, channels: &channels, headers, target, address, payer })
}

/// What an answer to the question whether `user:7` may be followed means.
async fn judged(answer: Result<AskAnswer, AskError>) -> Result<Verdict, ForwardError> {
    let forward = Forward::new(options(), Publisher::new([answer]));
    let verdict = forward.ask(request(&forward, &["user:7"], &HeaderMap::new()), || NOW).await;
    let status = forward.status();
    assert_eq!(
        (status.last_error.is_some(), status.failed(), status.asking),
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
        "range",
        "if-none-match",
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

// Fails when a client can tell the application, through a node that it believes, from where it comes.
#[test]
fn what_proxies_say_of_a_client_is_never_sent_along_as_the_client_has_written_it() {
    for name in ["x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip", "via", "cf-connecting-ip"] {
        assert!(!is_forwardable(&HeaderName::from_static(name)), "{name}");
    }
}

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
    let named = self::grant(r#"{"channels":["user:7","a*"]}"#).await;
    assert!(gives(&named, Right::Subscribe, "a*") && !gives(&named, Right::Subscribe, "ab"));
    assert!(!gives(&self::grant(r#"{"channels":[]}"#).await, Right::Subscribe, "user:7"), "an empty list is nothing");
    let short = self::grant(r#"{"lifetime":1}"#).await;
    let least = UnixSeconds(NOW.0 + FORWARD_LIFETIME_MIN.as_secs());
    assert_eq!(short.expires_at, Some(least), "or a stream would be over when it begins, again and again");
    let long = self::grant(r#"{"lifetime":18446744073709551615}"#).await;
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
    let grant = self::grant(r#"{"channels":["user:7","b"],"from":"7-0"}"#).await;
    assert!(grant.named_channels().is_empty() && grant.stream.is_some_and(|stream| stream.from.is_some()));
}

// Fails when an application that does not look at `right` lets every user publish.
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
        assert_eq!(forward.kept(&question, now), None);
        assert_eq!(forward.ask(question, || now).await, Ok(Verdict::TooMany(3)));
        assert_eq!(forward.is_young_denial(&asker, now), is_young);
    }
    let Ok(Verdict::Granted(grant)) = forward.ask(question(), || NOW).await else { panic!("three are not too many") };
    assert_eq!(grant.named_channels().len(), 3);
    assert_eq!((forward.status().allowed, forward.status().denied), (1, 2));
}

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

/// Never answers questions about channels other than `quick`, and counts those.
#[derive(Default)]
struct Hanging(AtomicUsize);

impl Ask for Hanging {
    fn ask(&self, request: AskRequest) -> Answering {
        if request.body.windows(5).any(|part| part == b"quick") {
            return Box::pin(std::future::ready(Ok(answer(204, b""))));
        }
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
    let mut all = JoinSet::new();
    for payer in 0..5 {
        let (forward, question) = (forward.clone(), request_of(&forward, &["c"], &HeaderMap::new(), payer));
        all.spawn(async move { forward.ask(question, || NOW).await });
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!((hanging.0.load(Ordering::Relaxed), forward.status().asking), (2, 2));
    let (late, without_place) = (ForwardError::Ask(AskError::TimedOut(3 * SECOND)), ForwardError::NoPlace(3 * SECOND));
    let all = all.join_all().await;
    let count = |error: &ForwardError| all.iter().filter(|one| one.as_ref().unwrap_err() == error).count();
    assert_eq!((count(&late), count(&without_place)), (2, 3));
    // The margin is for one who asks and keeps no deadline.
    assert_eq!(start.elapsed(), 3 * SECOND + FORWARD_MARGIN);
    assert_eq!((forward.status().asking, forward.status().failed()), (0, 5));
}

/// Answers after two seconds, and remembers how long it was given.
#[derive(Default)]
struct Slow(std::sync::Mutex<Vec<Duration>>);

impl Ask for Slow {
    fn ask(&self, request: AskRequest) -> Answering {
        self.0.lock().unwrap().push(request.timeout);
        Box::pin(async {
            tokio::time::sleep(2 * SECOND).await;
            Ok(answer(204, b""))
        })
    }
}

// Fails when who asks has the whole time however long the question waited: it would be cut off before it could say what it waited for.
#[tokio::test(start_paused = true)]
async fn who_asks_knows_how_much_time_is_left() {
    let slow = Arc::new(Slow::default());
    let forward = Arc::new(Forward::new(ForwardOptions { concurrency: 1, ..options() }, slow.clone()));
    crowd(&forward, 0..2).join_all().await;
    assert_eq!(*slow.0.lock().unwrap(), [3 * SECOND, SECOND]);
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

/// Asks about this channel for these payers, all at once.
fn crowd(forward: &Arc<Forward>, payers: impl Iterator<Item = u64>) -> JoinSet<Result<Verdict, ForwardError>> {
    let mut all = JoinSet::new();
    for payer in payers {
        let (forward, question) = (forward.clone(), request_of(forward, &["slow"], &HeaderMap::new(), payer));
        all.spawn(async move { forward.ask(question, || NOW).await });
    }
    all
}

// Fails when one payer can have all places, or all of those for questions that wait.
#[tokio::test(start_paused = true)]
async fn the_slow_questions_of_one_payer_hold_no_other_up() {
    let forward = Arc::new(Forward::new(ForwardOptions { concurrency: 8, ..options() }, Arc::new(Hanging::default())));
    let start = tokio::time::Instant::now();
    let mut slow = crowd(&forward, (0..2_000).map(|_| 1));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(forward.status().asking, 6, "three quarters");
    let refused = 2_000 - 8 - FORWARD_WAITING_MAX / 2;
    for _ in 0..refused {
        assert_eq!(slow.join_next().await.unwrap().unwrap(), Err(ForwardError::Crowded));
    }
    for payer in 2..40 {
        let question = request_of(&forward, &["quick"], &HeaderMap::new(), payer);
        assert!(matches!(forward.ask(question, || NOW).await, Ok(Verdict::Granted(_))));
    }
    assert_eq!((start.elapsed(), slow.len()), (Duration::from_millis(1), 8 + FORWARD_WAITING_MAX / 2));
    slow.join_all().await;
    let status = forward.status();
    assert_eq!((status.asking, status.refused), (0, refused as u64));
    assert!(forward.ask(request_of(&forward, &["quick"], &HeaderMap::new(), 1), || NOW).await.is_ok());
}

// Fails when the number of questions that wait has no bound: they have slots that others need.
#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_questions_waits_and_others_are_refused_at_once() {
    let forward = Arc::new(Forward::new(options(), Arc::new(Hanging::default())));
    let start = tokio::time::Instant::now();
    let all = crowd(&forward, 0..1_000).join_all().await;
    let late = all.iter().filter(|one| **one == Err(ForwardError::NoPlace(3 * SECOND))).count();
    let crowded = all.iter().filter(|one| **one == Err(ForwardError::Crowded)).count();
    assert_eq!((late, crowded), (FORWARD_WAITING_MAX, 1_000 - 2 - FORWARD_WAITING_MAX));
    let status = forward.status();
    assert_eq!((start.elapsed(), status.refused), (3 * SECOND + FORWARD_MARGIN, crowded as u64));
    assert_eq!(status.failed(), 2 + late as u64);
}

// Fails when failures are kept, and when another cookie gets the answer of the first.
#[tokio::test]
async fn what_was_allowed_a_moment_ago_is_allowed_for_exactly_the_same() {
    let application = Publisher::new([Err(AskError::TooLarge(1)), Ok(answer(204, b""))]);
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, application.clone());
    let of = |cookie| request(&forward, &["c"], &headers(&[("cookie", cookie)]));
    assert!(forward.ask(of("a=1"), || NOW).await.is_err());
    assert_eq!(forward.kept(&of("a=1"), NOW), None);
    forward.ask(of("a=1"), || NOW).await.unwrap();
    assert!(forward.kept(&of("a=1"), NOW).is_some());
    assert_eq!(forward.kept(&of("a=2"), NOW), None);
    assert_eq!(forward.kept(&request(&forward, &["d"], &headers(&[("cookie", "a=1")])), NOW), None);
    assert_eq!(forward.kept(&of("a=1"), UnixSeconds(NOW.0 + 2)), None);
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
    assert!(forward.kept(&question(), NOW).is_none());
    assert!(matches!(forward.ask(question(), || NOW).await, Ok(Verdict::Granted(_))));
    assert_eq!(forward.ask(question(), || NOW).await, Ok(Verdict::Forbidden));
    assert!(forward.kept(&question(), NOW).is_none());
}

// Fails when every yes is kept: the next one to ask would be denied for good by it, without the grace that a denial has.
#[tokio::test]
async fn a_yes_that_is_not_enough_is_no_more_kept_than_a_no() {
    let answers = [Ok(answer(204, b"")), Ok(answer(200, br#"{"channels":[]}"#))];
    let forward = Forward::new(ForwardOptions { keep: 2 * SECOND, ..options() }, Publisher::new(answers));
    let question = || request(&forward, &["c"], &headers(&[("cookie", "a=1")]));
    for is_kept in [true, false] {
        assert!(matches!(forward.ask(question(), || NOW).await, Ok(Verdict::Granted(_))));
        assert_eq!(forward.kept(&question(), NOW).is_some(), is_kept);
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
    assert!(forward.kept(&request(&forward, &["c"], &HeaderMap::new()), UnixSeconds(NOW.0 + 2)).is_none());
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let forward = Forward::new(options(), Publisher::new([]));
    assert!(!format!("{forward:?}").contains("hunter2"));
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
