//! Cross-origin rules: which origins may read, and the answer to a preflight (Fetch, "CORS protocol").

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};

use crate::origin_pattern::{OriginPattern, OriginPatternError};

/// Request headers that a browser may send across origins. `Last-Event-ID` needs a preflight only when it is longer
/// than 128 bytes or holds unusual bytes, but a fetch-based client may send it with others.
const ALLOW_HEADERS: &str = "Last-Event-ID, Authorization, Cache-Control, Content-Type, Fanfare-Event, Idempotency-Key";
/// Response headers that scripts may read beside those that they always may: when a refused client may come back.
const EXPOSE_HEADERS: &str = "Retry-After";
/// The origin of pages that have none of their own, which anybody can make.
const NULL: &str = "null";
/// Seconds that a browser may remember a preflight. Browsers cap it themselves (Chromium at two hours).
const MAX_AGE_SECONDS: &str = "7200";

/// The configured origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// No cross-origin reader: no CORS header is ever sent.
    #[default]
    SameOrigin,
    /// `*`: every origin, without credentials.
    Any,
    /// These origins.
    List {
        /// Exactly these (`https://app.example.com`), compared byte by byte as browsers send them.
        origins: Box<[Arc<str>]>,
        /// All that match one of these.
        patterns: Box<[OriginPattern]>,
        /// Whether their pages may send cookies.
        credentials: bool,
    },
}

/// An origin list that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// `*` next to other origins.
    #[error("`*` allows every origin and must stand alone")]
    WildcardNotAlone,
    /// Not of the form that browsers send.
    #[error("`{0}` is not an origin: expected scheme://host[:port], lower case, without a path or a trailing slash")]
    NotAnOrigin(String),
    /// It has a `*`, and cannot be a pattern.
    #[error("`{0}` is not a pattern of origins: {1}")]
    NotAPattern(String, OriginPatternError),
}

impl Cors {
    /// From configuration: nothing, `["*"]`, or a list of exact origins and of patterns.
    ///
    /// # Errors
    /// See [`CorsError`]: a value that no browser would ever send is refused instead of never matching.
    pub fn parse<S: AsRef<str>>(origins: &[S]) -> Result<Self, CorsError> {
        if origins.is_empty() {
            return Ok(Self::SameOrigin);
        }
        if origins.iter().any(|origin| origin.as_ref() == "*") {
            return if origins.len() == 1 { Ok(Self::Any) } else { Err(CorsError::WildcardNotAlone) };
        }
        let (mut exact, mut patterns) = (Vec::new(), Vec::new());
        for origin in origins.iter().map(AsRef::as_ref) {
            if origin.contains('*') {
                let pattern = OriginPattern::parse(origin);
                patterns.push(pattern.map_err(|error| CorsError::NotAPattern(origin.to_owned(), error))?);
            } else if is_origin(origin) {
                exact.push(Arc::from(origin));
            } else {
                return Err(CorsError::NotAnOrigin(origin.to_owned()));
            }
        }
        Ok(Self::List { origins: exact.into(), patterns: patterns.into(), credentials: false })
    }

    /// The same, and pages of listed origins may send cookies. A wildcard lists none, and `null` is the origin of anybody's page.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        match self {
            Self::List { origins, patterns, .. } => Self::List { origins, patterns, credentials: true },
            other => other,
        }
    }

    /// Whether an origin is listed by its name, or by a pattern that matches it.
    pub(crate) fn lists(&self, origin: &HeaderValue) -> bool {
        origin != NULL && matches!(self.check(Some(origin)), CorsVerdict::Origin(_))
    }

    /// What the response to a request with this `Origin` header says.
    pub(crate) fn check(&self, origin: Option<&HeaderValue>) -> CorsVerdict {
        match self {
            Self::SameOrigin => CorsVerdict::Silent,
            Self::Any => CorsVerdict::Any,
            Self::List { origins, patterns, .. } => {
                let found = origin.and_then(|origin| find(origins, patterns, origin));
                found.map_or(CorsVerdict::Denied, CorsVerdict::Origin)
            }
        }
    }

    /// What every answer to a request with this verdict carries, streams included.
    pub(crate) fn headers(&self, verdict: &CorsVerdict) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let allowed = match verdict {
            CorsVerdict::Any => Some(HeaderValue::from_static("*")),
            // What is configured passed `is_origin`, and what matches a pattern is as plain: visible ASCII only. With credentials a browser
            // accepts nothing but its own origin's name (Fetch, "CORS check").
            CorsVerdict::Origin(origin) => HeaderValue::from_str(origin).ok(),
            CorsVerdict::Silent | CorsVerdict::Denied => None,
        };
        // Caches must know that the answer depends on the origin, also when it was not allowed.
        let varies = matches!(verdict, CorsVerdict::Origin(_) | CorsVerdict::Denied);
        let vary = varies.then_some((header::VARY, HeaderValue::from_static("Origin")));
        let exposed = (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE_HEADERS));
        let exposed = verdict.is_allowed().then_some(exposed);
        let is_trusted =
            matches!(self, Self::List { credentials: true, .. }) && allowed.as_ref().is_some_and(|one| one != NULL);
        let credentials = (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        let credentials = is_trusted.then_some(credentials);
        let allowed = allowed.map(|value| (header::ACCESS_CONTROL_ALLOW_ORIGIN, value));
        allowed.into_iter().chain(credentials).chain(exposed).chain(vary)
    }

    /// What only the answer to a preflight carries. `methods` are those of the path.
    pub(crate) fn preflight(
        verdict: &CorsVerdict,
        methods: &'static str,
    ) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        verdict.is_allowed().then_some(headers).into_iter().flatten()
    }
}

/// The outcome of the origin check. Small and owned, so that nothing of the request is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum CorsVerdict {
    /// No CORS is configured.
    #[default]
    Silent,
    /// Any origin may read.
    Any,
    /// This origin may read.
    Origin(Arc<str>),
    /// A list is configured and this origin, or its absence, is not on it.
    Denied,
}

impl CorsVerdict {
    const fn is_allowed(&self) -> bool {
        matches!(self, Self::Any | Self::Origin(_))
    }
}

/// The name of an origin that is listed, or matches a pattern.
fn find(origins: &[Arc<str>], patterns: &[OriginPattern], origin: &HeaderValue) -> Option<Arc<str>> {
    let listed = origins.iter().find(|one| one.as_bytes() == origin.as_bytes());
    listed.cloned().or_else(|| {
        let text = origin.to_str().ok()?;
        patterns.iter().any(|pattern| pattern.matches(origin)).then(|| Arc::from(text))
    })
}

fn is_origin(text: &str) -> bool {
    if text == NULL {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let host_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_:[]".contains(&b);
    let scheme_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    !scheme.is_empty() && scheme.bytes().all(scheme_byte) && !authority.is_empty() && authority.bytes().all(host_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cors: &Cors, origin: Option<&'static str>) -> Vec<(HeaderName, HeaderValue)> {
        let origin = origin.map(HeaderValue::from_static);
        cors.headers(&cors.check(origin.as_ref())).collect()
    }

    fn allowed(origin: &'static str) -> [(HeaderName, HeaderValue); 2] {
        [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(origin)),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After")),
        ]
    }

    #[test]
    fn without_configured_origins_no_header_is_sent() {
        assert_eq!(headers(&Cors::parse::<&str>(&[]).unwrap(), Some("https://a.example")), []);
    }

    #[test]
    fn a_listed_origin_is_named_exactly_and_another_gets_only_vary() {
        let cors = Cors::parse(&["https://a.example", "http://localhost:3000"]).unwrap();
        let vary = (header::VARY, HeaderValue::from_static("Origin"));
        assert_eq!(
            headers(&cors, Some("http://localhost:3000")),
            [&allowed("http://localhost:3000")[..], std::slice::from_ref(&vary)].concat()
        );
        assert_eq!(headers(&cors, Some("http://localhost:3001")), std::slice::from_ref(&vary));
        assert_eq!(headers(&cors, None), [vary]);
    }

    // Seen to fail when the pattern is sent in place of the origin: a browser believes nothing but its own page's origin.
    #[test]
    fn an_origin_that_matches_a_pattern_is_named_by_itself_and_has_credentials() {
        let cors = Cors::parse(&["https://*.a.example", "https://b.example"]).unwrap().with_credentials();
        let vary = (header::VARY, HeaderValue::from_static("Origin"));
        let credentials = (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        for origin in ["https://x.a.example", "https://y.x.a.example", "https://b.example"] {
            let [name, exposed] = allowed(origin);
            assert_eq!(headers(&cors, Some(origin)), [name, credentials.clone(), exposed, vary.clone()]);
            assert!(cors.lists(&HeaderValue::from_static(origin)));
        }
        for origin in
            ["https://a.example", "https://x.b.example", "https://xa.example", "https://x.a.example:8443", "null"]
        {
            assert_eq!(headers(&cors, Some(origin)), std::slice::from_ref(&vary), "{origin}");
            assert!(!cors.lists(&HeaderValue::from_static(origin)), "{origin}");
        }
    }

    // Seen to fail when `null` has credentials.
    #[test]
    fn credentials_are_for_listed_origins_only() {
        let yes = (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        let cors = Cors::parse(&["https://a.example", "null"]).unwrap().with_credentials();
        assert!(headers(&cors, Some("https://a.example")).contains(&yes));
        for (cors, origin) in [
            (&cors, "null"),
            (&cors, "https://b.example"),
            (&Cors::parse(&["https://a.example"]).unwrap(), "https://a.example"),
            (&Cors::Any.with_credentials(), "https://a.example"),
            (&Cors::SameOrigin.with_credentials(), "https://a.example"),
        ] {
            assert!(!headers(cors, Some(origin)).contains(&yes), "{cors:?} {origin}");
        }
    }

    #[test]
    fn the_wildcard_allows_everybody_and_does_not_vary() {
        let cors = Cors::parse(&["*"]).unwrap();
        assert_eq!(headers(&cors, None), allowed("*"));
    }

    #[test]
    fn origins_that_no_browser_sends_are_refused() {
        for wrong in ["https://a.example/", "a.example", "HTTPS://a.example", "https://a b", "https://", ""] {
            assert_eq!(Cors::parse(&[wrong]), Err(CorsError::NotAnOrigin(wrong.to_owned())), "{wrong}");
        }
        for alone in ["https://a.example", "https://*.a.example"] {
            assert_eq!(Cors::parse(&["*", alone]), Err(CorsError::WildcardNotAlone));
        }
        let error = Cors::parse(&["https://a.example", "https://*.com"]).unwrap_err();
        assert_eq!(error, CorsError::NotAPattern("https://*.com".to_owned(), OriginPatternError::Domain));
    }
}
