//! The operators' listener: `/metrics`, `/livez`, `/readyz`, `/status`, and `POST /revocations`.

mod ready;
mod revocations;

use std::sync::Arc;

use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use prometheus::Registry;
use serde_json::{Value, json};

pub use ready::{Facts, Health, Proof, Unready, Way};

use crate::http::{Answering, Handler, Reply, json as json_reply, not_allowed, reply, text};
use crate::metrics::{self, Samples, Source};
use crate::revocation_writer::RevocationWriter;

const STATUS_PAGE: &str = include_str!("status.html");
/// Where to revoke.
const REVOCATIONS: &str = "/revocations";
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the listener shows.
pub trait Subject: Source {
    /// Whether the node should get connections, and if not, why.
    fn health(&self) -> Health;
    /// Who it is: version, addresses, the store without its password.
    fn identity(&self) -> Value;
    /// What revokes, where tokens are asked for.
    fn revocation_writer(&self) -> Option<Arc<RevocationWriter>>;
}

/// Answers operators' requests about one node.
pub struct Admin<S> {
    subject: Arc<S>,
    registry: Registry,
}

impl<S: Subject> Admin<S> {
    /// # Errors
    /// See [`metrics::registry`].
    pub fn new(subject: Arc<S>) -> anyhow::Result<Self> {
        let registry = metrics::registry(Arc::clone(&subject) as Arc<dyn Source>)?;
        Ok(Self { subject, registry })
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

    fn status(&self, request: &Request<Incoming>) -> Reply {
        if accepts_html(request) {
            return reply(StatusCode::OK, "text/html; charset=utf-8", STATUS_PAGE);
        }
        let mut samples = Samples::default();
        self.subject.collect(&mut samples);
        let status = json!({
            "node": self.subject.identity(),
            "health": self.subject.health().to_json(),
            "metrics": samples.to_json(),
        });
        json_reply(StatusCode::OK, &status)
    }
}

impl<S: Subject> Handler for Admin<S> {
    fn answer(&self, request: &Request<Incoming>) -> Reply {
        match request.uri().path() {
            "/metrics" => self.metrics(),
            // A wedged Redis is no reason to kill a node that serves from memory; a thread of its own that hangs is.
            "/livez" => self.live(),
            "/readyz" => self.ready(request),
            "/status" => self.status(request),
            REVOCATIONS => not_allowed("POST", "only POST is understood here\n"),
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /livez, /readyz, /status and POST /revocations\n"),
        }
    }

    fn post(&self, request: Request<Incoming>) -> Option<Answering> {
        let is_there = request.uri().path() == REVOCATIONS;
        is_there.then(|| -> Answering { Box::pin(revocations::answer(self.subject.revocation_writer(), request)) })
    }
}

fn ok_if(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A browser's address bar asks for HTML by name; curl, scripts and the page itself do not.
fn accepts_html(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
