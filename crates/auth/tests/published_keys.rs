//! Keys that an issuer publishes: rotation, failures, floods.
#![allow(clippy::unwrap_used)]

mod support;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use fanfare_auth::{
    Algorithm, AskAnswer, AskError, Check, Gate, GateOptions, IssuerOptions, KeyFollower, KeySource, KeysWanted,
    Refusal, SafeUrl, SigningKey, UnixSeconds,
};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use support::{NOW, Publisher, answer, claims, credential, key_file, options};

/// The key set of the P-256 and Ed25519 keys of the tests, with the names `a` and `b`.
fn key_set(names: &[&str]) -> String {
    let der = |file: &str| {
        let text = key_file(file);
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        STANDARD.decode(body).unwrap()
    };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (curve, edwards) = (der("p256.public.pem"), der("ed25519.public.pem"));
    let (x, y) = curve[curve.len() - 64..].split_at(32);
    let all = [
        json!({ "kid": "a", "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "use": "sig" }),
        json!({ "kid": "b", "kty": "OKP", "crv": "Ed25519", "x": encode(&edwards[edwards.len() - 32..]) }),
    ];
    let keys: Vec<_> = all.into_iter().filter(|key| names.contains(&key["kid"].as_str().unwrap())).collect();
    json!({ "keys": keys }).to_string()
}

fn token(name: &str) -> String {
    token_with(name, json!({}))
}

fn token_with(name: &str, more: serde_json::Value) -> String {
    let (file, algorithm) = match name {
        "a" => ("p256.private.pem", Algorithm::Es256),
        _ => ("ed25519.private.pem", Algorithm::EdDsa),
    };
    SigningKey::pem(&key_file(file)).unwrap().sign(algorithm, Some(name), &claims(more)).unwrap()
}

fn gate() -> (Gate, KeyFollower) {
    let url = SafeUrl::parse("https://id.example/keys").unwrap();
    let mut gate = Gate::new(options(vec![KeySource::Url(url)])).unwrap();
    let follower = gate.take_key_followers().pop().unwrap();
    (gate, follower)
}

/// A gate whose keys are followed while the test runs.
async fn followed(publisher: &Arc<Publisher>, test: impl AsyncFnOnce(&Gate)) {
    let (gate, follower) = gate();
    let followed = follower.run(publisher.clone(), || NOW);
    tokio::select! {
        biased;
        () = followed => unreachable!("it follows for ever"),
        () = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            test(&gate).await;
        } => {}
    }
}

fn check(gate: &Gate, name: &str) -> Result<(), Refusal> {
    match gate.check(&credential(&token(name)), NOW) {
        Check::Granted(_) => Ok(()),
        Check::Refused(refusal) => Err(refusal),
        Check::KeysWanted(_) => panic!("keys are wanted"),
    }
}

fn wanted(gate: &Gate, name: &str) -> KeysWanted {
    match gate.check(&credential(&token(name)), NOW) {
        Check::KeysWanted(wanted) => wanted,
        other => panic!("{other:?}"),
    }
}

/// As the server asks: once more after a look.
async fn check_with_a_look(gate: &Gate, name: &str) -> Result<(), Refusal> {
    let wanted = wanted(gate, name);
    gate.look_for_keys(&wanted).await;
    gate.check_again(&credential(&token(name)), NOW, &wanted).map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_at_once_and_asked_for_as_json() {
    let publisher = Publisher::new([answer(&key_set(&["a"]))]);
    followed(&publisher, async |gate| {
        assert_eq!(check(gate, "a"), Ok(()));
        let status = gate.key_status().remove(0);
        assert_eq!((status.keys, status.looks, status.failures, status.read_at), (1, 1, 0, Some(NOW)));
    })
    .await;
    let request = publisher.requests().remove(0);
    assert_eq!(request.uri, "https://id.example/keys");
    assert!(request.max_bytes <= 256 * 1024 && request.timeout <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_token_waits_for_the_first_look() {
    let (gate, follower) = gate();
    let wanted = wanted(&gate, "a");
    let look = gate.look_for_keys(&wanted);
    let publisher = Publisher::new([answer(&key_set(&["a"]))]);
    tokio::select! {
        () = follower.run(publisher, || NOW) => unreachable!(),
        () = look => {}
    }
    assert!(gate.check_again(&credential(&token("a")), NOW, &wanted).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_new_is_looked_for_once() {
    let publisher = Publisher::new([answer(&key_set(&["a"])), answer(&key_set(&["a", "b"]))]);
    followed(&publisher, async |gate| {
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "b").await, Ok(()));
        assert_eq!(check(gate, "a"), Ok(()));
        assert_eq!(publisher.asked(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_has_is_refused_after_a_look_and_causes_no_flood() {
    let publisher = Publisher::new([answer(&key_set(&["a"]))]);
    followed(&publisher, async |gate| {
        assert_eq!(check(gate, "b"), Err(Refusal::Unavailable), "somebody looked a moment ago, it may be newer");
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "b").await, Err(Refusal::Invalid("its issuer has no key of its `kid`")));
        for _ in 0..1_000 {
            assert_eq!(check(gate, "b"), Err(Refusal::Unavailable));
        }
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert_eq!(publisher.asked(), 2);
        assert_eq!(check(gate, "a"), Ok(()));
    })
    .await;
}

// Fails when a token of a withdrawn key is refused politely in each rest: many of them would come back for ever, one refused for good
// in each look.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_older_than_a_look_past_caches_is_refused_for_good_also_while_nobody_looks() {
    let publisher = Publisher::new([answer(&key_set(&["a", "b"])), answer(&key_set(&["a"]))]);
    let signed = |seconds: Option<u64>| credential(&token_with("b", json!({ "iat": seconds.map(|ago| NOW.0 - ago) })));
    let (old, young, unknown) = (signed(Some(361)), signed(Some(360)), signed(None));
    let checked = |gate: &Gate, token| match gate.check(token, NOW) {
        Check::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let withdrawn = Refusal::Invalid("its issuer has no key of its `kid`");
    followed(&publisher, async |gate| {
        assert!(matches!(gate.check(&old, NOW), Check::Granted(_)));
        tokio::time::sleep(Duration::from_secs(601)).await;
        assert_eq!(checked(gate, &old), Refusal::Unavailable, "a cache may have answered with an older set");
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "b").await, Err(withdrawn.clone()));
        for token in [&young, &unknown] {
            assert_eq!(checked(gate, token), Refusal::Unavailable);
        }
        for _ in 0..1_000 {
            assert_eq!(checked(gate, &old), withdrawn);
        }
        assert_eq!(publisher.asked(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_again_when_their_time_is_over() {
    let mut first = answer(&key_set(&["a"])).unwrap();
    first.headers.insert("cache-control", "max-age=120".parse().unwrap());
    let publisher = Publisher::new([Ok(first), answer(&key_set(&["b"]))]);
    followed(&publisher, async |gate| {
        tokio::time::sleep(Duration::from_secs(119)).await;
        assert_eq!((publisher.asked(), check(gate, "a")), (1, Ok(())));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((publisher.asked(), check(gate, "b")), (2, Ok(())));
        assert_eq!(check(gate, "a"), Err(Refusal::Unavailable), "a key that is withdrawn is none");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_leaves_the_last_good_keys() {
    let status =
        |status: StatusCode| Ok(AskAnswer { status, headers: HeaderMap::new(), body: Bytes::from(key_set(&["b"])) });
    let bad = [
        (Err(AskError::TimedOut(Duration::from_secs(5))), "no answer within 5s"),
        (Err(AskError::TooLarge(262_144)), "an answer of more than 262144 bytes"),
        (status(StatusCode::FOUND), "the answer is 302 Found"),
        (status(StatusCode::INTERNAL_SERVER_ERROR), "the answer is 500 Internal Server Error"),
        (answer("<html>"), "the answer: it is no JSON object with an array `keys`"),
        (answer(&" ".repeat(300_000)), "the answer: it has 300000 bytes; expected at most 262144"),
    ];
    for (bad, error) in bad {
        let publisher = Publisher::new([answer(&key_set(&["a"])), bad]);
        followed(&publisher, async |gate| {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            assert_eq!(check(gate, "a"), Ok(()), "{error}");
            assert_eq!(check(gate, "b"), Err(Refusal::Unavailable), "{error}");
            let status = gate.key_status().remove(0);
            assert_eq!(status.last_error.as_deref(), Some(error));
            assert!(status.failures > 10 && status.looks == status.failures + 1, "{status:?}");
            assert!(publisher.asked() < 70, "{} questions in an hour", publisher.asked());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_never_had_are_unavailable_and_come_back() {
    let gone = || Err(AskError::Failed("connection refused".into()));
    let publisher = Publisher::new([gone(), gone(), gone(), answer(&key_set(&["a"]))]);
    followed(&publisher, async |gate| {
        assert_eq!(check(gate, "a"), Err(Refusal::Unavailable));
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(check(gate, "a"), Ok(()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_never_answers_is_given_up() {
    #[derive(Debug)]
    struct Silent;
    impl fanfare_auth::Ask for Silent {
        fn ask(&self, _: fanfare_auth::AskRequest) -> fanfare_auth::Answering {
            Box::pin(std::future::pending())
        }
    }
    let (gate, follower) = gate();
    let mut followed = pin!(follower.run(Arc::new(Silent), || UnixSeconds(1)));
    let _ = tokio::time::timeout(Duration::from_secs(60), &mut followed).await;
    let status = gate.key_status().remove(0);
    assert!(status.failures >= 3 && status.read_at.is_none(), "{status:?}");
    assert_eq!(status.last_error.as_deref(), Some("no answer within 5s"));
}

#[tokio::test(start_paused = true)]
async fn a_set_without_a_key_of_use_takes_the_keys_away() {
    for withdrawn in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"new"}]}"#] {
        let publisher = Publisher::new([answer(&key_set(&["a"])), answer(withdrawn)]);
        followed(&publisher, async |gate| {
            assert_eq!(check(gate, "a"), Ok(()));
            tokio::time::sleep(Duration::from_secs(601)).await;
            assert_eq!(check(gate, "a"), Err(Refusal::Unavailable), "an issuer that withdraws its keys means it");
            let status = gate.key_status().remove(0);
            assert_eq!((status.keys, status.failures), (0, 0));
            assert!(status.last_error.unwrap().contains("no key for signatures"));
            tokio::time::sleep(Duration::from_secs(31)).await;
            assert_eq!(check_with_a_look(gate, "a").await, Err(Refusal::Unavailable));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_key_that_is_published_is_passed_over_and_the_status_says_so() {
    let mut set: serde_json::Value = serde_json::from_str(&key_set(&["a", "b"])).unwrap();
    set["keys"][0]["d"] = json!("AA");
    let publisher = Publisher::new([answer(&set.to_string())]);
    followed(&publisher, async |gate| {
        assert_eq!(check(gate, "b"), Ok(()));
        assert!(gate.key_status().remove(0).last_error.unwrap().contains("private"));
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "a").await, Err(Refusal::Invalid("its issuer has no key of its `kid`")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_look_for_a_new_key_passes_caches_by() {
    let publisher = Publisher::new([answer(&key_set(&["a"])), answer(&key_set(&["a", "b"]))]);
    followed(&publisher, async |gate| {
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "b").await, Ok(()));
        tokio::time::sleep(Duration::from_secs(601)).await;
    })
    .await;
    let fresh: Vec<_> = publisher.requests().iter().map(|asked| asked.headers.get("cache-control").cloned()).collect();
    assert_eq!(fresh, [None, Some("no-cache".parse().unwrap()), None]);
}

#[tokio::test(start_paused = true)]
async fn keys_without_names_are_looked_for_again_too() {
    let nameless = |name: &str| {
        let mut set: serde_json::Value = serde_json::from_str(&key_set(&[name])).unwrap();
        set["keys"][0].as_object_mut().unwrap().remove("kid");
        answer(&set.to_string())
    };
    let publisher = Publisher::new([nameless("a"), nameless("b"), nameless("b")]);
    followed(&publisher, async |gate| {
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(check_with_a_look(gate, "b").await, Ok(()));
        assert_eq!(check(gate, "a"), Err(Refusal::Unavailable));
        tokio::time::sleep(Duration::from_secs(31)).await;
        let refusal = Refusal::Invalid("its `alg` does not fit its issuer's key");
        assert_eq!(check_with_a_look(gate, "a").await, Err(refusal));
    })
    .await;
}

/// Answers after four seconds what it was told at the time of the question.
#[derive(Debug)]
struct Slow(Arc<Publisher>);

impl fanfare_auth::Ask for Slow {
    fn ask(&self, request: fanfare_auth::AskRequest) -> fanfare_auth::Answering {
        let answer = fanfare_auth::Ask::ask(&*self.0, request);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(4)).await;
            answer.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_began_before_a_token_came_does_not_prove_that_its_key_is_none() {
    let (gate, follower) = gate();
    let publisher = Publisher::new([answer(&key_set(&["a"])), answer(&key_set(&["a", "b"]))]);
    let slow = Arc::new(Slow(publisher.clone()));
    tokio::select! {
        () = follower.run(slow, || NOW) => unreachable!(),
        () = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(check_with_a_look(&gate, "b").await, Err(Refusal::Unavailable), "it may be newer than the question");
            tokio::time::sleep(Duration::from_secs(35)).await;
            assert_eq!(check(&gate, "b"), Ok(()), "it was wanted: the next look came after the rest");
        } => {}
    }
}

#[test]
fn what_is_printed_of_a_question_shows_no_secret() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", "Bearer hidden1".parse().unwrap());
    let request = fanfare_auth::AskRequest {
        method: http::Method::POST,
        uri: "https://user:hidden2@id.example/keys?code=hidden3".parse().unwrap(),
        headers: headers.clone(),
        body: Bytes::from_static(b"hidden4"),
        max_bytes: 7,
        timeout: Duration::from_secs(1),
    };
    let answer = AskAnswer { status: StatusCode::OK, headers, body: Bytes::from_static(b"hidden5") };
    let error = AskError::Failed("cannot reach https://id.example/keys?code=hidden6: refused".into());
    let printed = format!("{request:?} {answer:?} {error} {error:?}");
    assert!(!printed.contains("hidden"), "{printed}");
    for part in ["POST", "id.example/keys", "authorization", "200", "cannot reach", "refused"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_read_too_long_ago_are_believed_no_more() {
    let keys = vec![KeySource::Url(SafeUrl::parse("https://id.example/keys").unwrap())];
    let issuer = IssuerOptions { max_key_age: Duration::from_secs(7_200), ..support::issuer(keys) };
    let mut gate = Gate::new(GateOptions { issuers: vec![issuer], ..GateOptions::default() }).unwrap();
    let follower = gate.take_key_followers().pop().unwrap();
    let mut first = answer(&key_set(&["a"])).unwrap();
    first.headers.insert("cache-control", "max-age=86400".parse().unwrap());
    let gone = || Err(AskError::Failed("nobody is there".into()));
    let publisher = Publisher::new([Ok(first), gone()]);
    let begin = tokio::time::Instant::now();
    let clock = move || UnixSeconds(NOW.0 + begin.elapsed().as_secs());
    let long = SigningKey::pem(&key_file("p256.private.pem")).unwrap();
    let long = long.sign(Algorithm::Es256, Some("a"), &claims(json!({ "exp": NOW.0 + 80_000 }))).unwrap();
    let check = |now| gate.check(&credential(&long), now);
    tokio::select! {
        () = follower.run(publisher.clone(), clock) => unreachable!(),
        () = async {
            tokio::time::sleep(Duration::from_secs(3_590)).await;
            assert_eq!(publisher.asked(), 1);
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(publisher.asked() > 1, "they are read twice as often, whatever their publisher says");
            tokio::time::sleep(Duration::from_secs(3_580)).await;
            assert!(matches!(check(clock()), Check::Granted(_)));
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(matches!(check(clock()), Check::Refused(Refusal::Unavailable)), "nobody knows whether they were withdrawn");
        } => {}
    }
}
