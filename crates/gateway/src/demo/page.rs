//! The live page and the list of nodes that it connects to.

use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

use super::publisher::CHANNELS;
use crate::http::{Answering, Handler, at_once, reply, text};

const PAGE: &str = include_str!("page.html");

/// Serves the page.
#[derive(Debug)]
pub struct Page {
    nodes: String,
    policy: HeaderValue,
}

impl Page {
    /// A page for these nodes (their base URLs), over a store of this name.
    ///
    /// # Errors
    /// A URL that cannot stand in a header.
    pub fn new(nodes: &[String], store: &str) -> anyhow::Result<Self> {
        let policy = format!(
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self' {}",
            nodes.join(" ")
        );
        let nodes: Vec<_> = nodes
            .iter()
            .zip(1..)
            .map(|(url, number)| json!({ "name": format!("node {number}"), "url": url }))
            .collect();
        let channels = CHANNELS.map(|(channel, _)| channel);
        let nodes = json!({ "nodes": nodes, "channels": channels, "store": store }).to_string();
        Ok(Self { nodes, policy: HeaderValue::try_from(policy)? })
    }
}

impl Handler for Page {
    fn answer(&self, request: &Request<Incoming>) -> Answering {
        at_once(match request.uri().path() {
            "/" => {
                let mut reply = reply(StatusCode::OK, "text/html; charset=utf-8", PAGE);
                reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
                reply
            }
            "/nodes" => reply(StatusCode::OK, "application/json", self.nodes.clone()),
            _ => text(StatusCode::NOT_FOUND, "the page is at /, its list of nodes at /nodes\n"),
        })
    }
}
