//! Whose page makes a request: what a browser says of it.
//!
//! A browser sends a cookie whatever page makes the request, so a token in one proves only whose browser it is. `Origin` (Fetch
//! section 3.2) and `Sec-Fetch-Site` (Fetch Metadata section 2.3) say whose page it is, and no page can forge them. `Host` says less: a
//! proxy may have rewritten it or left out its port, and it has no scheme. So it counts only where a browser says nothing better.

use http::HeaderMap;
use http::header::{self, HeaderValue};

use crate::cors::Cors;

/// Whether another site's page makes the request, as far as a browser says it: one that is neither of the request's own origin
/// nor listed. Other clients than browsers say nothing, and are none.
pub(crate) fn is_cross_site(headers: &HeaderMap, cors: &Cors) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        // A page's GET of its own origin has no `Origin`, and one by a link or an image of another page has none either; nor has what
        // a user types (`none`).
        (None, _) => !matches!(site, None | Some(b"same-origin" | b"none")),
        (Some(origin), None) if cors.lists(origin) => false,
        (Some(origin), None) => match site {
            Some(site) => site != b"same-origin",
            None => !is_of(origin, headers.get(header::HOST)),
        },
        // No browser sends two.
        (Some(_), Some(_)) => true,
    }
}

/// Whether an origin is the one that the request was made to. The node does not know whether a proxy in front of it speaks TLS.
fn is_of(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let host = host.and_then(|host| host.to_str().ok());
    let Some((host, (scheme, authority))) = host.zip(origin.to_str().ok().and_then(|text| text.split_once("://")))
    else {
        return false;
    };
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    let host = host.strip_suffix(usual).unwrap_or(host);
    !host.is_empty() && host.eq_ignore_ascii_case(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    // Seen to fail when a request without `Origin` is never another site's, and when `Host` counts against a browser's word.
    #[test]
    fn a_request_is_cross_site_if_a_browser_says_that_it_is_of_another_page() {
        let cors = Cors::parse(&["https://app.example.org", "null"]).unwrap();
        let host = ("host", "live.example.org");
        let is_cross =
            |more: &[(&'static str, &'static str)]| is_cross_site(&headers(&[&[host][..], more].concat()), &cors);
        for own in [
            &[][..],
            &[("origin", "https://live.example.org")],
            &[("origin", "http://live.example.org")],
            &[("origin", "https://app.example.org")],
            &[("origin", "https://app.example.org"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://app.example.org"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://public.example.org"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!is_cross(own), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "something-new")],
            // A page on another port of the host, or without TLS, where a proxy leaves the port out.
            &[("origin", "https://live.example.org"), ("sec-fetch-site", "same-site")],
            &[("origin", "http://live.example.org"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://live.example.org"), ("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://live.example.org.evil.example")],
            &[("origin", "https://live.example.org:8443")],
            &[("origin", "https://app.example.org:8443")],
            &[("origin", "HTTPS://app.example.org")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "ftp://live.example.org")],
            &[("origin", "https://app.example.org"), ("origin", "https://evil.example")],
        ] {
            assert!(is_cross(foreign), "{foreign:?}");
        }
        let ports = |host, origin| is_cross_site(&headers(&[("host", host), ("origin", origin)]), &Cors::SameOrigin);
        assert!(!ports("a.example:443", "https://a.example") && !ports("A.example:8080", "http://a.example:8080"));
        assert!(ports("a.example:443", "http://a.example") && ports("", "https://"));
        assert!(is_cross_site(&headers(&[("origin", "https://a.example")]), &Cors::Any), "a wildcard lists nobody");
    }
}
