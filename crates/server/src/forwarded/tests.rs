use super::*;

/// What the lines of a header say, from the right.
fn hops(header: ForwardedHeader, lines: &[&str]) -> Vec<Hop> {
    let name = if header == ForwardedHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    header.hops(&headers).flatten().collect()
}

fn plain(line: &str) -> Vec<Hop> {
    hops(ForwardedHeader::XForwardedFor, &[line])
}

fn forwarded(line: &str) -> Vec<Hop> {
    hops(ForwardedHeader::Forwarded, &[line])
}

fn at(address: &str) -> Hop {
    Hop::Address(address.parse().unwrap())
}

#[test]
fn a_list_is_read_from_the_right_over_all_lines_of_the_header() {
    assert_eq!(plain("192.0.2.1, 192.0.2.2,192.0.2.3"), [at("192.0.2.3"), at("192.0.2.2"), at("192.0.2.1")]);
    assert_eq!(hops(ForwardedHeader::XForwardedFor, &["192.0.2.1", "192.0.2.2"]), [at("192.0.2.2"), at("192.0.2.1")]);
    assert_eq!(forwarded("for=192.0.2.1, for=192.0.2.2"), [at("192.0.2.2"), at("192.0.2.1")]);
    assert_eq!(
        hops(ForwardedHeader::Forwarded, &["for=192.0.2.1", "for=192.0.2.2"]),
        [at("192.0.2.2"), at("192.0.2.1")]
    );
}

#[test]
fn addresses_come_with_ports_and_brackets_or_without() {
    let v6 = at("2001:db8::1");
    assert_eq!(plain("[2001:db8::1]:443, [2001:db8::1], 2001:db8::1"), [v6, v6, v6]);
    assert_eq!(plain("192.0.2.1:80"), [at("192.0.2.1")]);
    assert_eq!(plain("::ffff:192.0.2.1"), [at("192.0.2.1")], "the same client, by whatever socket it came");
    assert_eq!(forwarded("for=\"[2001:db8::1]:443\", For=\"[2001:db8::1]\""), [v6, v6]);
    assert_eq!(forwarded("for=\"192.0.2.1:_obf\""), [at("192.0.2.1")]);
    assert_eq!(forwarded("proto=https ; for=192.0.2.1;by=\"_x,;\\\"\""), [at("192.0.2.1")]);
}

#[test]
fn a_proxy_may_not_know_or_not_tell() {
    for line in ["unknown", "Unknown", "_hidden", "unknown:80", "_hidden:_80"] {
        assert_eq!(plain(line), [Hop::Unknown], "{line}");
        assert_eq!(forwarded(&format!("for=\"{line}\"")), [Hop::Unknown], "{line}");
    }
    assert_eq!(forwarded("proto=https;by=_x"), [Hop::Unknown]);
}

#[test]
fn an_empty_element_is_nothing() {
    assert_eq!(plain(" , ,192.0.2.1,"), [at("192.0.2.1")]);
    assert_eq!(plain(""), []);
}

#[test]
fn what_the_header_may_not_say_is_malformed() {
    for line in [
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.01",
        "192.0.2.1:",
        "192.0.2.1:123456",
        "192.0.2.1 192.0.2.2",
        "[192.0.2.1]",
        "[2001:db8::1",
        "[2001:db8::1]443",
        "fe80::1%eth0",
        "host.example",
        "\"192.0.2.1\"",
        "192.0.2.1\u{e4}",
    ] {
        assert_eq!(plain(line), [Hop::Malformed], "{line}");
    }
    for line in [
        "for",
        "for=",
        "192.0.2.1",
        "for=192.0.2.1;for=192.0.2.2",
        "for =192.0.2.1",
        "for=\"192.0.2.1",
        "for=192.0.2.1\"",
        "for=\"192.0.2.1\"x",
        "for=\"192.0.2.1\\\"",
        "for=\"\\1\"",
        "a;for=192.0.2.1",
        "=192.0.2.1",
    ] {
        assert_eq!(forwarded(line), [Hop::Malformed], "{line}");
    }
}

// Seen to fail when a line is read from the left.
#[test]
fn nothing_that_a_client_wrote_changes_how_what_a_proxy_appended_is_read() {
    for spoofed in [
        "\"",
        "for=\"",
        "for=\"x",
        "for=192.0.2.1;by=\"",
        "\\",
        "\\\"",
        "for=\"\\",
        ";",
        "=,=\"\"\"",
        "for=\"a, for=\\\"",
    ] {
        let line = format!("{spoofed}, for=\"[2001:db8::7]:80\";by=\"_p\"");
        assert_eq!(forwarded(&line).first(), Some(&at("2001:db8::7")), "{line}");
        assert_eq!(plain(&format!("{spoofed}, 192.0.2.7")).first(), Some(&at("192.0.2.7")), "{spoofed}");
    }
}
