//! The headers in which proxies say for whom they ask: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
//!
//! Both are lists to which each proxy appends the address that it was asked from. Only the right end was written by a proxy
//! that the node knows; everything to the left may be the client's invention. So the lists are read from the right, in a way
//! that nothing to the left of an element changes how that element is read: an open quote of a client's hides no comma of a
//! proxy's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::ValueIter;
use http::{HeaderMap, HeaderValue, header};

/// Which header is believed, of proxies that are trusted. Never both: a proxy overwrites or appends to the one that it
/// knows, and passes on whatever its client wrote into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy1, proxy2`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client;proto=https, for="[2001:db8::1]"`.
    Forwarded,
}

/// Whom one proxy says that it was asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hop {
    Address(IpAddr),
    /// The proxy does not know, or does not tell: `unknown`, an obfuscated identifier, an element without `for`.
    Unknown,
    /// Nothing that the header may say.
    Malformed,
}

impl ForwardedHeader {
    /// What proxies said, the nearest first. An element of a list that is empty is nothing (RFC 9110 section 5.6.1): `None`.
    pub(crate) fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Option<Hop>> {
        let name = match self {
            Self::XForwardedFor => header::HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        };
        let lines = headers.get_all(name).iter();
        Elements { lines, line: None, quotes: self == Self::Forwarded }.map(move |element| {
            let Ok(text) = std::str::from_utf8(element) else { return Some(Hop::Malformed) };
            match (text.trim_ascii(), self) {
                ("", _) => None,
                (text, Self::XForwardedFor) => Some(node(text)),
                (text, Self::Forwarded) => Some(element_of_forwarded(text)),
            }
        })
    }
}

/// The elements of a list in any number of header lines, from the right.
struct Elements<'a> {
    lines: ValueIter<'a, HeaderValue>,
    /// What is left of the line that is being read.
    line: Option<&'a [u8]>,
    /// Whether an element may hold quoted strings, and so commas.
    quotes: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.lines.next_back()?.as_bytes(),
        };
        let mut quoted = false;
        for at in (0..line.len()).rev() {
            match line[at] {
                b'"' if self.quotes && !is_escaped(&line[..at]) => quoted = !quoted,
                b',' if !quoted => {
                    self.line = Some(&line[..at]);
                    return Some(&line[at + 1..]);
                }
                _ => {}
            }
        }
        Some(line)
    }
}

/// Whether what follows `before` in a quoted string is escaped: there is an odd number of backslashes right before it.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `for=192.0.2.60;proto=http;by=203.0.113.43` (RFC 7239 section 4).
fn element_of_forwarded(element: &str) -> Hop {
    let (mut found, mut rest) = (None, element);
    while !rest.is_empty() {
        let Some((name, value, after)) = first_pair(rest) else { return Hop::Malformed };
        // "Each parameter MUST NOT occur more than once per field-value."
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return Hop::Malformed;
        }
        rest = after;
    }
    found.map_or(Hop::Unknown, node)
}

/// The name and the value of the first pair, and what follows it. Escapes in a value are left as they are: no address has any.
fn first_pair(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let is_end = |(at, byte): (usize, u8)| byte == b'"' && !is_escaped(&quoted.as_bytes()[..at]);
            let end = quoted.bytes().enumerate().position(is_end)?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
    };
    let rest = rest.trim_ascii_start();
    let after = if rest.is_empty() { rest } else { rest.strip_prefix(';')?.trim_ascii_start() };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_token)).then(|| (name, value.trim_ascii_end(), after))
}

/// A node (RFC 7239 section 6): an address, with a port or without, or the refusal to tell one. `X-Forwarded-For` has IPv6
/// without brackets, too.
fn node(text: &str) -> Hop {
    let name = text.split(':').next().unwrap_or_default();
    if name.eq_ignore_ascii_case("unknown") || name.starts_with('_') {
        return Hop::Unknown;
    }
    address(text).map_or(Hop::Malformed, |address| Hop::Address(address.to_canonical()))
}

fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, port) = bracketed.split_once(']')?;
            let may_follow = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            may_follow.then(|| address.parse::<Ipv6Addr>().ok())?.map(IpAddr::V6)
        }
        None => {
            let (address, port) = text.split_once(':')?;
            is_port(port).then(|| address.parse::<Ipv4Addr>().ok())?.map(IpAddr::V4)
        }
    }
}

/// Digits, or an obfuscated port (RFC 7239 section 6.2).
fn is_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits || text.len() > 1 && text.starts_with('_')
}

#[cfg(test)]
mod tests;
