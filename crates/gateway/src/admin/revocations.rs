//! `POST /revocations`: takes back what tokens give, on all nodes.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::PublishError;
use fanfare_protocol::limits::REVOCATION_BYTES_MAX;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::http::{Peer, Reply, json as json_reply, reply};
use crate::revocation::Revoke;
use crate::revocation_writer::RevocationWriter;

/// How long a client may take to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer, once the revocation is stored. `writer`: `None` where no revocations are taken.
pub(super) async fn answer(writer: Option<Arc<RevocationWriter>>, request: Request<Incoming>) -> Reply {
    revoke(writer, request).await.unwrap_or_else(Reply::from)
}

async fn revoke(writer: Option<Arc<RevocationWriter>>, request: Request<Incoming>) -> Result<Reply, Problem> {
    check(&request)?;
    let writer = writer.ok_or_else(|| {
        let detail = "Nothing is revoked here without auth.enabled and admin.revocations.".to_owned();
        Problem(StatusCode::FORBIDDEN, "revocations-off", detail)
    })?;
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let body = Limited::new(request.into_body(), REVOCATION_BYTES_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return Err(Problem::invalid(format!("The body: {error}."))),
        Err(_) => {
            let detail = "The body did not arrive in time.".to_owned();
            return Err(Problem(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail));
        }
    };
    let revoke = Revoke::parse(&body).map_err(|why| Problem::invalid(format!("The body: {why}.")))?;
    let id = writer.revoke(&revoke, peer).map_err(|why| Problem::invalid(format!("{why}.")))?.await?;
    Ok(json_reply(StatusCode::CREATED, &json!({ "id": id.to_string() })))
}

/// The listener has no authentication. Whoever reaches it may do this, but no page in the browser of somebody who does: browsers say where
/// a `POST` comes from (Fetch, section 3.2), and ask first before they send JSON to another origin.
fn check(request: &Request<Incoming>) -> Result<(), Problem> {
    if request.headers().contains_key(header::ORIGIN) {
        let detail = "Nothing is revoked for a page in a browser.".to_owned();
        return Err(Problem(StatusCode::FORBIDDEN, "cross-site", detail));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], http::HeaderValue::as_bytes);
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let detail = "Send JSON, with `Content-Type: application/json`.".to_owned();
    Err(Problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
}

/// What went wrong: status, the last part of the `type`, and a sentence (RFC 9457).
struct Problem(StatusCode, &'static str, String);

impl Problem {
    fn invalid(detail: String) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid-request", detail)
    }
}

impl From<PublishError> for Problem {
    /// As for publishes: nothing was revoked, unless no answer came.
    fn from(error: PublishError) -> Self {
        let nothing = |reason: String| format!("Nothing was revoked. {reason}");
        match error {
            PublishError::Denied(reason) => Self(StatusCode::BAD_GATEWAY, "store-refuses", nothing(reason)),
            PublishError::Rejected(reason) | PublishError::Refused(reason) => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "store-refuses", nothing(reason))
            }
            PublishError::Unreachable(reason) => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", nothing(reason))
            }
            PublishError::Unavailable(_) => {
                let detail =
                    "No answer from the store: it may have been revoked. Trying again does no harm.".to_owned();
                Self(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail)
            }
        }
    }
}

impl From<Problem> for Reply {
    fn from(Problem(status, slug, detail): Problem) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let document = json!({
            "type": format!("urn:fanfare:problem:{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
        });
        reply(status, "application/problem+json", format!("{document}\n"))
    }
}
