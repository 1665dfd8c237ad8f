//! The operators' listener: `/metrics`, `/livez`, `/readyz`, `/status`, and `POST /revocations`.

mod listed_channel;
mod ready;
mod resident_memory;
mod revocations;
mod status;
mod status_json;
mod status_stream;
mod subject;

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use prometheus::Registry;
use serde_json::json;

pub use listed_channel::{ChannelOccupancy, ListedChannel};
pub use ready::{Facts, Health, Proof, Unready, Way};
pub use subject::Subject;

use crate::http::{Answering, Handler, Reply, at_once, json as json_reply, not_allowed, reply, text};
use crate::metrics::{self, Source};
use status::Status;

/// Where to revoke.
const REVOCATIONS: &str = "/revocations";
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers operators' requests about one node.
pub struct Admin<S> {
    subject: Arc<S>,
    registry: Registry,
    status: Status<S>,
}

impl<S: Subject> Admin<S> {
    /// # Errors
    /// See [`metrics::registry`].
    pub fn new(subject: Arc<S>) -> anyhow::Result<Self> {
        let registry = metrics::registry(Arc::clone(&subject) as Arc<dyn Source>)?;
        let status = Status::new(Arc::clone(&subject));
        Ok(Self { subject, registry, status })
    }

    fn metrics(&self) -> Reply {
        match metrics::encode(&self.registry) {
            Ok(body) => reply(StatusCode::OK, METRICS_TYPE, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        }
    }

    fn live(&self) -> Reply {
        let health = self.subject.health();
        let stuck = health.reasons.iter().filter(|reason| matches!(reason, Unready::Stuck { .. }));
        let reasons: Vec<_> = stuck.map(ToString::to_string).collect();
        json_reply(ok_if(health.alive()), &json!({ "alive": health.alive(), "reasons": reasons }))
    }

    fn ready(&self, request: &Request<Incoming>) -> Reply {
        let health = self.subject.health();
        let is_balancer = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "accept=1"));
        json_reply(ok_if(if is_balancer { health.accepts() } else { health.ready() }), &health.to_json())
    }
}

impl<S: Subject> Handler for Admin<S> {
    fn answer(&self, request: &Request<Incoming>) -> Answering {
        at_once(match request.uri().path() {
            "/metrics" => self.metrics(),
            // A wedged Redis is no reason to kill a node that serves from memory; a thread of its own that hangs is.
            "/livez" => self.live(),
            "/readyz" => self.ready(request),
            "/status" => return self.status.answer(request),
            REVOCATIONS => not_allowed("POST", "only POST is understood here\n"),
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /livez, /readyz, /status and POST /revocations\n"),
        })
    }

    fn post(&self, request: Request<Incoming>) -> Option<Answering> {
        let is_there = request.uri().path() == REVOCATIONS;
        is_there.then(|| -> Answering { Box::pin(revocations::answer(self.subject.revocation_writer(), request)) })
    }
}

fn ok_if(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
