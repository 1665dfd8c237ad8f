use http::HeaderValue;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn request(query: &str, given: &[(&'static str, &'static str)], body: &'static str) -> Result<PublishRequest, Problem> {
    let mut request = Request::new(());
    *request.uri_mut() = format!("/channels/c/events?{query}").parse().unwrap();
    *request.headers_mut() = headers(given);
    let what = What::parse(&request.into_parts().0)?;
    what.into_request(ChannelName::parse("c").unwrap(), Bytes::from_static(body.as_bytes()), 16)
}

fn event(request: &PublishRequest) -> (Option<&str>, &[u8], Option<&str>) {
    let event = &request.event;
    (event.name.as_ref().map(AsRef::as_ref), &event.data, request.dedup.as_deref())
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn a_raw_body_is_the_data_and_the_query_wins_over_the_headers() {
    let published = request("event=a", &[("fanfare-event", "b"), ("idempotency-key", "k")], "{\"x\":1}").unwrap();
    assert_eq!(event(&published), (Some("a"), &b"{\"x\":1}"[..], Some("k")));
}

#[test]
fn a_json_body_names_everything_itself() {
    let published = request("", &[JSON], r#"{"event":"e","data":"a\nb","dedup":"k"}"#).unwrap();
    assert_eq!(event(&published), (Some("e"), &b"a\nb"[..], Some("k")));
}

#[test]
fn a_json_body_says_how_long_the_stream_lives() {
    let ttl = |body| request("", &[JSON], body).map(|request| request.ttl);
    assert_eq!(ttl(r#"{"data":"x"}"#), Ok(None));
    assert_eq!(ttl(r#"{"data":"x","ttl":90}"#), Ok(Some(Duration::from_secs(90).into())));
    let ends = Ttl { lasts: Duration::from_secs(90), ends_permanence: true };
    assert_eq!(ttl(r#"{"data":"x","ttl":90,"expires":true}"#), Ok(Some(ends)));
    for wrong in [r#"{"data":"x","ttl":0}"#, r#"{"data":"x","ttl":1000000001}"#, r#"{"data":"x","expires":true}"#] {
        assert_eq!(ttl(wrong).unwrap_err().kind, Kind::PublishRejected, "{wrong}");
    }
}

// Seen to fail when every failure of the store says that nobody knows.
#[test]
fn a_publisher_hears_the_stores_own_word_and_whether_anything_was_published() {
    let oom = problem(PublishError::Refused("OOM command not allowed".into()));
    assert_eq!(oom.kind, Kind::StoreRefusesForNow);
    assert_eq!(oom.detail, "Nothing was published. The store says: OOM command not allowed");
    assert!(oom.retry_after.is_some());
    let denied = problem(PublishError::Denied("NOPERM this user".into()));
    assert_eq!((denied.kind, denied.retry_after), (Kind::StoreRefuses, None));
    let unreachable = problem(PublishError::Unreachable("not connected to Redis".into()));
    assert_eq!(unreachable.detail, "Nothing was published: not connected to Redis.");
    assert!(problem(PublishError::Unavailable("cut".into())).detail.contains("may or may not"));
}

#[test]
fn data_that_is_no_text_is_published_as_it_is_written() {
    let published = request("", &[JSON], r#"{"data":{"b":1, "a":2}}"#).unwrap();
    assert_eq!(event(&published), (None, &br#"{"b":1, "a":2}"#[..], None));
}

#[test]
fn what_cannot_be_an_event_is_rejected_with_the_reason() {
    let rejected = |outcome: Result<PublishRequest, Problem>| {
        let problem = outcome.unwrap_err();
        assert_eq!(problem.kind, Kind::PublishRejected);
        problem.detail.into_owned()
    };
    assert!(rejected(request("", &[JSON], "{}")).contains("data"));
    assert!(rejected(request("", &[JSON], r#"{"data":"x","evnt":"y"}"#)).contains("evnt"));
    assert!(rejected(request("event=$gap", &[], "x")).contains("$gap"));
    assert!(rejected(request("event=a%0Ab", &[], "x")).contains("control"));
    let long = format!("dedup={}", "k".repeat(DEDUP_KEY_BYTES_MAX + 1));
    assert!(rejected(request(&long, &[], "x")).contains("255"));
}

// Seen to be taken for event, data and deduplication key, in this order.
#[test]
fn only_an_object_is_an_event() {
    for body in [r#"["e","d","k"]"#, r#" [null,"d",null]"#, "\"text\"", "1", "null", "", " "] {
        let problem = request("", &[JSON], body).unwrap_err();
        assert_eq!(problem.kind, Kind::PublishRejected, "{body}");
        assert!(problem.detail.contains("not an object"), "{}", problem.detail);
    }
    let spaced = request("", &[JSON], "\r\n\t {\"data\":[1, 2]}").unwrap();
    assert_eq!(event(&spaced), (None, &b"[1, 2]"[..], None), "data may be an array");
}

// Seen to be stored as it came.
#[test]
fn a_body_that_would_have_to_be_decoded_is_refused() {
    for coding in ["gzip", "br", "GZIP", "identity, gzip", "gzip, identity", "deflate;q=1", "x"] {
        let problem = request("", &[("content-encoding", coding)], "x").unwrap_err();
        assert_eq!(problem.kind, Kind::UnsupportedCoding, "{coding}");
        assert_eq!(Answer::from(problem).into_reply().headers()[header::ACCEPT_ENCODING], "identity");
    }
    let two = request("", &[("content-encoding", "identity"), ("content-encoding", "gzip")], "x");
    assert_eq!(two.unwrap_err().kind, Kind::UnsupportedCoding);
    for none in ["identity", "Identity", "", "identity, identity"] {
        assert!(request("", &[("content-encoding", none)], "x").is_ok(), "{none}");
    }
}

// Seen to make one key, and one name, of two.
#[test]
fn headers_that_are_not_utf8_are_refused_and_not_read_with_replacements() {
    for name in ["idempotency-key", "fanfare-event"] {
        for bytes in [&b"a\xff"[..], b"a\xfe", b"\xc3"] {
            let mut request = Request::new(());
            request.headers_mut().insert(name, HeaderValue::from_bytes(bytes).unwrap());
            let problem = What::parse(&request.into_parts().0).unwrap_err();
            assert_eq!(problem.kind, Kind::InvalidRequest);
            assert!(problem.detail.to_ascii_lowercase().contains(name), "{}", problem.detail);
        }
        let mut request = Request::new(());
        request.headers_mut().insert(name, HeaderValue::from_bytes("schlüssel".as_bytes()).unwrap());
        let what = What::parse(&request.into_parts().0).unwrap();
        assert_eq!(what.dedup.or(what.event).as_deref(), Some("schlüssel"));
    }
    let mut request = Request::new(());
    let json = HeaderValue::from_bytes(b"application/json; x=\"\xe9\"").unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    assert!(What::parse(&request.into_parts().0).unwrap().json, "the rest of the type says nothing here");
}

#[test]
fn an_empty_name_or_key_is_none_wherever_it_stands() {
    for query in ["dedup=&event=", ""] {
        let given = [JSON, ("idempotency-key", ""), ("fanfare-event", "")];
        let published = request(query, &given, r#"{"data":"x","dedup":"","event":""}"#).unwrap();
        assert_eq!(event(&published), (None, &b"x"[..], None));
    }
}

#[test]
fn data_over_the_limit_is_too_large_in_both_forms() {
    assert_eq!(request("", &[], "12345678901234567").unwrap_err().kind, Kind::EventTooLarge);
    assert_eq!(request("", &[JSON], r#"{"data":"12345678901234567"}"#).unwrap_err().kind, Kind::EventTooLarge);
    assert!(request("", &[], "1234567890123456").is_ok());
}

#[test]
fn without_a_key_the_endpoint_is_off_and_with_one_it_must_be_given() {
    let key = Secret::new("s3cret");
    let kind = |key: Option<&Secret>, given: &[(&'static str, &'static str)]| {
        authorize(key, false, &headers(given)).err().map(|problem| problem.kind)
    };
    assert_eq!(kind(None, &[("authorization", "Bearer s3cret")]), Some(Kind::PublishingOff));
    assert_eq!(kind(key.as_ref(), &[]), Some(Kind::Unauthorized));
    for wrong in ["Bearer s3cre", "Bearer s3crett", "Bearer ", "Basic s3cret", "s3cret", "Bearer"] {
        assert_eq!(kind(key.as_ref(), &[("authorization", wrong)]), Some(Kind::Unauthorized), "{wrong}");
    }
    assert_eq!(kind(key.as_ref(), &[("authorization", "Bearer s3cret")]), None);
    assert_eq!(kind(key.as_ref(), &[("authorization", "bearer s3cret")]), None);
}
