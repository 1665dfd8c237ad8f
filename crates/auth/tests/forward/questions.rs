//! What the application is sent.

use fanfare_auth::{Forward, ForwardOptions, is_forwardable};
use http::{HeaderName, Method};

use super::support::{NOW, Publisher};
use super::{answer, headers, options, request};

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

#[test]
fn nothing_that_is_secret_is_printed() {
    let forward = Forward::new(options(), Publisher::new([]));
    assert!(!format!("{forward:?}").contains("hunter2"));
}
