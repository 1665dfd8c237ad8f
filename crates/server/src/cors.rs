//! Cross-origin rules: which origins may read, and the answer to a preflight (Fetch, "CORS protocol").

use http::header::{self, HeaderMap, HeaderValue};

/// Request headers that a browser may send across origins. `Last-Event-ID` needs a preflight only when it is longer
/// than 128 bytes or holds unusual bytes, but a fetch-based client may send it with others.
const ALLOW_HEADERS: &str = "Last-Event-ID, Authorization, Cache-Control, Content-Type, Fanfare-Event, Idempotency-Key";
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
    List(Box<[Box<str>]>),
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
        checked.collect::<Result<_, _>>().map(Self::List)
    }

    /// What the response to a request with this `Origin` header says.
    pub(crate) fn check(&self, origin: Option<&HeaderValue>) -> CorsVerdict {
        match self {
            Self::SameOrigin => CorsVerdict::Silent,
            Self::Any => CorsVerdict::Any,
            Self::List(list) => {
                let found = origin.and_then(|origin| list.iter().position(|one| one.as_bytes() == origin.as_bytes()));
                found.map_or(CorsVerdict::Denied, CorsVerdict::Origin)
            }
        }
    }

    /// The headers of a response to a request that was granted `verdict`, as name and value.
    pub(crate) fn headers(&self, verdict: CorsVerdict) -> impl Iterator<Item = (&'static str, &str)> {
        let allowed = match (verdict, self) {
            (CorsVerdict::Any, _) => Some("*"),
            (CorsVerdict::Origin(index), Self::List(list)) => list.get(index).map(AsRef::as_ref),
            _ => None,
        };
        // Whoever caches must know that the answer depends on the origin, also when it was not allowed.
        let vary = matches!(verdict, CorsVerdict::Origin(_) | CorsVerdict::Denied).then_some(("Vary", "Origin"));
        allowed.map(|value| ("Access-Control-Allow-Origin", value)).into_iter().chain(vary)
    }

    /// Adds the headers to a response that hyper sends.
    pub(crate) fn apply(&self, verdict: CorsVerdict, headers: &mut HeaderMap) {
        for (name, value) in self.headers(verdict) {
            // Configured origins passed `is_origin`, which admits visible ASCII only.
            if let Ok(value) = HeaderValue::from_str(value) {
                let name = if name == "Vary" { header::VARY } else { header::ACCESS_CONTROL_ALLOW_ORIGIN };
                headers.append(name, value);
            }
        }
        if matches!(verdict, CorsVerdict::Any | CorsVerdict::Origin(_)) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
        }
    }

    /// Adds what only a preflight response carries. `methods` are those of the path.
    pub(crate) fn apply_preflight(verdict: CorsVerdict, methods: &'static str, headers: &mut HeaderMap) {
        if matches!(verdict, CorsVerdict::Any | CorsVerdict::Origin(_)) {
            headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
        }
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

fn is_origin(text: &str) -> bool {
    if text == "null" {
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

    fn headers(cors: &Cors, origin: Option<&'static str>) -> Vec<(&'static str, String)> {
        let origin = origin.map(HeaderValue::from_static);
        cors.headers(cors.check(origin.as_ref())).map(|(name, value)| (name, value.to_owned())).collect()
    }

    #[test]
    fn without_configured_origins_no_header_is_sent() {
        assert_eq!(headers(&Cors::parse::<&str>(&[]).unwrap(), Some("https://a.example")), []);
    }

    #[test]
    fn a_listed_origin_is_named_exactly_and_another_gets_only_vary() {
        let cors = Cors::parse(&["https://a.example", "http://localhost:3000"]).unwrap();
        let vary = ("Vary", "Origin".to_owned());
        let allowed = ("Access-Control-Allow-Origin", "http://localhost:3000".to_owned());
        assert_eq!(headers(&cors, Some("http://localhost:3000")), [allowed, vary.clone()]);
        assert_eq!(headers(&cors, Some("http://localhost:3001")), std::slice::from_ref(&vary));
        assert_eq!(headers(&cors, None), [vary]);
    }

    #[test]
    fn the_wildcard_allows_everybody_and_does_not_vary() {
        let cors = Cors::parse(&["*"]).unwrap();
        assert_eq!(headers(&cors, None), [("Access-Control-Allow-Origin", "*".to_owned())]);
    }

    #[test]
    fn origins_that_no_browser_sends_are_refused() {
        for wrong in ["https://a.example/", "a.example", "HTTPS://a.example", "https://a b", "https://", ""] {
            assert_eq!(Cors::parse(&[wrong]), Err(CorsError::NotAnOrigin(wrong.to_owned())), "{wrong}");
        }
        assert_eq!(Cors::parse(&["*", "https://a.example"]), Err(CorsError::WildcardNotAlone));
    }
}
