//! What a pattern matches, and above all what it does not.

use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, origin: &str) -> bool {
    let Ok(origin) = HeaderValue::from_str(origin) else { return false };
    OriginPattern::parse(pattern).unwrap().matches(&origin)
}

#[test]
fn a_pattern_stands_for_whole_labels_below_its_domain() {
    for (pattern, origin) in [
        ("https://*.example.com", "https://a.example.com"),
        ("https://*.example.com", "https://b.a.example.com"),
        ("https://*.example.com", "https://xn--bcher-kva.example.com"),
        ("https://*.example.com", "https://my_branch-7.example.com"),
        ("https://*.example.com", "https://example.com.example.com"),
        ("https://*.a.example.com", "https://b.a.example.com"),
        ("https://*.example.com:8443", "https://a.example.com:8443"),
        ("http://*.localhost:3000", "http://tenant.localhost:3000"),
    ] {
        assert!(matches(pattern, origin), "{pattern} {origin}");
    }
}

// Seen to fail when a suffix is enough, when the scheme or the port is not compared, and when labels may be empty.
#[test]
fn a_pattern_matches_nothing_else() {
    let long = format!("https://{}.example.com", "a".repeat(64));
    let longest = format!("https://{}example.com", "a.".repeat(122));
    for origin in [
        "https://example.com",
        "https://evilexample.com",
        "https://evil-example.com",
        "https://.example.com",
        "https://a..example.com",
        "https://.a.example.com",
        "https://a.example.com.",
        "https://a.example.com.evil.org",
        "https://a.example.com:8443",
        "https://a.example.com:443",
        "https://a.example.com:",
        "http://a.example.com",
        "wss://a.example.com",
        "https://a.example.org",
        "HTTPS://a.example.com",
        "https://A.example.com",
        "https://a.Example.com",
        "https://a.example.com/",
        "https://evil.org/.example.com",
        "https://evil.org/a.example.com",
        "https://evil.org?.example.com",
        "https://evil.org#.example.com",
        "https://evil.org:80.example.com",
        "https://user@a.example.com",
        "https://user@.example.com",
        "https://evil.org\\.example.com",
        "https://evil.org .example.com",
        "https://evil.org%2f.example.com",
        "https://*.example.com",
        "https://[::1].example.com",
        "https://https://a.example.com",
        "a.example.com",
        "null",
        "*",
        "",
        &long,
        &longest,
    ] {
        assert!(!matches("https://*.example.com", origin), "{origin}");
    }
    for origin in ["https://a.example.com", "https://a.example.com:443", "https://a.example.com:84430"] {
        assert!(!matches("https://*.example.com:8443", origin), "{origin}");
    }
    assert!(
        !matches("http://*.localhost", "http://localhost") && !matches("http://*.localhost", "http://a.localhost:80")
    );
}

#[test]
fn what_is_no_pattern_says_why() {
    use OriginPatternError::{Domain, Place, Port, Scheme};
    for (wrong, why) in [
        ("*.example.com", Scheme),
        ("*://a.example.com", Scheme),
        ("ftp://*.example.com", Scheme),
        ("HTTPS://*.example.com", Scheme),
        ("https://*", Place),
        ("https://*:8443", Place),
        ("https://*example.com", Place),
        ("https://a*.example.com", Place),
        ("https://a.*.com", Place),
        ("https://a.example.*", Place),
        ("https://*.*.example.com", Place),
        ("https://*.example.com:*", Place),
        ("https://**.example.com", Place),
        ("https://*.com", Domain),
        ("https://*.", Domain),
        ("https://*..com", Domain),
        ("https://*..example.com", Domain),
        ("https://*.example.com.", Domain),
        ("https://*.example..com", Domain),
        ("https://*.example.com/", Domain),
        ("https://*.example.com/path", Domain),
        ("https://*.Example.com", Domain),
        ("https://*.user@example.com", Domain),
        ("https://*.0.0.1", Domain),
        ("https://*.example.0x7f", Domain),
        ("https://*.[::1]", Domain),
        ("https://*.example.com:", Port),
        ("https://*.example.com:0", Port),
        ("https://*.example.com:080", Port),
        ("https://*.example.com:65536", Port),
        ("https://*.example.com:+1", Port),
        ("https://*.example.com:8443/", Port),
        ("https://*.example.com:443", Port),
        ("http://*.example.com:80", Port),
    ] {
        assert_eq!(OriginPattern::parse(wrong), Err(why), "{wrong}");
    }
    assert!(OriginPattern::parse("http://*.example.com:443").is_ok());
}

/// By the definition, and in another way than the code: the origin is taken apart as an origin is, and its name label by label.
fn is_meant(pattern: &str, origin: &str) -> bool {
    fn parts(origin: &str) -> Option<(&str, Vec<&str>, Option<&str>)> {
        let (scheme, authority) = origin.split_once("://")?;
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        };
        Some((scheme, name.rsplit('.').collect(), port))
    }
    let (Some((scheme, labels, port)), Some((wanted, domain, wanted_port))) = (parts(origin), parts(pattern)) else {
        return false;
    };
    let domain = &domain[..domain.len() - 1];
    let is_plain = |label: &&str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
    };
    scheme == wanted
        && port == wanted_port
        && labels.len() > domain.len()
        && labels.starts_with(domain)
        && labels.iter().all(is_plain)
        && labels.join(".").len() <= 253
}

/// Texts that are nearly origins: the pieces of which mistakes are made.
fn nearly_an_origin() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "https://",
        "http://",
        "://",
        "a",
        "evil",
        "example",
        "example.com",
        ".example.com",
        "com",
        ".",
        "..",
        ":",
        ":8443",
        ":443",
        "@",
        "/",
        "*",
        "-",
        "A",
        "%2e",
        "?",
        "#",
        "\\",
        " ",
        "é",
        "null",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat()),
        "https?://([a-z0-9._-]{0,12}\\.)?example\\.com(:[0-9]{1,5})?",
        "[ -~]{0,40}",
    ]
}

fn nearly_a_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        "https?://\\*\\.[a-z]{1,8}\\.[a-z]{2,8}(:[0-9]{1,5})?",
        "https?://\\*\\.[a-z0-9.:*/_-]{1,16}",
        nearly_an_origin(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn nothing_matches_that_is_not_below_the_domain(
        pattern in prop::sample::select(vec![
            "https://*.example.com", "http://*.example.com", "https://*.example.com:8443", "https://*.a.example.com", "http://*.localhost:3000",
        ]),
        origin in nearly_an_origin(),
    ) {
        // A header is read as bytes: what is not ASCII comes, too.
        if let Ok(header) = HeaderValue::from_bytes(origin.as_bytes()) {
            let matched = OriginPattern::parse(pattern).unwrap().matches(&header);
            prop_assert_eq!(matched, is_meant(pattern, &origin));
        }
    }

    #[test]
    fn every_text_is_read_or_refused_and_what_is_read_matches_below_itself_only(text in nearly_a_pattern()) {
        if let Ok(pattern) = OriginPattern::parse(&text) {
            let below = text.replace('*', "below");
            let origin = |text: &str| HeaderValue::from_str(text).unwrap();
            prop_assert!(pattern.matches(&origin(&below)));
            prop_assert!(!pattern.matches(&origin(&text.replace("*.", ""))));
            prop_assert!(!pattern.matches(&origin(&text.replace("*.", "evil"))));
        }
    }
}
