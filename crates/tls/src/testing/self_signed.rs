//! A certificate that signs itself, and the two sides of connections with it.
#![expect(clippy::expect_used, reason = "in a test a surprise is a failure")]

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate that signs itself, and its key.
#[derive(Debug)]
pub struct SelfSigned {
    certificate: CertificateDer<'static>,
    /// How often a client shows it.
    times: usize,
    key: PrivateKeyDer<'static>,
}

impl SelfSigned {
    /// One for this name.
    ///
    /// # Panics
    /// It is no name of a host.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        Self { certificate: made.cert.der().clone(), times: 1, key }
    }

    /// The same, of which a client shows a chain of so many.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        Self { certificate: self.certificate.clone(), times, key: self.key.clone_key() }
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What a server shows with it. The keys of a connection can be taken out of it.
    #[must_use]
    pub fn server(&self) -> ServerConfig {
        self.server_of(aws_lc_rs::default_provider(), rustls::ALL_VERSIONS)
    }

    /// The same, with these ciphers and versions.
    ///
    /// # Panics
    /// They do not go together.
    #[must_use]
    pub fn server_of(&self, provider: CryptoProvider, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions);
        let builder = builder.expect("versions").with_no_client_auth();
        let shown = builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key());
        let mut config = shown.expect("a certificate and its key");
        config.enable_secret_extraction = true;
        config
    }

    /// The same, for clients that show this certificate.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn server_asking_for(&self, client: &Self) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believed = Arc::new(client.believed());
        let verifier = WebPkiClientVerifier::builder_with_provider(believed, Arc::clone(&provider)).build();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS);
        let builder = builder.expect("versions").with_client_cert_verifier(verifier.expect("an authority"));
        let shown = builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key());
        let mut config = shown.expect("a certificate and its key");
        config.enable_secret_extraction = true;
        config.send_tls13_tickets = 0;
        config
    }

    /// A client that believes it alone, and speaks this version.
    #[must_use]
    pub fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        self.builder(version).with_no_client_auth()
    }

    /// The same, and it shows this certificate.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn client_showing(&self, version: &'static SupportedProtocolVersion, own: &Self) -> ClientConfig {
        let chain = vec![own.certificate.clone(); own.times];
        let shown = self.builder(version).with_client_auth_cert(chain, own.key.clone_key());
        shown.expect("a certificate and its key")
    }

    fn believed(&self) -> RootCertStore {
        let mut believed = RootCertStore::empty();
        believed.add(self.certificate.clone()).expect("a certificate");
        believed
    }

    fn builder(&self, version: &'static SupportedProtocolVersion) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(self.believed())
    }
}
