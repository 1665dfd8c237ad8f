//! What the application is asked.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::FORWARD_ANSWER_BYTES_MAX;
use http::header::{self, ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;

use super::options::ForwardOptions;
use crate::ask::AskRequest;
use crate::right::Right;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request that somebody made, as far as the application is asked about it.
#[derive(Clone, Copy)]
pub struct ForwardQuestion<'a> {
    /// What it wants to do.
    pub right: Right,
    /// With which channels. None: the application is to name those of a stream.
    pub channels: &'a [ChannelName],
    /// Its headers, without those that do not count.
    pub headers: &'a HeaderMap,
    /// Its path and query, without a token.
    pub target: &'a str,
    /// Its client's address.
    pub address: IpAddr,
    /// Who pays for the question. No payer has all places for questions.
    pub payer: u64,
}

/// Stands for who asks for what, however the request is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub(super) [u8; 32]);

/// What is sent, and what it stands for.
pub struct ForwardRequest {
    pub(super) ask: AskRequest,
    pub(super) right: Right,
    pub(super) channels: Box<[ChannelName]>,
    pub(super) key: [u8; 32],
    pub(super) asker: Asker,
    pub(super) payer: u64,
    brings_something: bool,
}

impl ForwardRequest {
    /// Whether one of the headers that are sent along is there. Without any the application can only say that it does not know who asks.
    #[must_use]
    pub const fn brings_something(&self) -> bool {
        self.brings_something
    }

    /// Who asks for what.
    #[must_use]
    pub const fn asker(&self) -> Asker {
        self.asker
    }
}

/// What belongs to one connection (RFC 9110, section 7.6.1), to the node, or to the body, and what asks for a part of an answer or for one that
/// has changed, is not sent along.
const OWN: [HeaderName; 21] = [
    header::HOST,
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::USER_AGENT,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Those have no name in RFC 9110.
const OWN_BY_CUSTOM: [&str; 3] = ["keep-alive", "proxy-connection", "http2-settings"];

/// What proxies say of the address, the host and the scheme of a client. The application may believe the node as it believes a proxy, and the
/// node would say it as the client has written it: `address` in the body is what is known of it.
const OF_PROXIES: [&str; 9] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-forwarded-for",
];

/// Whether a header may be sent along.
#[must_use]
pub fn is_forwardable(name: &HeaderName) -> bool {
    let text = name.as_str();
    let is_of_proxies = OF_PROXIES.contains(&text) || text.starts_with("x-forwarded-");
    !OWN.contains(name) && !OWN_BY_CUSTOM.contains(&text) && !is_of_proxies
}

pub(super) fn request(options: &ForwardOptions, question: &ForwardQuestion<'_>) -> ForwardRequest {
    let mut headers = HeaderMap::new();
    for name in options.headers.iter().filter(|name| is_forwardable(name) && !is_nominated(question.headers, name)) {
        for value in question.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    let brings_something = !headers.is_empty();
    let names: Vec<_> = question.channels.iter().map(|channel| channel.as_str().as_bytes()).collect();
    let asker = Asker(key(&headers, [question.right.as_str().as_bytes()].into_iter().chain(names)));
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ACCEPT, JSON);
    let body = json!({
        "right": question.right.as_str(),
        "channels": question.channels.iter().map(ChannelName::as_str).collect::<Vec<_>>(),
        "uri": question.target,
        "address": question.address.to_string(),
    });
    let body = Bytes::from(body.to_string());
    let key = key(&headers, [&*body]);
    let ask = AskRequest {
        method: Method::POST,
        uri: options.url.uri().clone(),
        headers,
        body,
        max_bytes: FORWARD_ANSWER_BYTES_MAX,
        timeout: options.timeout,
    };
    ForwardRequest {
        ask,
        right: question.right,
        channels: question.channels.into(),
        key,
        asker,
        payer: question.payer,
        brings_something,
    }
}

/// Whether the client says that this header is for its connection alone (`Connection: NAME`).
fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(name.as_str()))
}

/// Stands for these headers and what else there is. Lengths keep what stands beside each other apart.
fn key<'a>(headers: &'a HeaderMap, more: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    let fields = headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    for part in fields.chain(more) {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut key = [0; 32];
    key.copy_from_slice(digest.finish().as_ref());
    key
}
