use super::*;

fn location(redirect: &str, target: &str, host: Option<&str>) -> Option<String> {
    let uri: Uri = target.parse().unwrap();
    let mut headers = HeaderMap::new();
    if let Some(host) = host {
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    }
    let answer = redirect.parse::<Redirect>().unwrap().answer(&uri, &headers).ok()?;
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    let head = String::from_utf8(answer.to_http1(crate::framing::Framing::Plain)).unwrap();
    head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned)
}

#[test]
fn path_and_query_stay_and_the_origin_changes() {
    let target = "/events?channel=a%20b&channel=c";
    for (redirect, host, expected) in [
        ("https://{host}", "a.example", "https://a.example"),
        ("https://{host}", "a.example:8080", "https://a.example"),
        ("https://{host}", "192.0.2.1:80", "https://192.0.2.1"),
        ("https://{host}", "[2001:db8::1]:80", "https://[2001:db8::1]"),
        ("https://{host}:8443", "a.example:8080", "https://a.example:8443"),
        ("https://events.example.com", "evil.example", "https://events.example.com"),
        ("https://events.example.com:8443", "evil.example", "https://events.example.com:8443"),
    ] {
        let found = location(redirect, target, Some(host));
        assert_eq!(found, Some(format!("{expected}{target}")), "{redirect} {host}");
    }
    assert_eq!(location("https://{host}", "http://b.example:80/x", Some("a.example")).unwrap(), "https://b.example/x");
    assert_eq!(location("https://{host}", "*", Some("a.example")).unwrap(), "https://a.example/");
    assert_eq!(location("https://fixed.example", "/x", None).unwrap(), "https://fixed.example/x");
}

#[test]
fn a_host_that_is_none_is_not_gone_to() {
    for host in [
        None,
        Some(""),
        Some(":80"),
        Some("a.example:"),
        Some("a.example:99999"),
        Some("a.example:x"),
        Some("a!b"),
        Some("%65vil"),
        Some("[::1"),
        Some("[evil]"),
        Some("[::1]x"),
        Some(&*"x".repeat(256)),
    ] {
        assert_eq!(location("https://{host}", "/", host), None, "{host:?}");
    }
}

#[test]
fn what_is_configured_is_an_https_origin() {
    for good in ["https://{host}", "https://{host}:8443", "https://a.example", "https://a.example:1", "https://[::1]:2"]
    {
        assert_eq!(good.parse::<Redirect>().unwrap().to_string(), good);
    }
    for wrong in [
        "",
        "https://",
        "http://a.example",
        "a.example",
        "https://a.example/",
        "https://a.example/x",
        "https://{host}x",
        "https://{host}/",
        "https://{host}:x",
        "https://{name}",
        "https://a b",
        "https://user@a.example",
    ] {
        assert!(wrong.parse::<Redirect>().is_err(), "{wrong}");
    }
}
