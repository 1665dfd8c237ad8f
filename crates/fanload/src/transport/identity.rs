//! The server's end of TLS: who it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, ServerConfig, ServerConnection};

use super::polled::H2;
use super::secured::Secured;
use super::socket::Socket;

/// Names of this machine that a certificate of ours is for.
const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// How all connections of a server begin.
pub(crate) struct Identity(Arc<ServerConfig>);

impl Identity {
    /// One of two PEM files, or of a new certificate for this machine. TLS 1.3 and 1.2, no session resumed.
    ///
    /// # Errors
    /// When a file cannot be read, or key and certificate do not belong together.
    pub(crate) fn new(files: Option<(&Path, &Path)>, http2: bool) -> Result<Self> {
        let (certificate, key) = match files {
            Some((certificate, key)) => {
                let named = |path: &Path| format!("cannot read {}", path.display());
                (fs::read(certificate).with_context(|| named(certificate))?, fs::read(key).with_context(|| named(key))?)
            }
            None => {
                let made = self_signed()?;
                (made.0.into_bytes(), made.1.into_bytes())
            }
        };
        let chain =
            CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>().context("certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&key).context("no private key")?;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).context("certificate and key")?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A ticket that no client uses is a record that every handshake pays for.
        config.send_tls13_tickets = 0;
        if http2 {
            config.alpn_protocols = vec![H2.to_vec()];
        }
        Ok(Self(Arc::new(config)))
    }

    /// TLS on a socket that was accepted.
    pub(crate) fn secure(&self, socket: TcpStream) -> Result<Socket, Error> {
        let session = ServerConnection::new(Arc::clone(&self.0))?;
        Ok(Socket::Tls(Box::new(Secured::server(socket, session))))
    }
}

/// A new certificate for this machine and its key (ECDSA, P-256), as PEM.
///
/// # Errors
/// When there is no randomness.
pub(crate) fn self_signed() -> Result<(String, String)> {
    let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).context("no certificate can be made")?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}
