//! Connections that no question uses now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_protocol::limits::{ASK_IDLE, ASK_IDLE_MAX};
use tokio::time::Instant;

use super::connection::Connection;
use super::service::Service;

/// They are kept for some seconds, so that a service that is asked often is not connected to for each question: besides the handshakes, each
/// connection that ends takes a port away for a minute. The youngest is taken first.
#[derive(Default)]
pub(super) struct IdleConnections(Mutex<Vec<Idle>>);

struct Idle {
    service: Service,
    connection: Connection,
    since: Instant,
}

impl IdleConnections {
    /// One to this service.
    pub(super) fn take(&self, service: &Service) -> Option<Connection> {
        let mut idle = self.fresh();
        let index = idle.iter().rposition(|idle| idle.service == *service)?;
        Some(idle.remove(index).connection)
    }

    /// Keeps one whose last answer has come as a whole.
    pub(super) fn put(&self, service: Service, connection: Connection) {
        let mut idle = self.fresh();
        if connection.is_good() {
            if idle.len() >= ASK_IDLE_MAX {
                idle.remove(0);
            }
            idle.push(Idle { service, connection, since: Instant::now() });
        }
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<Idle>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.connection.is_good() && idle.since.elapsed() < ASK_IDLE);
        idle
    }
}
