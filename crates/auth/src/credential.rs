//! The token that a request carries, and where it was found.

use std::fmt;

use fanfare_protocol::limits::TOKEN_BYTES_MAX;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

use crate::refusal::Refusal;

/// What a request shows for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Where it was found.
    pub place: Place,
    text: Box<str>,
}

/// Where a token can stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `Authorization: Bearer` (RFC 6750, section 2.1). Pages of other sites cannot send it unless they know the token.
    Header,
    /// The cookie of the configured name. A browser sends it whatever page makes the request.
    Cookie,
    /// A query parameter, which ends in the logs of everything on the way.
    Query,
}

impl Place {
    /// As metrics and logs name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Query => "query",
        }
    }
}

impl Credential {
    /// A token that was found in this place.
    ///
    /// # Errors
    /// It is longer than a token may be, or holds what no token holds.
    pub fn new(place: Place, text: &str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Invalid("it is too long"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::Invalid("it holds characters that no token has"));
        }
        Ok(Self { place, text: text.into() })
    }

    /// Finds it: the header wins over the cookie, and the cookie over `query`, the value of the query parameter.
    pub(crate) fn find(
        headers: &HeaderMap,
        cookie: Option<&str>,
        query: Option<&str>,
    ) -> Result<Option<Self>, Refusal> {
        if let Some(token) = bearer(headers)? {
            return Self::of_bytes(Place::Header, token).map(Some);
        }
        if let Some(token) = cookie.and_then(|name| in_cookies(headers, name)) {
            return Self::of_bytes(Place::Cookie, token).map(Some);
        }
        query.filter(|text| !text.is_empty()).map(|text| Self::new(Place::Query, text)).transpose()
    }

    fn of_bytes(place: Place, bytes: &[u8]) -> Result<Self, Refusal> {
        // Bytes beyond ASCII become characters that `new` refuses.
        Self::new(place, &String::from_utf8_lossy(bytes))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Whoever reads a log may not act as its holder.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What stands behind `Bearer`. Another scheme is somebody else's business, a proxy's for example.
fn bearer(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Refusal::Invalid("there are two `Authorization` headers"));
    }
    let value = value.as_bytes();
    let scheme = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    if !value[..scheme].eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    Ok(Some(value[scheme..].trim_ascii()))
}

/// The first cookie of a name: user agents send the one with the longest path first (RFC 6265, section 5.4). An empty one is none.
fn in_cookies<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let value = pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next()?;
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &'static [u8])]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value): (http::HeaderName, _)| {
                headers.append(name, value);
                headers
            },
        )
    }

    fn found(all: &[(&'static str, &'static [u8])], query: Option<&str>) -> Result<Option<(Place, String)>, Refusal> {
        let found = Credential::find(&headers(all), Some("session"), query)?;
        Ok(found.map(|credential| (credential.place, credential.text().to_owned())))
    }

    #[test]
    fn the_header_wins_over_the_cookie_and_the_cookie_over_the_query() {
        let (bearer, cookie) = (("authorization", &b"Bearer h"[..]), ("cookie", &b"a=b; session=c"[..]));
        assert_eq!(found(&[cookie, bearer], Some("q")), Ok(Some((Place::Header, "h".into()))));
        assert_eq!(found(&[cookie], Some("q")), Ok(Some((Place::Cookie, "c".into()))));
        assert_eq!(found(&[], Some("q")), Ok(Some((Place::Query, "q".into()))));
        assert_eq!(found(&[], Some("")), Ok(None));
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_others_are_passed_over() {
        assert_eq!(found(&[("authorization", b"bEARER  h")], None), Ok(Some((Place::Header, "h".into()))));
        assert_eq!(found(&[("authorization", b"Bearer\th")], None), Ok(Some((Place::Header, "h".into()))));
        assert_eq!(found(&[("authorization", b"Basic eDp5")], None), Ok(None));
        assert_eq!(found(&[("authorization", b"Basic\teDp5")], None), Ok(None));
        assert_eq!(found(&[("authorization", b"Bearer")], None), Ok(Some((Place::Header, String::new()))));
    }

    #[test]
    fn two_headers_are_refused() {
        let one = ("authorization", &b"Bearer h"[..]);
        assert_eq!(found(&[one, one], None), Err(Refusal::Invalid("there are two `Authorization` headers")));
    }

    #[test]
    fn what_no_token_can_be_is_refused() {
        let foreign = Err(Refusal::Invalid("it holds characters that no token has"));
        assert_eq!(found(&[("authorization", b"Bearer a\xffb")], None), foreign);
        assert_eq!(found(&[("authorization", b"Bearer a b")], None), foreign);
        assert_eq!(found(&[], Some("a\nb")), foreign);
        assert_eq!(found(&[], Some(&"a".repeat(TOKEN_BYTES_MAX + 1))), Err(Refusal::Invalid("it is too long")));
    }

    #[test]
    fn cookies_are_found_among_others_whatever_those_hold() {
        assert_eq!(
            found(&[("cookie", b"name=\xc3\xa9;session=\"t\"; session=u")], None),
            Ok(Some((Place::Cookie, "t".into())))
        );
        assert_eq!(found(&[("cookie", b"a=1"), ("cookie", b"session=t")], None), Ok(Some((Place::Cookie, "t".into()))));
        assert_eq!(found(&[("cookie", b"xsession=t; session=")], None), Ok(None));
    }

    #[test]
    fn what_is_printed_does_not_show_it() {
        let credential = Credential::new(Place::Query, "secret").unwrap();
        assert_eq!(format!("{credential:?}"), "Credential { place: Query, .. }");
    }
}
