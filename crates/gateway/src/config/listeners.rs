//! The tables `[[server.listen]]` of the file, and what listens in the end.

use config::ValueKind;
use fanfare_protocol::limits::LISTENERS_MAX;
use fanfare_server::{ListenAddress, Redirect};

use super::certificate_files::CertificateFiles;
use super::certificate_tables;
use super::choice::{ClientCertificateNeed, ProxyProtocol, TlsVersion};
use super::declare::read;
use super::keys::Config;
use super::listener_rule::{self, ListenerRule, SECTION};
use super::names::FileName;
use super::tables::{TableKey, TableParts};
use super::value::FileMode;

/// A table as it is read: what is missing is said at the end.
#[derive(Default)]
pub(super) struct ListenerParts {
    address: Option<ListenAddress>,
    proxy_protocol: Option<ProxyProtocol>,
    tls_passthrough: bool,
    trusted: bool,
    mode: Option<FileMode>,
    certificate: FileName,
    key: FileName,
    certificates: Vec<CertificateFiles>,
    min_tls_version: Option<TlsVersion>,
    client_ca: FileName,
    client_certificates: Option<ClientCertificateNeed>,
    redirect: Option<Redirect>,
}

impl TableParts for ListenerParts {
    type Rule = ListenerRule;
    const NAME: &'static str = SECTION;
    const DOC: &'static str = "Several listeners, or one with settings of its own, in place of the key `server.listen`: a table for each, in the configuration file \
         only. That key in the environment, or as a flag, stands in place of all tables.";
    const MOST: usize = LISTENERS_MAX;
    const KEYS: &'static [TableKey] = &listener_rule::KEYS;

    fn set(&mut self, key: &str, value: &ValueKind) -> Result<(), String> {
        let named = |message| format!("`{SECTION}.{key}`: {message}");
        match key {
            "address" => self.address = Some(read(value).map_err(named)?),
            "proxy_protocol" => self.proxy_protocol = Some(read(value).map_err(named)?),
            "tls_passthrough" => self.tls_passthrough = read(value).map_err(named)?,
            "trusted" => self.trusted = read(value).map_err(named)?,
            "mode" => self.mode = Some(read(value).map_err(named)?),
            "certificate" => self.certificate = read(value).map_err(named)?,
            "key" => self.key = read(value).map_err(named)?,
            "certificates" => self.certificates = certificate_tables::tables(value)?,
            "min_tls_version" => self.min_tls_version = Some(read(value).map_err(named)?),
            "client_ca" => self.client_ca = read(value).map_err(named)?,
            "client_certificates" => self.client_certificates = Some(read(value).map_err(named)?),
            "redirect" => self.redirect = Some(read(value).map_err(named)?),
            _ => return Err(super::unknown::unknown(SECTION, Some(key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<ListenerRule, String> {
        let Some(address) = self.address.clone() else { return Err(format!("a table [[{SECTION}]] needs `address`")) };
        self.fits(&address).map_err(|what| format!("a table [[{SECTION}]] {what}"))?;
        let one = CertificateFiles::of(&self.certificate, &self.key);
        Ok(ListenerRule {
            address,
            proxy_protocol: self.proxy_protocol,
            tls_passthrough: self.tls_passthrough,
            trusted: self.trusted,
            mode: self.mode,
            certificates: one.map_or(self.certificates, |one| vec![one]),
            min_tls_version: self.min_tls_version,
            client_ca: self.client_ca,
            client_certificates: self.client_certificates,
            redirect: self.redirect,
        })
    }
}

impl ListenerParts {
    /// Whether its keys go together, and with its address.
    fn fits(&self, address: &ListenAddress) -> Result<(), &'static str> {
        let is_tcp = address.tcp().is_some();
        if is_tcp && self.trusted {
            return Err("has `trusted` with an IP address: name the proxies in server.trusted_proxies");
        }
        if is_tcp && self.mode.is_some() {
            return Err("has `mode` with an IP address, which has no file");
        }
        let has_one = self.certificate.0.is_some();
        if has_one && !self.certificates.is_empty() {
            return Err("has `certificate` and tables `certificates`: expected one or the other");
        }
        if self.key.0.is_some() && !has_one {
            return Err("has `key` without `certificate`, beside it or in the same table of `certificates`");
        }
        let is_encrypted = has_one || !self.certificates.is_empty();
        if is_encrypted && self.redirect.is_some() {
            return Err(
                "has `redirect` and a certificate: clients of TLS are there already, and a redirect is a plain listener's",
            );
        }
        if !is_encrypted && (self.client_ca.0.is_some() || self.min_tls_version.is_some()) {
            return Err("has `client_ca` or `min_tls_version` without `certificate`: nothing of TLS would be spoken");
        }
        if self.client_certificates.is_some() && self.client_ca.0.is_none() {
            return Err("has `client_certificates` without `client_ca`: nobody's certificate would be believed");
        }
        if self.tls_passthrough && self.client_ca.0.is_none() {
            return Err("has `tls_passthrough` without `client_ca`: nobody's certificate would be believed");
        }
        Ok(())
    }
}

impl Config {
    /// What listens for clients: the tables, if there are some, otherwise `server.listen`.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerRule> {
        if self.listeners.is_empty() {
            let certificate = CertificateFiles::of(&self.server.certificate, &self.server.key);
            let certificates = certificate.into_iter().collect();
            return vec![ListenerRule { certificates, ..ListenerRule::at(self.server.listen.clone()) }];
        }
        self.listeners.clone()
    }

    /// The oldest version of TLS that this listener speaks.
    pub(crate) fn min_tls_version(&self, listener: &ListenerRule) -> TlsVersion {
        listener.min_tls_version.unwrap_or(self.server.min_tls_version)
    }

    /// Whether connections of this listener begin with a PROXY header.
    pub(crate) fn begins_with_header(&self, listener: &ListenerRule) -> bool {
        listener.proxy_protocol.unwrap_or(self.server.proxy_protocol) == ProxyProtocol::On
    }

    /// Whether a client's certificate counts here: it is asked for one, and no proxy that introduces it may show its own instead.
    pub(crate) fn certificates_reach(&self, listener: &ListenerRule) -> bool {
        listener.client_ca.0.is_some() && (listener.tls_passthrough || !self.begins_with_header(listener))
    }

    /// What to say of a listener whose clients show certificates that give them nothing, though certificates give grants elsewhere. It may be
    /// meant: `client_ca` still decides who may connect.
    pub(crate) fn idle_certificates(&self, listener: &ListenerRule) -> Option<String> {
        let is_idle = listener.client_ca.0.is_some() && !self.certificates_reach(listener);
        (self.certificates_count() && is_idle).then(|| {
            format!(
                "`{SECTION}.tls_passthrough` is not set for {}: behind a PROXY header certificates of `client_ca` give no grants \
                 (auth.client_certificates), since they may be the proxy's own; set it where the proxy passes TLS on as it comes",
                listener.address
            )
        })
    }
}
