//! What one connection thread counts of TLS handshakes.

use fanfare_log::stats::Cell;

/// Totals since start of one connection thread.
#[derive(Debug, Default)]
pub struct TlsStats {
    /// Handshakes that were completed.
    pub established: Cell,
    /// Those that failed: a client without a common version or cipher, with a certificate that is not believed, or that breaks the protocol.
    pub failed: Cell,
    /// Those that did not complete in time.
    pub late: Cell,
    /// Clients that spoke HTTP where TLS is spoken.
    pub plain: Cell,
}
