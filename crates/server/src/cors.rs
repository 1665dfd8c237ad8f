//! Cross-origin rules: which origins may read, and the answer to a preflight (Fetch, "CORS protocol").

use http::header::{self, HeaderName, HeaderValue};

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
    /// Exactly these origins (`https://app.example.com`), compared byte by byte as browsers send them.
    List {
        /// At least one.
        origins: Box<[Box<str>]>,
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
}

impl Cors {
    /// From configuration: nothing, `["*"]`, or a list of exact origins.
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
        let checked = origins.iter().map(|origin| {
            let origin = origin.as_ref();
            if is_origin(origin) { Ok(Box::from(origin)) } else { Err(CorsError::NotAnOrigin(origin.to_owned())) }
        });
        checked.collect::<Result<_, _>>().map(|origins| Self::List { origins, credentials: false })
    }

    /// The same, and pages of listed origins may send cookies. A wildcard lists none, and `null` is the origin of anybody's page.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        match self {
            Self::List { origins, .. } => Self::List { origins, credentials: true },
            other => other,
        }
    }

    /// Whether an origin is listed by its name.
    pub(crate) fn lists(&self, origin: &HeaderValue) -> bool {
        origin != NULL && matches!(self.check(Some(origin)), CorsVerdict::Origin(_))
    }

    /// What the response to a request with this `Origin` header says.
    pub(crate) fn check(&self, origin: Option<&HeaderValue>) -> CorsVerdict {
        match self {
            Self::SameOrigin => CorsVerdict::Silent,
            Self::Any => CorsVerdict::Any,
            Self::List { origins, .. } => {
                let found =
                    origin.and_then(|origin| origins.iter().position(|one| one.as_bytes() == origin.as_bytes()));
                found.map_or(CorsVerdict::Denied, CorsVerdict::Origin)
            }
        }
    }

    /// What every answer to a request with this verdict carries, streams included.
    pub(crate) fn headers(&self, verdict: CorsVerdict) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let allowed = match (verdict, self) {
            (CorsVerdict::Any, _) => Some(HeaderValue::from_static("*")),
            // Configured origins passed `is_origin`, which admits visible ASCII only.
            (CorsVerdict::Origin(index), Self::List { origins, .. }) => {
                origins.get(index).and_then(|origin| HeaderValue::from_str(origin).ok())
            }
            _ => None,
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
        verdict: CorsVerdict,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CorsVerdict {
    /// No CORS is configured.
    #[default]
    Silent,
    /// Any origin may read.
    Any,
    /// The origin at this place of the list may read.
    Origin(usize),
    /// A list is configured and this origin, or its absence, is not on it.
    Denied,
}

impl CorsVerdict {
    const fn is_allowed(self) -> bool {
        matches!(self, Self::Any | Self::Origin(_))
    }
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
        cors.headers(cors.check(origin.as_ref())).collect()
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
        assert_eq!(Cors::parse(&["*", "https://a.example"]), Err(CorsError::WildcardNotAlone));
    }
}
