//! Errors as clients see them: RFC 9457 problem documents, and the one mapping from what went wrong to HTTP.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderValue};
use serde::Serialize;

use crate::answer::Answer;

/// What kind of thing went wrong. This enum is the only place that knows statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    UnknownPath,
    MethodNotAllowed,
    BodyNotAllowed,
    InvalidRequest,
    InvalidChannel,
    TooManyChannels,
    UrlTooLong,
    NotAcceptable,
    RequestTimeout,
    TooManyRequests,
    TooManyTokens,
    Unavailable,
    PublishingOff,
    Unauthorized,
    TokenMissing,
    TokenInvalid,
    CertificateInvalid,
    TokenExpired,
    TokenRevoked,
    Unauthenticated,
    Forbidden,
    NotAllowed,
    CrossSite,
    TicketsOff,
    TicketUnknown,
    TicketRejected,
    TooManyTickets,
    TooManyPublishes,
    BodyTooLarge,
    PublishRejected,
    StoreRefuses,
    /// The same for a reason that passes.
    StoreRefusesForNow,
    EventTooLarge,
    UnsupportedCoding,
    HistoryOff,
    NotCounted,
    TooManyCounts,
    StoreUnavailable,
    WrongType,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 39] = [
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::BodyNotAllowed,
        Self::InvalidRequest,
        Self::InvalidChannel,
        Self::TooManyChannels,
        Self::UrlTooLong,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::TooManyRequests,
        Self::TooManyTokens,
        Self::Unavailable,
        Self::PublishingOff,
        Self::Unauthorized,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::CertificateInvalid,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotAllowed,
        Self::CrossSite,
        Self::TicketsOff,
        Self::TicketUnknown,
        Self::TicketRejected,
        Self::TooManyTickets,
        Self::TooManyPublishes,
        Self::BodyTooLarge,
        Self::PublishRejected,
        Self::StoreRefuses,
        Self::StoreRefusesForNow,
        Self::EventTooLarge,
        Self::UnsupportedCoding,
        Self::HistoryOff,
        Self::NotCounted,
        Self::TooManyCounts,
        Self::StoreUnavailable,
        Self::WrongType,
    ];

    /// Status, the last part of the `type` URN (stable, documented), and a title.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "No such path"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::BodyNotAllowed => (StatusCode::BAD_REQUEST, "body-not-allowed", "A subscription carries no body"),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "Invalid request"),
            Self::InvalidChannel => (StatusCode::BAD_REQUEST, "invalid-channel", "Invalid channel name"),
            Self::TooManyChannels => (StatusCode::BAD_REQUEST, "too-many-channels", "Too many channels"),
            Self::UrlTooLong => (StatusCode::URI_TOO_LONG, "url-too-long", "URL too long"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable"),
            Self::RequestTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request did not arrive in time")
            }
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too-many-connections", "Too many connections"),
            Self::TooManyTokens => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-tokens", "Too many tokens were not accepted")
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later or on another node"),
            Self::PublishingOff => (StatusCode::FORBIDDEN, "publishing-off", "Publishing over HTTP is off"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A valid publish key is needed"),
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "token-missing", "A token is needed"),
            Self::TokenInvalid => (StatusCode::UNAUTHORIZED, "token-invalid", "The token is not accepted"),
            Self::CertificateInvalid => {
                (StatusCode::UNAUTHORIZED, "certificate-invalid", "The certificate of the client is not accepted")
            }
            Self::TokenExpired => (StatusCode::UNAUTHORIZED, "token-expired", "The token has expired"),
            Self::TokenRevoked => (StatusCode::UNAUTHORIZED, "token-revoked", "The token was revoked"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "It is not known who asks"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "not-allowed", "The token does not allow this"),
            // The same kind for clients: of tokens and of the application.
            Self::NotAllowed => (StatusCode::FORBIDDEN, "not-allowed", "The application does not allow this"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "Not from the pages of another site"),
            Self::TicketsOff => (StatusCode::FORBIDDEN, "tickets-off", "Tickets are off"),
            Self::TicketUnknown => (StatusCode::UNAUTHORIZED, "ticket-unknown", "There is no such ticket"),
            Self::TicketRejected => (StatusCode::BAD_REQUEST, "ticket-rejected", "The order of a ticket was rejected"),
            Self::TooManyTickets => (StatusCode::TOO_MANY_REQUESTS, "too-many-tickets", "Too many tickets were made"),
            Self::TooManyPublishes => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-publishes", "Too many events were published")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::PublishRejected => (StatusCode::BAD_REQUEST, "event-rejected", "The event was rejected"),
            Self::StoreRefuses => (StatusCode::BAD_GATEWAY, "store-refuses", "The store refuses"),
            Self::StoreRefusesForNow => (StatusCode::SERVICE_UNAVAILABLE, "store-refuses", "The store refuses for now"),
            Self::EventTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", "The event is too large"),
            Self::UnsupportedCoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-coding", "Unsupported content coding")
            }
            Self::HistoryOff => (StatusCode::FORBIDDEN, "history-off", "History over HTTP is off"),
            Self::NotCounted => (StatusCode::NOT_FOUND, "not-counted", "Readers are not counted"),
            Self::TooManyCounts => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-counts", "Readers were asked for too often")
            }
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store is unavailable")
            }
            Self::WrongType => (StatusCode::CONFLICT, "not-a-stream", "The channel's key is not a stream"),
        }
    }
}

/// One problem, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// A sentence for the person who reads the response: what is wrong and what would be right.
    pub(crate) detail: Cow<'static, str>,
    /// `Retry-After`, rounded up to whole seconds.
    pub(crate) retry_after: Option<Duration>,
    /// `Allow`, for [`Kind::MethodNotAllowed`].
    pub(crate) allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, allow: None }
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let mut problem = Self::new(Kind::MethodNotAllowed, format!("This path answers {allow}."));
        problem.allow = Some(allow);
        problem
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl From<Problem> for Answer {
    /// Without CORS headers, which depend on the request.
    fn from(problem: Problem) -> Self {
        let (status, slug, title) = problem.kind.facts();
        let document = Document {
            r#type: format!("urn:fanfare:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: &problem.detail,
        };
        let headers = [
            problem.retry_after.map(|after| (header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)))),
            problem.allow.map(|allow| (header::ALLOW, HeaderValue::from_static(allow))),
            challenge(&problem).map(|challenge| (header::WWW_AUTHENTICATE, challenge)),
            // What would be taken (RFC 9110 section 15.5.16).
            (problem.kind == Kind::UnsupportedCoding)
                .then_some((header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
        ];
        Self::problem(status, &document).with(headers.into_iter().flatten())
    }
}

/// What a token would have to be (RFC 6750 section 3). Who has sent none is told of no error.
fn challenge(problem: &Problem) -> Option<HeaderValue> {
    let error = match problem.kind {
        Kind::Unauthorized
        | Kind::TokenMissing
        | Kind::CertificateInvalid
        | Kind::Unauthenticated
        | Kind::TicketUnknown => {
            return Some(HeaderValue::from_static("Bearer realm=\"fanfare\""));
        }
        Kind::TokenInvalid | Kind::TokenExpired | Kind::TokenRevoked => "invalid_token",
        Kind::Forbidden => {
            return Some(HeaderValue::from_static("Bearer realm=\"fanfare\", error=\"insufficient_scope\""));
        }
        _ => return None,
    };
    // The characters that RFC 6750 allows, of what a header may hold.
    let is_allowed = |character: &char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
    let description: String = problem.detail.chars().filter(is_allowed).collect();
    HeaderValue::from_str(&format!("Bearer realm=\"fanfare\", error=\"{error}\", error_description=\"{description}\""))
        .ok()
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_itself_and_says_what_would_be_right() {
        let answer = Answer::from(Problem::new(Kind::TooManyChannels, "65 given, at most 64"));
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"type": "urn:fanfare:problem:too-many-channels", "title": "Too many channels",
                "status": 400, "detail": "65 given, at most 64"})
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let problem = Problem::new(Kind::Unavailable, "later").retry_after(Duration::from_millis(5_001));
        let reply = Answer::from(problem).into_reply();
        assert_eq!(reply.headers()[header::RETRY_AFTER], "6");
        assert_eq!(reply.status(), 503);
    }

    // Seen to fail when a description may hold what ends it.
    #[test]
    fn a_challenge_says_what_is_wrong_with_a_token_in_the_characters_that_it_may_hold() {
        let challenge = |kind, detail: &'static str| {
            let reply = Answer::from(Problem::new(kind, detail)).into_reply();
            reply.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(challenge(Kind::TokenMissing, "x").unwrap(), r#"Bearer realm="fanfare""#);
        let invalid = challenge(Kind::TokenInvalid, "its \"sub\" is \\ or `é`.\r\nA: b").unwrap();
        assert_eq!(
            invalid,
            r#"Bearer realm="fanfare", error="invalid_token", error_description="its sub is  or ``.A: b""#
        );
        let forbidden = challenge(Kind::Forbidden, "x").unwrap();
        assert_eq!(forbidden, r#"Bearer realm="fanfare", error="insufficient_scope""#);
        for kind in [Kind::CrossSite, Kind::NotAllowed] {
            assert_eq!(challenge(kind, "x"), None, "no token would help");
        }
    }
}
