//! A node's certificate, and clients that believe it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use fanfare_server::{ListenOptions, Options};
use fanfare_tls::{Identity, ServerConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::Node;

/// What a node shows, and who believes it.
pub struct Authority {
    pub identity: Arc<Identity>,
    pub certificate: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let (config, certificate) = server_config();
        Self { identity: Arc::new(Identity::new(config)), certificate }
    }

    pub fn listen(&self) -> ListenOptions {
        ListenOptions { tls: Some(Arc::clone(&self.identity)), ..SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into() }
    }

    pub fn node(&self, change: impl FnOnce(&mut Options)) -> Node {
        Node::start(|options| {
            options.listeners = vec![self.listen()];
            change(options);
        })
    }

    /// A client that believes it, and speaks this version.
    pub fn config(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

pub fn server_config() -> (ServerConfig, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.enable_secret_extraction = true;
    (config, made.cert.der().clone())
}
