//! Which of several certificates a client is shown, by the name that it asks for (SNI, RFC 6066 section 3).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate_error::CertificateError;
use crate::pair::Pair;

/// Certificates by their names.
///
/// A client is shown the one that has the name it asks for, or a wildcard one label above (RFC 6125, section 6.4.3: `*.example.com` is
/// `a.example.com`, neither `example.com` nor `a.b.example.com`). Where several have it, as an ECDSA and an RSA one of the same names, it is
/// the first whose key the client can check. Without a name, or with one that none has, it is the first of all of which that is true.
pub(crate) struct ByName {
    /// In the order of the configuration.
    all: Vec<Arc<CertifiedKey>>,
    /// Names, `*.` among them, and places in `all`.
    names: HashMap<String, Vec<usize>>,
}

impl ByName {
    pub(crate) fn new(pairs: &[Pair]) -> Result<Self, CertificateError> {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, pair) in pairs.iter().enumerate() {
            if index > 0 && pair.facts().names.is_empty() {
                return Err(CertificateError::Nameless { file: pair.name.clone() });
            }
            for name in &pair.facts().names {
                names.entry(name.clone()).or_default().push(index);
            }
        }
        Ok(Self { all: pairs.iter().map(|pair| Arc::clone(pair.key())).collect(), names })
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let can_check = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let found = name.and_then(|name| self.places(&name.to_ascii_lowercase()));
        let named = found.iter().flat_map(|places| places.iter()).filter_map(|place| self.all.get(*place));
        // If the client can check none of them it is told so, by the handshake.
        let first = named.clone().next().or_else(|| self.all.first());
        let mut named = named.peekable();
        let chosen = if named.peek().is_some() { named.find(can_check) } else { self.all.iter().find(can_check) };
        chosen.or(first)
    }

    fn places(&self, name: &str) -> Option<&Vec<usize>> {
        let wildcard = || self.names.get(&format!("*.{}", name.split_once('.')?.1));
        self.names.get(name).or_else(wildcard)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).cloned()
    }
}

impl fmt::Debug for ByName {
    /// Says nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("names", &self.names).finish_non_exhaustive()
    }
}
