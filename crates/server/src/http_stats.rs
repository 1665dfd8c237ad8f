//! What one connection thread counts of requests. Written by that thread alone, read at scrape.

use fanfare_log::stats::Cell;
use http::StatusCode;

use crate::denied::DeniedCells;
use crate::http2_stats::Http2Stats;
use crate::ticket_use::TicketUseCells;
use crate::tls_stats::TlsStats;

/// Totals since start of one connection thread.
#[derive(Debug, Default)]
pub struct HttpStats {
    /// Requests of every kind, streams included.
    pub requests: Cell,
    /// Subscriptions admitted, whose sockets were taken back from hyper.
    pub subscriptions: Cell,
    /// Events accepted over HTTP.
    pub published: Cell,
    /// History pages served.
    pub histories: Cell,
    /// Publishes answered 503 because as many bytes of bodies are in memory as may be.
    pub busy_publishes: Cell,
    /// History requests answered 503 because as many answers are under way as may be.
    pub busy_histories: Cell,
    /// Requests for the readers of a channel that were answered.
    pub counts: Cell,
    /// Those that were answered 503 because as many wait for the store as may.
    pub busy_counts: Cell,
    /// Those that were answered 429 because the store was asked as often for their payer lately as it may be.
    pub refused_counts: Cell,
    /// Tickets made.
    pub tickets: Cell,
    /// Requests for a ticket answered 503 because as many bytes of orders are under way as may be.
    pub busy_tickets: Cell,
    /// Requests for a ticket answered 429 because as many were made for their payer lately as may be.
    pub refused_tickets: Cell,
    /// Tickets that clients brought, by what came of it.
    pub ticket_uses: TicketUseCells,
    /// Requests that were not allowed, by right and reason.
    pub denied: DeniedCells,
    /// Responses with a status from 400 to 499.
    pub client_errors: Cell,
    /// Responses with a status from 500 on.
    pub server_errors: Cell,
    /// Requests that hyper could not parse.
    pub malformed: Cell,
    /// Connections closed because a request did not arrive, or a response was not read, in time.
    pub timeouts: Cell,
    /// Subscriptions and history requests through a trusted proxy whose forwarding header could not be read, or not to its end.
    pub doubtful_clients: Cell,
    /// Connections of trusted proxies that were closed because they did not begin with a PROXY header.
    pub proxy_headers_failed: Cell,
    /// TLS handshakes, by how they went.
    pub tls: TlsStats,
    /// Connections of HTTP/2.
    pub http2: Http2Stats,
}

impl HttpStats {
    pub(crate) fn answered(&self, status: StatusCode) {
        if status.is_client_error() {
            self.client_errors.add(1);
        } else if status.is_server_error() {
            self.server_errors.add(1);
        }
    }
}
