//! `X-Forwarded-For` and `Forwarded`: of which everything but the right end is the client's invention.

use std::net::{IpAddr, Ipv4Addr};

use fanfare_server::{ForwardedHeader, ProxyOptions, fuzzing};
use http::{HeaderMap, HeaderValue};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// The lines of a header, of which the first byte says which it is.
pub(crate) fn run(data: &[u8]) {
    let Some((first, lines)) = data.split_first() else { return };
    let (header, name, appended) = match first % 2 {
        0 => (ForwardedHeader::XForwardedFor, "x-forwarded-for", "203.0.113.9"),
        _ => (ForwardedHeader::Forwarded, "forwarded", "proto=https;for=\"203.0.113.9:80\";by=\"_p\""),
    };
    let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
    let proxies = ProxyOptions { trusted, header };
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    let Some(written) = headers(name, &lines) else { return };

    assert_eq!(fuzzing::client(STRANGER, &written, &proxies), (STRANGER, false), "a stranger's word counts nothing");

    let last = [lines.last().copied().unwrap_or_default(), b", ", appended.as_bytes()].concat();
    let mut in_line = lines.clone();
    in_line.pop();
    in_line.push(&last);
    let in_line = headers(name, &in_line).expect("a header with some text more");
    assert_eq!(fuzzing::client(PROXY, &in_line, &proxies), (CLIENT, false), "appended to the last line");
    let mut own_line = written.clone();
    own_line.append(name, HeaderValue::from_static(appended));
    assert_eq!(fuzzing::client(PROXY, &own_line, &proxies), (CLIENT, false), "in a line of its own");

    // What a client puts before everything else counts only where everything else is proxies.
    let found = fuzzing::client(PROXY, &written, &proxies);
    let before = headers(name, &[&[appended.as_bytes()], &lines[..]].concat()).expect("a header with a line more");
    let with_before = fuzzing::client(PROXY, &before, &proxies);
    assert!(with_before == found || (proxies.trusted[0].contains(found.0) && with_before.0 == CLIENT) || with_before.1);
}

/// `None`: no header may hold these bytes.
fn headers(name: &'static str, lines: &[&[u8]]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(headers)
}
