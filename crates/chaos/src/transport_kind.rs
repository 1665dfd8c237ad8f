//! How clients and publishers over HTTP talk to nodes.

/// How clients and publishers over HTTP talk to nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TransportKind {
    /// HTTP/1.1 in the clear, through a balancer that reads it.
    #[default]
    Plain,
    /// HTTP/1.1 over TLS, through a balancer that passes it on. A quarter of the clients speak TLS 1.2, the others 1.3.
    Tls,
    /// HTTP/2 in the clear, by prior knowledge, one stream on each connection, through a balancer that passes it on.
    H2,
}

impl TransportKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::H2 => "h2",
        }
    }
}
