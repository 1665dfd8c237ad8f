//! How clients and publishers over HTTP talk to nodes.

use fanfare_e2e::{Certificate, Transport};

/// How clients and publishers over HTTP talk to nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TransportKind {
    /// HTTP/1.1 in the clear, through a balancer that reads it.
    #[default]
    Plain,
    /// HTTP/1.1 over TLS, through a balancer that passes it on. A quarter of the clients speak TLS 1.2, the others 1.3.
    Tls,
    /// HTTP/2 in the clear, by prior knowledge, through a balancer that passes it on. Up to eight clients share a connection.
    H2,
    /// HTTP/2 over TLS 1.3, asked for with ALPN, shared in the same way.
    H2Tls,
}

impl TransportKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::H2 => "h2",
            Self::H2Tls => "h2-tls",
        }
    }

    /// Certificates for nodes, where they have any. Clients believe each.
    pub(crate) fn certificates(self) -> Vec<Certificate> {
        match self {
            Self::Plain | Self::H2 => Vec::new(),
            Self::Tls | Self::H2Tls => vec![Certificate::new(), Certificate::new()],
        }
    }

    /// How clients of nodes with these certificates talk: each takes one of these.
    pub(crate) fn transports(self, certificates: &[Certificate]) -> Vec<Transport> {
        let certificates: Vec<&Certificate> = certificates.iter().collect();
        match self {
            Self::Plain => vec![Transport::Plain],
            Self::Tls => {
                let new = Transport::tls(&certificates);
                vec![new.clone(), new.clone(), new, Transport::tls12(&certificates)]
            }
            Self::H2 => vec![Transport::http2()],
            Self::H2Tls => vec![Transport::http2_over_tls(&certificates)],
        }
    }
}
