//! A gatekeeper and a real gate.

use fanfare_auth::{
    Algorithm, Answering, Ask, AskAnswer, AskError, AskRequest, Audience, CertificateOptions, ForwardOptions,
    GateOptions, IssuerOptions, KeySource, SafeUrl, SigningKey, Template, Templates,
};
use fanfare_protocol::Pattern;
use http::{HeaderMap, HeaderValue, header};

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use super::*;
use crate::scene;

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const NOW: u64 = 1_700_000_000;

fn token(subscribe: &[&str], ends: u64) -> String {
    let claims = serde_json::json!({"exp": ends, "fanfare": {"subscribe": subscribe}});
    let key = SigningKey::secret(SECRET).unwrap();
    key.sign(Algorithm::Hs256, None, claims.as_object().unwrap()).unwrap()
}

fn gate(keys: KeySource) -> Gate {
    let issuer = IssuerOptions {
        issuer: None,
        audience: Audience::Any,
        algorithms: Vec::new(),
        keys: vec![keys],
        ..IssuerOptions::default()
    };
    let public = vec![Pattern::parse("news:*").unwrap()];
    let cookie = Some("session".to_owned());
    Gate::new(GateOptions { public, cookie, issuers: vec![issuer], ..GateOptions::default() }).unwrap()
}

fn gatekeeper(gate: Gate) -> Gatekeeper {
    let cors = Cors::parse(&["https://app.example"]).unwrap();
    Gatekeeper::new(Arc::new(gate), Some("token"), cors, Clock::from_fn(|| NOW * 1_000), Duration::from_secs(5))
}

fn ask(keeper: &Gatekeeper, channels: &[&str], headers: &HeaderMap, query: &str) -> Soon<Authorized> {
    asked_by(keeper, channels, headers, query, false)
}

fn asked_by(
    keeper: &Gatekeeper,
    channels: &[&str],
    headers: &HeaderMap,
    query: &str,
    is_doubtful: bool,
) -> Soon<Authorized> {
    let channels: Vec<_> = channels.iter().map(|name| ChannelName::parse(name).unwrap()).collect();
    let (path, query) = ("/events", Some(query));
    keeper.authorize(&Question { path, query, is_doubtful, ..question(Right::Subscribe, &channels, headers) })
}

fn question<'a>(right: Right, channels: &'a [ChannelName], headers: &'a HeaderMap) -> Question<'a> {
    let address = std::net::IpAddr::from([192, 0, 2, 7]);
    Question { right, channels, headers, path: "/", query: None, address, certified: None, is_doubtful: false }
}

fn now(soon: Soon<Authorized>) -> Authorized {
    let Soon::Now(authorized) = soon else { panic!("it is known at once") };
    authorized
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
}

// Seen to fail when one channel that is allowed is enough.
#[test]
fn several_channels_are_allowed_together_or_not_at_all() {
    let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec())));
    let headers = bearer(&token(&["user:7", "room:*"], NOW + 60));
    let allowed = |channels: &[&str]| now(ask(&keeper, channels, &headers, ""));
    let grant = allowed(&["user:7", "room:1", "news:1"]).unwrap().unwrap();
    assert_eq!(grant.expires_at, Some(UnixSeconds(NOW + 60)));
    let channel = ChannelName::parse("user:8").unwrap();
    let refusal = Refusal::Forbidden { right: Right::Subscribe, channel };
    assert_eq!(allowed(&["user:7", "user:8"]), Err(Denied::By(refusal)));
}

// Seen to fail when a token is looked at although nothing needs one.
#[test]
fn where_all_is_public_no_token_is_looked_at() {
    let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec())));
    let headers = bearer("nonsense");
    assert_eq!(now(ask(&keeper, &["news:1", "news:2"], &headers, "")), Ok(None));
    assert!(matches!(now(ask(&keeper, &["news:1", "a"], &headers, "")), Err(Denied::By(Refusal::Invalid(_)))));
    assert_eq!(now(ask(&keeper, &["a"], &HeaderMap::new(), "")), Err(Denied::By(Refusal::Missing)));
}

// Fails when the origin is not looked at, and when it is for a token that no foreign page can have.
#[test]
fn only_a_cookie_is_refused_to_the_pages_of_other_sites() {
    let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec())));
    let token = token(&["a"], NOW + 60);
    let cookie = HeaderValue::from_str(&format!("x=y; session={token}")).unwrap();
    let foreign = (header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    let listed = (header::ORIGIN, HeaderValue::from_static("https://app.example"));
    let asked =
        |headers: HeaderMap, query: &str| now(ask(&keeper, &["a"], &headers, query)).map(|grant| grant.is_some());
    let with = |origin: &(http::HeaderName, HeaderValue)| {
        HeaderMap::from_iter([(header::COOKIE, cookie.clone()), origin.clone()])
    };
    assert_eq!(asked(with(&listed), ""), Ok(true));
    assert_eq!(asked(with(&foreign), ""), Err(Denied::CrossSite));
    let mut both = with(&foreign);
    both.extend(bearer(&token));
    assert_eq!(asked(both, ""), Ok(true), "the header counts");
    assert_eq!(asked(HeaderMap::from_iter([foreign]), &format!("x=%zz&token={token}")), Ok(true));
    let twice = format!("token={token}&token={token}");
    assert!(matches!(asked(HeaderMap::new(), &twice), Err(Denied::By(Refusal::Invalid(_)))));
}

/// A token whose key somebody may publish: a secret is published by nobody, so one of HS256 would be refused at once.
fn of_an_unknown_key() -> HeaderMap {
    let key = SigningKey::pem(include_str!("../../../auth/tests/keys/ed25519.private.pem")).unwrap();
    let claims = serde_json::json!({"exp": NOW + 60, "fanfare": {"subscribe": ["a"]}});
    bearer(&key.sign(Algorithm::EdDsa, None, claims.as_object().unwrap()).unwrap())
}

/// Answers nobody.
struct Mute;

impl Ask for Mute {
    fn ask(&self, _: AskRequest) -> Answering {
        Box::pin(async { Err(AskError::Failed("nobody is there".into())) })
    }
}

// Fails when a token whose keys are not there is refused for good.
#[test]
fn keys_that_are_not_there_are_waited_for_and_then_it_is_known_that_they_cannot_be_had() {
    scene::run(async {
        let mut gate = gate(KeySource::Url(SafeUrl::parse("https://id.example/keys").unwrap()));
        let followers = gate.take_key_followers();
        let keeper = gatekeeper(gate);
        let Soon::Later(waits) = ask(&keeper, &["a"], &of_an_unknown_key(), "") else { panic!("at once") };
        for follower in followers {
            scene::spawn(follower.run(Arc::new(Mute), || UnixSeconds(NOW)));
        }
        assert_eq!(waits.await, Err(Denied::By(Refusal::Unavailable)));
    });
}

// Fails when a client is locked out of what needs no token, and when its token is looked at.
#[test]
fn the_token_of_a_client_that_sent_many_worthless_ones_is_not_looked_at() {
    let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec())));
    let asked = |channel, headers: &HeaderMap| now(asked_by(&keeper, &[channel], headers, "", true));
    let genuine = bearer(&token(&["a"], NOW + 60));
    assert_eq!(asked("news:1", &genuine), Ok(None));
    assert_eq!(asked("a", &genuine), Err(Denied::Unchecked));
    assert_eq!(asked("a", &HeaderMap::new()), Err(Denied::By(Refusal::Missing)));
}

// Fails when the wait has no end of its own, and when any number may wait.
#[test]
fn a_bounded_number_of_tokens_waits_for_keys_for_a_bounded_time() {
    scene::run(async {
        tokio::time::pause();
        let keeper = gatekeeper(gate(KeySource::Url(SafeUrl::parse("https://id.example/keys").unwrap())));
        let unknown = of_an_unknown_key();
        let mut waits = Vec::new();
        for _ in 0..KEYS_WAITING_MAX {
            let mut wait = waiting(ask(&keeper, &["a"], &unknown, ""));
            assert_eq!(polled(&mut wait).await, Poll::Pending);
            waits.push(wait);
        }
        let one_more = &mut waiting(ask(&keeper, &["a"], &unknown, ""));
        assert_eq!(polled(one_more).await, Poll::Ready(Err(Denied::By(Refusal::Unavailable))));
        let start = tokio::time::Instant::now();
        assert_eq!(waits.remove(0).await, Err(Denied::By(Refusal::Unavailable)));
        assert_eq!(start.elapsed().as_secs(), KEYS_WAIT.as_secs());
        let next = &mut waiting(ask(&keeper, &["a"], &unknown, ""));
        assert_eq!(polled(next).await, Poll::Pending, "there is a place again");
    });
}

// Seen to fail when a place is taken with the question: whoever sends requests that do not end, with keys that are nobody's, would keep the
// node from looking for one that was published.
#[test]
fn a_request_that_is_not_judged_yet_takes_no_place_of_those_who_wait_for_keys() {
    scene::run(async {
        tokio::time::pause();
        let keeper = gatekeeper(gate(KeySource::Url(SafeUrl::parse("https://id.example/keys").unwrap())));
        let unknown = of_an_unknown_key();
        let unjudged: Vec<_> = (0..KEYS_WAITING_MAX).map(|_| ask(&keeper, &["a"], &unknown, "")).collect();
        let judged = &mut waiting(ask(&keeper, &["a"], &unknown, ""));
        assert_eq!(polled(judged).await, Poll::Pending, "it waits for keys");
        drop(unjudged);
    });
}

type Wait = Pin<Box<dyn Future<Output = Authorized>>>;

fn waiting(authorized: Soon<Authorized>) -> Wait {
    let Soon::Later(wait) = authorized else { panic!("at once") };
    wait
}

async fn polled(wait: &mut Wait) -> Poll<Authorized> {
    std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await
}

// Fails when it is refused at once, and when a stream waits, which may begin and gets nothing until then.
#[test]
fn what_is_done_at_once_is_judged_when_it_is_known_again_what_is_revoked() {
    scene::run(async {
        tokio::time::pause();
        let store = fanfare_log::memory::MemoryStore::default();
        let known = scene::knowing(&store).await;
        let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec()))).with_revocations(Arc::clone(&known));
        let (headers, channels) = (bearer(&token(&["a"], NOW + 60)), [ChannelName::parse("a").unwrap()]);
        let ask = |right| keeper.authorize(&question(right, &channels, &headers));
        assert!(now(ask(Right::History)).is_ok());
        store.set_unproven(true);
        scene::until(|| known.unknown().is_some()).await;
        assert!(now(ask(Right::Subscribe)).is_ok());
        let Soon::Later(waits) = ask(Right::History) else { panic!("at once") };
        assert_eq!(waits.await, Err(Denied::RevocationsUnknown));
        let Soon::Later(waits) = ask(Right::History) else { panic!("at once") };
        store.set_unproven(false);
        assert!(waits.await.is_ok());
    });
}

// Fails without the leeway, which the gate allowed when the grant was given.
#[test]
fn a_grant_is_over_for_what_is_done_at_once_when_the_leeway_is() {
    let keeper = gatekeeper(gate(KeySource::Secret(SECRET.to_vec())));
    let ends = |end| Grant { expires_at: Some(UnixSeconds(end)), ..Grant::default() };
    let still = |grant: &Grant| keeper.still(grant, Right::Publish, &[]);
    assert_eq!((still(&Grant::default()), still(&ends(NOW - 4))), (Ok(()), Ok(())));
    assert_eq!(still(&ends(NOW - 5)), Err(Denied::By(Refusal::Expired)));
}

/// An application that says yes to whoever sends something, and remembers what it was asked.
#[derive(Default)]
struct Application(std::sync::Mutex<Vec<AskRequest>>);

impl Ask for Application {
    fn ask(&self, request: AskRequest) -> Answering {
        let knows = request.headers.contains_key(header::COOKIE) || request.headers.contains_key(header::AUTHORIZATION);
        self.0.lock().unwrap().push(request);
        let status = if knows { http::StatusCode::NO_CONTENT } else { http::StatusCode::UNAUTHORIZED };
        Box::pin(async move { Ok(AskAnswer { status, headers: HeaderMap::new(), body: bytes::Bytes::new() }) })
    }
}

/// How an application is asked, if a test does not say otherwise.
fn options() -> ForwardOptions {
    ForwardOptions {
        url: SafeUrl::parse("https://app.example/").unwrap(),
        headers: vec![header::COOKIE],
        timeout: Duration::from_secs(3),
        concurrency: 1,
        keep: Duration::ZERO,
        denied_grace: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(60),
        channels: 64,
        public: [].into(),
    }
}

fn with_application(gate: Gate) -> (Gatekeeper, Arc<Application>) {
    let application = Arc::new(Application::default());
    let options = ForwardOptions {
        headers: vec![header::AUTHORIZATION, header::COOKIE],
        concurrency: 8,
        keep: Duration::from_secs(2),
        public: [Pattern::parse("news:*").unwrap()].into(),
        ..options()
    };
    let forward = Arc::new(Forward::new(options, application.clone()));
    (gatekeeper(gate).with_forward(Some(forward)), application)
}

async fn later(soon: Soon<Authorized>) -> Authorized {
    match soon {
        Soon::Now(authorized) => authorized,
        Soon::Later(authorized) => authorized.await,
    }
}

fn cookie(value: &'static str) -> (http::HeaderName, HeaderValue) {
    (header::COOKIE, HeaderValue::from_static(value))
}

/// An application that says yes. While it is asked for the first time, all grants come into doubt.
struct Doubted(Arc<KnownRevocations>, AtomicU64);

impl Ask for Doubted {
    fn ask(&self, _: AskRequest) -> Answering {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.tell_reset();
        }
        let status = http::StatusCode::NO_CONTENT;
        Box::pin(async move { Ok(AskAnswer { status, headers: HeaderMap::new(), body: bytes::Bytes::new() }) })
    }
}

// Fails when the answer counts, which may be of before something was revoked that is lost.
#[test]
fn an_answer_to_a_question_of_before_all_grants_came_into_doubt_does_not_count() {
    scene::run(async {
        let known = scene::knowing(&fanfare_log::memory::MemoryStore::default()).await;
        let forward = Arc::new(Forward::new(options(), Arc::new(Doubted(Arc::clone(&known), AtomicU64::new(0)))));
        let keeper = gatekeeper(Gate::new(GateOptions::default()).unwrap()).with_forward(Some(forward));
        let keeper = keeper.with_revocations(known);
        let (headers, channels) = (HeaderMap::from_iter([cookie("sid=7")]), [ChannelName::parse("a").unwrap()]);
        let ask = || later(keeper.authorize(&question(Right::Subscribe, &channels, &headers)));
        assert_eq!(ask().await, Err(Denied::Undecided));
        assert!(ask().await.is_ok(), "asked anew");
    });
}

// Fails when a token that is refused gets a second chance, and when the application is asked about what a token gives.
#[test]
fn the_application_is_asked_about_requests_without_a_token_only() {
    scene::run(async {
        let (keeper, application) = with_application(gate(KeySource::Secret(SECRET.to_vec())));
        let asked = || application.0.lock().unwrap().len();
        let mut headers = bearer("nonsense");
        headers.extend([cookie("sid=1")]);
        assert!(matches!(later(ask(&keeper, &["a"], &headers, "")).await, Err(Denied::By(Refusal::Invalid(_)))));
        assert_eq!(later(ask(&keeper, &["news:1"], &HeaderMap::new(), "")).await, Ok(None));
        assert!(later(ask(&keeper, &["a"], &bearer(&token(&["a"], NOW + 60)), "")).await.is_ok());
        assert_eq!(asked(), 0);
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        let grant = later(ask(&keeper, &["a"], &session, "x=1")).await.unwrap().unwrap();
        assert_eq!((grant.expires_at, asked()), (Some(UnixSeconds(NOW + 60)), 1));
        assert!(now(ask(&keeper, &["a"], &session, "x=1")).is_ok(), "it is kept, and known at once");
        assert_eq!(asked(), 1);
    });
}

// Fails when those who are signed out have the application asked, or pay for it: their neighbours would with them.
#[test]
fn a_request_that_brings_nothing_for_the_application_is_answered_without_it() {
    scene::run(async {
        for gate in [gate(KeySource::Secret(SECRET.to_vec())), Gate::new(GateOptions::default()).unwrap()] {
            let (keeper, application) = with_application(gate);
            let other = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"))]);
            for headers in [HeaderMap::new(), other] {
                assert_eq!(now(ask(&keeper, &["a"], &headers, "")), Err(Denied::Unauthenticated));
            }
            assert!(application.0.lock().unwrap().is_empty());
        }
    });
}

// Fails when the worthless tokens of an address lock those out whom the application knows.
#[test]
fn a_session_counts_at_an_address_from_which_many_worthless_tokens_came() {
    scene::run(async {
        let (keeper, application) = with_application(gate(KeySource::Secret(SECRET.to_vec())));
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        assert!(later(asked_by(&keeper, &["a"], &session, "", true)).await.is_ok());
        assert!(now(asked_by(&keeper, &["a"], &session, "", true)).is_ok(), "it is kept, and known at once");
        assert_eq!(application.0.lock().unwrap().len(), 1);
    });
}

// Fails when the application has to know which channels are public.
#[test]
fn the_application_is_not_asked_about_channels_that_are_public() {
    scene::run(async {
        let (keeper, application) = with_application(gate(KeySource::Secret(SECRET.to_vec())));
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        assert!(later(ask(&keeper, &["news:1", "user:7"], &session, "")).await.is_ok());
        let asked = application.0.lock().unwrap().pop().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(body["channels"], serde_json::json!(["user:7"]));
    });
}

// Fails when what looks like a token is judged although nobody's tokens are believed.
#[test]
fn without_issuers_the_application_judges_whatever_comes_and_no_token_of_the_query_is_sent() {
    scene::run(async {
        let public = Gate::new(GateOptions::default()).unwrap();
        let (keeper, application) = with_application(public);
        assert!(
            later(ask(&keeper, &["a"], &bearer("opaque"), "channel=a&token=secret&ticket=secret&x=%zz")).await.is_ok()
        );
        let body = application.0.lock().unwrap()[0].body.clone();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains(r#""uri":"/events?channel=a&x=%zz""#) && !body.contains("secret"), "{body}");
    });
}

// Fails when a user's session makes tickets, which say whose they are.
#[test]
fn tickets_are_made_with_a_token_only_and_their_channels_are_asked_of_its_grant_later() {
    scene::run(async {
        let key = || KeySource::Secret(SECRET.to_vec());
        let (keeper, application) = with_application(gate(key()));
        let make = |keeper: &Gatekeeper, headers: &HeaderMap| {
            now(keeper.authorize(&Question { path: "/tickets", ..question(Right::Tickets, &[], headers) }))
        };
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        assert_eq!(make(&keeper, &session), Err(Denied::By(Refusal::Missing)));
        let claims = serde_json::json!({"exp": NOW + 60, "fanfare": {"tickets": ["room:*"]}});
        let signer = SigningKey::secret(SECRET).unwrap();
        let token = signer.sign(Algorithm::Hs256, None, claims.as_object().unwrap()).unwrap();
        let grant = make(&keeper, &bearer(&token)).unwrap().unwrap();
        // Makers are servers: what a browser adds by itself, or a log shows, does not count.
        let in_cookie =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&format!("session={token}")).unwrap())]);
        assert_eq!(make(&keeper, &in_cookie), Err(Denied::By(Refusal::Missing)));
        assert_eq!(make(&keeper, &bearer(&self::token(&["room:*"], NOW + 60))), Err(Denied::NoTickets));
        let room = ChannelName::parse("room:1").unwrap();
        assert!(grant.rights.allow(Right::Tickets, &room) && !grant.rights.allow(Right::Subscribe, &room));
        let (keeper, other) = with_application(Gate::new(GateOptions::default()).unwrap());
        assert_eq!(make(&keeper, &session), Err(Denied::By(Refusal::Missing)));
        assert!(application.0.lock().unwrap().is_empty() && other.0.lock().unwrap().is_empty());
    });
}

// Fails when a page of another site may use what a browser adds.
#[test]
fn of_a_page_of_another_site_only_what_it_must_know_is_sent_along() {
    scene::run(async {
        let (keeper, application) = with_application(Gate::new(GateOptions::default()).unwrap());
        let foreign = (header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        let basic = (header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        for ambient in [cookie("sid=1"), basic] {
            let headers = HeaderMap::from_iter([ambient, foreign.clone()]);
            assert_eq!(now(ask(&keeper, &["a"], &headers, "")), Err(Denied::CrossSite));
        }
        assert!(application.0.lock().unwrap().is_empty());
        let mut both = bearer("known to the page");
        both.extend([cookie("sid=1"), foreign.clone()]);
        assert!(later(ask(&keeper, &["a"], &both, "")).await.is_ok());
        let nothing = HeaderMap::from_iter([foreign]);
        assert_eq!(now(ask(&keeper, &["a"], &nothing, "")), Err(Denied::Unauthenticated));
        let asked = application.0.lock().unwrap();
        assert!(asked.iter().all(|request| !request.headers.contains_key(header::COOKIE)));
    });
}

// Seen to fail when the certificate of a user's browser keeps the application from being asked about the user's session.
#[test]
fn a_certificate_counts_where_nothing_is_brought_that_the_application_is_asked_about() {
    scene::run(async {
        let templates = Templates { subscribe: vec![Template::parse("user:{sub}").unwrap()], ..Templates::default() };
        let rule = CertificateOptions { templates, max_lifetime: Duration::from_secs(3_600) };
        let client_certificates = Some(rule);
        let gate = Gate::new(GateOptions { client_certificates, ..GateOptions::default() }).unwrap();
        let (keeper, application) = with_application(gate);
        let (begins_at, end) = (UnixSeconds(NOW - 60), UnixSeconds(NOW + 60));
        let seven = CertifiedClient {
            subject: Some("7".into()),
            begins_at,
            ends_at: end,
            proven_at: begins_at,
            proven_until: end,
        };
        let ask = |channel: &str, headers: &HeaderMap| {
            let channels = [ChannelName::parse(channel).unwrap()];
            let asked = question(Right::Subscribe, &channels, headers);
            keeper.authorize(&Question { path: "/events", certified: Some(&seven), is_doubtful: true, ..asked })
        };
        let nothing = HeaderMap::new();
        let grant = now(ask("user:7", &nothing)).unwrap().unwrap();
        assert_eq!((grant.subject.as_deref(), grant.expires_at), (Some("7"), Some(end)));
        assert!(matches!(now(ask("user:8", &nothing)), Err(Denied::By(Refusal::Forbidden { .. }))));
        let foreign = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("https://evil.example"))]);
        assert_eq!(now(ask("user:7", &foreign)), Err(Denied::CrossSite));
        assert!(application.0.lock().unwrap().is_empty());
        let grant = later(ask("user:8", &HeaderMap::from_iter([cookie("sid=1")]))).await.unwrap().unwrap();
        assert_ne!(grant.issuer.as_deref(), Some(fanfare_auth::CERTIFICATE_ISSUER));
        assert_eq!(application.0.lock().unwrap().len(), 1);
    });
}

// Fails when an application that is not there lets a request in, or ends a stream for good.
#[test]
fn an_application_that_is_not_there_lets_nobody_in_and_sends_nobody_away_for_good() {
    scene::run(async {
        let options = options();
        let forward = Arc::new(Forward::new(options, Arc::new(Mute)));
        let keeper = gatekeeper(Gate::new(GateOptions::default()).unwrap()).with_forward(Some(forward));
        let denied = later(ask(&keeper, &["a"], &HeaderMap::from_iter([cookie("sid=1")]), "")).await.unwrap_err();
        assert_eq!(denied, Denied::Unasked);
        assert!(denied.is_transient());
    });
}

// Fails when an application that has lost its sessions for a moment ends streams for good, and when a page of history waits for it.
#[test]
fn a_young_denial_is_one_of_streams_only_and_is_final_after_the_grace() {
    scene::run(async {
        let time = Arc::new(std::sync::atomic::AtomicU64::new(NOW));
        let clock = Arc::clone(&time);
        let options = ForwardOptions { denied_grace: Duration::from_secs(60), ..options() };
        let forward = Arc::new(Forward::new(options, Arc::new(Denying)));
        let clock = Clock::from_fn(move || clock.load(std::sync::atomic::Ordering::Relaxed) * 1_000);
        let gate = Arc::new(Gate::new(GateOptions::default()).unwrap());
        let keeper = Gatekeeper::new(gate, None, Cors::SameOrigin, clock, Duration::ZERO).with_forward(Some(forward));
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        let young = Denied::Young(Box::new(Denied::Unauthenticated));
        assert_eq!(later(ask(&keeper, &["a"], &session, "")).await, Err(young));
        let channels = [ChannelName::parse("a").unwrap()];
        let history = Question { path: "/channels/a/history", ..question(Right::History, &channels, &session) };
        assert_eq!(later(keeper.authorize(&history)).await, Err(Denied::Unauthenticated));
        time.store(NOW + 60, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(later(ask(&keeper, &["a"], &session, "")).await, Err(Denied::Unauthenticated));
    });
}

/// Names these channels.
struct Naming(&'static str);

impl Ask for Naming {
    fn ask(&self, _: AskRequest) -> Answering {
        let body = bytes::Bytes::from(format!(r#"{{"channels":{}}}"#, self.0));
        let status = http::StatusCode::OK;
        Box::pin(async move { Ok(AskAnswer { status, headers: HeaderMap::new(), body }) })
    }
}

fn naming(gate: Gate, channels: &'static str) -> Gatekeeper {
    let options = options();
    gatekeeper(gate).with_forward(Some(Arc::new(Forward::new(options, Arc::new(Naming(channels))))))
}

// Fails when a token names channels, or a request without any is allowed by an application that names none.
#[test]
fn only_the_application_names_the_channels_of_a_request_that_names_none() {
    scene::run(async {
        let session = HeaderMap::from_iter([cookie("sid=1")]);
        for gate in [gate(KeySource::Secret(SECRET.to_vec())), Gate::new(GateOptions::default()).unwrap()] {
            let keeper = naming(gate, r#"["a","b"]"#);
            assert!(keeper.names_channels());
            let grant = later(ask(&keeper, &[], &session, "")).await.unwrap().unwrap();
            assert_eq!(grant.named_channels().len(), 2);
        }
        let keeper = naming(gate(KeySource::Secret(SECRET.to_vec())), r#"["a"]"#);
        let token = bearer(&token(&["*"], NOW + 60));
        assert_eq!(later(ask(&keeper, &[], &token, "")).await, Err(Denied::Unnamed));
        let none = naming(Gate::new(GateOptions::default()).unwrap(), "[]");
        assert_eq!(later(ask(&none, &[], &session, "")).await, Err(Denied::NotAllowed(None)));
        assert!(!gatekeeper(gate(KeySource::Secret(SECRET.to_vec()))).names_channels());
    });
}

/// Knows no session any more.
struct Denying;

impl Ask for Denying {
    fn ask(&self, _: AskRequest) -> Answering {
        let status = http::StatusCode::UNAUTHORIZED;
        Box::pin(async move { Ok(AskAnswer { status, headers: HeaderMap::new(), body: bytes::Bytes::new() }) })
    }
}

// Fails when a user who has joined one room too many loses the stream for good, at once.
#[test]
fn too_many_channels_that_the_application_names_are_a_denial_that_may_pass() {
    scene::run(async {
        for (denied_grace, keep) in [(60, 0), (60, 10), (0, 0)] {
            let (denied_grace, keep) = (Duration::from_secs(denied_grace), Duration::from_secs(keep));
            let options = ForwardOptions { channels: 2, denied_grace, keep, ..options() };
            let forward = Arc::new(Forward::new(options, Arc::new(Naming(r#"["a","b","c"]"#))));
            let keeper = gatekeeper(Gate::new(GateOptions::default()).unwrap()).with_forward(Some(forward));
            let too_many = Denied::TooManyNamed(2);
            let expected = if denied_grace.is_zero() { too_many } else { Denied::Young(Box::new(too_many)) };
            for _ in 0..2 {
                let session = HeaderMap::from_iter([cookie("sid=1")]);
                assert_eq!(later(ask(&keeper, &[], &session, "")).await, Err(expected.clone()));
            }
        }
    });
}
