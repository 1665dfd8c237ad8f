//! The application is asked: what it is sent, what its answers mean, and that nothing but a clear answer lets anybody in.
#![allow(clippy::unwrap_used)]

mod answers;
mod kept;
mod questions;
#[path = "../support/mod.rs"]
mod support;
mod waiting;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{
    AskAnswer, AskError, Forward, ForwardError, ForwardOptions, ForwardQuestion, ForwardRequest, Grant, Right, SafeUrl,
    Verdict,
};
use fanfare_protocol::{ChannelName, Pattern};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use support::{NOW, Publisher};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> ForwardOptions {
    ForwardOptions {
        url: SafeUrl::parse("https://app.example/fanfare?key=hunter2").unwrap(),
        headers: vec!["authorization".parse().unwrap(), "cookie".parse().unwrap()],
        timeout: 3 * SECOND,
        concurrency: 2,
        keep: Duration::ZERO,
        denied_grace: Duration::ZERO,
        lifetime: 300 * SECOND,
        max_lifetime: 3_600 * SECOND,
        channels: 3,
        public: [Pattern::parse("news:*").unwrap()].into(),
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn answer(status: u16, body: &[u8]) -> AskAnswer {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::copy_from_slice(body));
    AskAnswer { status, headers: HeaderMap::new(), body }
}

fn request(forward: &Forward, channels: &[&str], headers: &HeaderMap) -> ForwardRequest {
    request_of(forward, channels, headers, 1)
}

fn request_of(forward: &Forward, channels: &[&str], headers: &HeaderMap, payer: u64) -> ForwardRequest {
    let channels: Vec<_> = channels.iter().map(|name| channel(name)).collect();
    let (right, address) = (Right::Subscribe, IpAddr::from([192, 0, 2, 7]));
    let target = "/events?channel=a";
    forward.request(&ForwardQuestion { right, channels: &channels, headers, target, address, payer })
}

/// What an answer to the question whether `user:7` may be followed means.
async fn judged(answer: Result<AskAnswer, AskError>) -> Result<Verdict, ForwardError> {
    let forward = Forward::new(options(), Publisher::new([answer]));
    let verdict = forward.ask(request(&forward, &["user:7"], &HeaderMap::new()), || NOW).await;
    let status = forward.status();
    assert_eq!(
        (status.last_error.is_some(), status.failed(), status.asking),
        (verdict.is_err(), u64::from(verdict.is_err()), 0)
    );
    verdict
}

async fn said(status: u16, body: &str) -> Result<Verdict, ForwardError> {
    judged(Ok(answer(status, body.as_bytes()))).await
}

async fn grant(body: &str) -> Grant {
    match said(200, body).await.unwrap() {
        Verdict::Granted(grant) => *grant,
        other => panic!("{other:?}"),
    }
}

fn gives(grant: &Grant, right: Right, name: &str) -> bool {
    grant.rights.allow(right, &channel(name))
}
