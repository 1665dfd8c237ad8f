//! How a client's bytes travel.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientConfig, WantsClientCert};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConnection, ConfigBuilder, RootCertStore, SupportedProtocolVersion};

use crate::authority::Issued;
use crate::certificate::{Certificate, NAME};
use crate::http2_clients::Http2Clients;
use crate::http2_connection::ALPN;

/// How a client's bytes travel to a server. A clone shares what is remembered of earlier handshakes.
#[derive(Clone, Debug, Default)]
pub enum Transport {
    /// In the clear, over TCP.
    #[default]
    Plain,
    /// Protected by TLS, over TCP, to the name `localhost`.
    Tls(Arc<ClientConfig>),
    /// As HTTP/2, in the clear by prior knowledge or over TLS. Tests go on speaking HTTP/1.1, which is translated; clients share connections.
    Http2(Arc<Http2Clients>),
}

impl Transport {
    /// TLS 1.3 of a client that believes these certificates, and remembers sessions, as browsers do.
    #[must_use]
    pub fn tls(certificates: &[&Certificate]) -> Self {
        client(
            certificates.iter().map(|certificate| certificate.to_der()),
            &rustls::version::TLS13,
            Arc::new(DefaultTimeProvider),
        )
    }

    /// The same of a client that shows a certificate.
    #[must_use]
    pub fn tls_as(client: &Issued, certificates: &[&Certificate]) -> Self {
        let builder = builder(
            certificates.iter().map(|certificate| certificate.to_der()),
            &rustls::version::TLS13,
            Arc::new(DefaultTimeProvider),
        );
        let shown = vec![client.certificate.clone()];
        let config = builder.with_client_auth_cert(shown, client.key.clone_key()).expect("a certificate and its key");
        Self::Tls(Arc::new(config))
    }

    /// TLS 1.2 of such a client.
    #[must_use]
    pub fn tls12(certificates: &[&Certificate]) -> Self {
        client(
            certificates.iter().map(|certificate| certificate.to_der()),
            &rustls::version::TLS12,
            Arc::new(DefaultTimeProvider),
        )
    }

    /// TLS 1.3 of a client whose clock has stopped in the summer of 2020.
    #[must_use]
    pub fn tls_in_2020(certificates: &[&Certificate]) -> Self {
        client(
            certificates.iter().map(|certificate| certificate.to_der()),
            &rustls::version::TLS13,
            Arc::new(SummerOf2020),
        )
    }

    /// TLS 1.3 of a client that believes the authority whose certificate is in this file, in PEM.
    #[must_use]
    pub fn tls_of(authority: &Path) -> Self {
        let authority = CertificateDer::from_pem_file(authority).expect("a file with a certificate");
        client([authority], &rustls::version::TLS13, Arc::new(DefaultTimeProvider))
    }

    /// HTTP/2 in the clear, by prior knowledge (RFC 9113, section 3.3).
    #[must_use]
    pub fn http2() -> Self {
        Self::Http2(Arc::new(Http2Clients::new(None)))
    }

    /// HTTP/2 over TLS 1.3, asked for with ALPN, of clients that believe these certificates.
    #[must_use]
    pub fn http2_over_tls(certificates: &[&Certificate]) -> Self {
        let Self::Tls(config) = Self::tls(certificates) else { unreachable!("TLS is spoken") };
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self::Http2(Arc::new(Http2Clients::new(Some(Arc::new(config)))))
    }

    /// The first message of a handshake of TLS, as its bytes. Panics where HTTP/1.1 is not spoken over TLS.
    #[must_use]
    pub fn client_hello(&self) -> Vec<u8> {
        let Self::Tls(config) = self else { panic!("a handshake of TLS") };
        let name = ServerName::try_from(NAME).expect("a name");
        let mut session = ClientConnection::new(Arc::clone(config), name).expect("a handshake");
        let mut hello = Vec::new();
        session.write_tls(&mut hello).expect("memory");
        hello
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(_) => true,
            Self::Http2(clients) => clients.is_tls(),
        }
    }

    /// Whether HTTP/2 is spoken.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }
}

fn client(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    version: &'static SupportedProtocolVersion,
    clock: Arc<dyn TimeProvider>,
) -> Transport {
    Transport::Tls(Arc::new(builder(certificates, version, clock).with_no_client_auth()))
}

/// A client that believes these certificates, up to the one that it shows itself.
fn builder(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    version: &'static SupportedProtocolVersion,
    clock: Arc<dyn TimeProvider>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut believed = RootCertStore::empty();
    for certificate in certificates {
        believed.add(certificate).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_details(provider, clock).with_protocol_versions(&[version]);
    config.expect("a version").with_root_certificates(believed)
}

/// A clock that stands still, for certificates that have expired since.
#[derive(Debug)]
struct SummerOf2020;

impl TimeProvider for SummerOf2020 {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_593_561_600)))
    }
}
