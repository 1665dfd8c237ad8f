//! Requests as the targets take them: a target on the first line, headers on the next ones, an empty line, a body.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri};

/// The request and its body; `None` when hyper would not hand over such a request.
pub(crate) fn request(data: &[u8]) -> Option<(Parts, &[u8])> {
    let (target, mut rest) = line(data);
    let uri = Uri::try_from(target).ok()?;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri;
    loop {
        let (header, after) = line(rest);
        rest = after;
        if header.is_empty() {
            return Some((parts, rest));
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        let value = HeaderValue::from_bytes(header[colon + 1..].trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
}

/// The first line without its break, and what follows.
pub(crate) fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// Query parameters by a decoder that is not ours; `None` if they are not UTF-8.
pub(crate) fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    // The replacement character may also have been sent as itself.
    let sent = query.contains('\u{fffd}') || query.to_ascii_lowercase().contains("%ef%bf%bd");
    let replaced = pairs.iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
    (sent || !replaced).then_some(pairs)
}

/// The problem document that a refused client reads.
pub(crate) fn is_problem(document: &[u8]) {
    let problem: serde_json::Value = serde_json::from_slice(document).expect("a problem document is JSON");
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    assert!(text("type").starts_with("urn:fanfare:problem:") && !text("title").is_empty(), "{problem}");
    assert!(!text("detail").is_empty() && problem["status"].as_u64().is_some_and(|status| status >= 400), "{problem}");
}
