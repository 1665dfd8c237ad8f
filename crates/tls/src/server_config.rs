//! What rustls is told.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ServerConfig};

use crate::by_name::ByName;
use crate::certificate_error::CertificateError;
use crate::client_certificates::ClientCertificates;
use crate::pair::Pair;
use crate::resumption_keys::ResumptionKeys;

/// The oldest version of TLS that is spoken. Older ones than 1.2 are not (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// TLS 1.2, with forward secrecy and authenticated encryption only, and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// What a listener shows its clients and asks of them.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// At least one. The first is for clients that ask for no name, or for one that none has.
    pub pairs: Vec<Pair>,
    /// `None`: clients are not asked for certificates.
    pub clients: Option<ClientCertificates>,
    /// The oldest version.
    pub min_version: Version,
    /// Protocols that clients may choose from (ALPN, RFC 7301), the best first. Who offers others only is refused; who offers none is not.
    pub alpn: Vec<Vec<u8>>,
    /// The keys of session tickets. Not in use where clients are asked for certificates: a ticket would let a client in whose certificate has expired, or
    /// whose authority is believed no more.
    pub resumption_keys: ResumptionKeys,
}

/// Puts it together.
///
/// # Errors
/// A certificate that is not the first has no name.
pub fn server_config(options: ServerOptions) -> Result<ServerConfig, CertificateError> {
    let ServerOptions { pairs, clients, min_version, alpn, resumption_keys } = options;
    let provider = Arc::new(provider());
    let versions: &[_] = match min_version {
        Version::Tls12 => &[&TLS13, &TLS12],
        Version::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| CertificateError::Cryptography(error.to_string()))?;
    let keeps_no_session = clients.is_some();
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier(&provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(&pairs)?));
    config.alpn_protocols = alpn;
    // Ours is the order of [`provider`].
    config.ignore_client_order = true;
    // Whoever owns the socket takes the keys of the records out of rustls after the handshake.
    config.enable_secret_extraction = true;
    // Early data can be played again by anybody who recorded it: a publish would happen twice.
    config.max_early_data_size = 0;
    // Session tickets hold all; a table of sessions would be memory that strangers fill.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if keeps_no_session {
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = resumption_keys.into_inner();
    }
    Ok(config)
}

/// rustls' with the ciphers in the order that is chosen by: AES with 128 bits is as safe for what is at stake and costs half as much for each event
/// as with 256, and every client that matters here computes it in hardware.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        suite if suite.as_str().is_some_and(|name| name.starts_with("TLS13")) => 1,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 2,
        _ => 3,
    });
    provider
}

#[cfg(test)]
mod tests;
