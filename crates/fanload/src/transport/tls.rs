//! The client's end of TLS: whom it believes, and how it connects.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::authorities;
use super::polled::H2;
use super::secured::Secured;
use super::socket::Socket;
use crate::target::Trust;

/// How all clients of a worker connect.
#[derive(Debug)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    /// One for the server that `host` names, with or without a port. No client resumes another's session: each is a stranger
    /// with a whole handshake.
    ///
    /// # Errors
    /// When certificates cannot be read, or nothing can be called like that.
    pub(crate) fn new(trust: &Trust, host: &str, http2: bool) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let mut config = match trust {
            Trust::Authorities => builder.with_root_certificates(authorities::of_this_machine()?).with_no_client_auth(),
            Trust::File(path) => builder.with_root_certificates(authorities::of_file(path)?).with_no_client_auth(),
            Trust::Anybody => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
            }
        };
        config.resumption = Resumption::disabled();
        if http2 {
            config.alpn_protocols = vec![H2.to_vec()];
        }
        let name = bare(host).to_owned();
        let name = ServerName::try_from(name).with_context(|| format!("no certificate can be for {host:?}"))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// The client's end of a connection that has not begun.
    pub(crate) fn session(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }

    /// TLS on a socket that may still be connecting.
    pub(crate) fn secure(&self, socket: TcpStream) -> Result<Socket, Error> {
        let session = self.session()?;
        Ok(Socket::Tls(Box::new(Secured::client(socket, session))))
    }
}

/// Whether the file can be believed, so that a wrong one is told before anything begins.
///
/// # Errors
/// As [`Connector::new`].
pub(crate) fn check_authorities(path: &Path) -> Result<()> {
    authorities::of_file(path).map(drop)
}

/// A host without its port and without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// Believes every certificate. The signatures of the handshake are checked: a server costs and does the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_without_its_port() {
        for (host, name) in [("a.example:8443", "a.example"), ("127.0.0.1", "127.0.0.1"), ("[::1]:443", "::1")] {
            assert_eq!(bare(host), name);
            assert!(Connector::new(&Trust::Anybody, host, true).is_ok(), "{host}");
        }
        assert!(Connector::new(&Trust::Anybody, "a b", false).is_err());
    }
}
