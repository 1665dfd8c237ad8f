use std::fmt::Write as _;

use http::HeaderValue;

use super::*;
use crate::forwarded::ForwardedHeader;

const PROXY: &str = "10.0.0.1";

fn proxies(header: ForwardedHeader) -> ProxyOptions {
    let trusted = ["10.0.0.0/8", "2001:db8:aaaa::/48"].map(|network| network.parse().unwrap());
    ProxyOptions { trusted: trusted.into(), header }
}

/// Whose a request from `peer` is, and whether that is doubtful.
fn client_of(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> (String, bool) {
    let proxies = proxies(header);
    let mut headers = HeaderMap::new();
    for (name, line) in lines {
        headers.append(*name, HeaderValue::from_str(line).unwrap());
    }
    let client = Source::of(peer.parse().unwrap(), &proxies).client(&headers, &proxies);
    (client.address.to_string(), client.is_doubtful)
}

fn named(peer: &str, line: &str) -> (String, bool) {
    client_of(peer, ForwardedHeader::XForwardedFor, &[("x-forwarded-for", line)])
}

fn sure(address: &str) -> (String, bool) {
    (address.to_owned(), false)
}

fn doubtful(address: &str) -> (String, bool) {
    (address.to_owned(), true)
}

#[test]
fn what_a_stranger_says_of_itself_is_ignored() {
    assert_eq!(named("192.0.2.9", "203.0.113.1"), sure("192.0.2.9"));
    assert_eq!(named("192.0.2.9", "no address"), sure("192.0.2.9"), "and not counted either");
}

#[test]
fn the_right_most_address_that_is_no_proxy_is_the_client() {
    assert_eq!(named(PROXY, "203.0.113.1"), sure("203.0.113.1"));
    assert_eq!(named(PROXY, "198.51.100.7, 203.0.113.1"), sure("203.0.113.1"), "what is left of it the client wrote");
    assert_eq!(named(PROXY, "198.51.100.7, 203.0.113.1, 10.9.9.9"), sure("203.0.113.1"));
    assert_eq!(named(PROXY, "garbage, 203.0.113.1, 10.9.9.9"), sure("203.0.113.1"));
    assert_eq!(named("2001:db8:aaaa::1", "2001:db8:bbbb::2, 2001:db8:aaaa::3"), sure("2001:db8:bbbb::2"));
    assert_eq!(named("::ffff:10.0.0.1", "203.0.113.1"), sure("203.0.113.1"), "a listener of both families");
}

#[test]
fn where_every_address_is_a_proxy_the_left_most_is_the_client() {
    assert_eq!(named(PROXY, "10.0.0.7, 10.0.0.8"), sure("10.0.0.7"));
}

#[test]
fn without_a_word_of_the_proxy_it_is_the_client_itself() {
    assert_eq!(client_of(PROXY, ForwardedHeader::XForwardedFor, &[]), sure(PROXY));
    for unknown in ["unknown", "_hidden", "203.0.113.1, unknown"] {
        assert_eq!(named(PROXY, unknown), sure(PROXY), "{unknown}");
    }
    assert_eq!(named(PROXY, "203.0.113.1, unknown, 10.0.0.8"), sure("10.0.0.8"), "who was told last");
}

#[test]
fn what_cannot_be_read_ends_the_list_at_who_wrote_it() {
    assert_eq!(named(PROXY, "203.0.113.1, garbage"), doubtful(PROXY));
    assert_eq!(named(PROXY, "203.0.113.1, garbage, 10.0.0.8"), doubtful("10.0.0.8"));
}

// Seen to fail when either header is believed that is there.
#[test]
fn only_the_configured_header_is_believed() {
    let both = [("forwarded", "for=203.0.113.1"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client_of(PROXY, ForwardedHeader::XForwardedFor, &both), sure("198.51.100.7"));
    assert_eq!(client_of(PROXY, ForwardedHeader::Forwarded, &both), sure("203.0.113.1"));
    assert_eq!(client_of(PROXY, ForwardedHeader::Forwarded, &both[1..]), sure(PROXY));
}

#[test]
fn a_list_is_read_so_far_and_no_further() {
    let mut line = String::from("203.0.113.1");
    for _ in 0..FORWARDED_HOPS_MAX - 1 {
        line.push_str(", 10.0.0.8");
    }
    assert_eq!(named(PROXY, &line), sure("203.0.113.1"));
    let _ = write!(line, ", 10.0.0.9");
    assert_eq!(named(PROXY, &line), doubtful("10.0.0.8"));
    assert_eq!(named(PROXY, &format!("203.0.113.1{}", ",".repeat(4_000))), doubtful(PROXY), "empty elements count");
}
