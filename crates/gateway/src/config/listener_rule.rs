//! A listener, as a table `[[server.listen]]` says it.

use std::fmt;

use fanfare_protocol::limits::SOCKET_MODE_DEFAULT;
use fanfare_server::{ListenAddress, Redirect};

use super::certificate_files::CertificateFiles;
use super::choice::{ClientCertificateNeed, ProxyProtocol, TlsVersion};
use super::names::FileName;
use super::tables::TableKey;
use super::value::{FileMode, Value};

/// The name of the tables, and of the key in whose place they stand.
pub(super) const SECTION: &str = "server.listen";

/// Their keys.
pub(super) const KEYS: [TableKey; 12] = [
    TableKey {
        name: "address",
        kind: "address",
        default: "required",
        doc: "An IP address and a port (`\"0.0.0.0:8080\"`, `\"[::]:8080\"`: IPv4, too), or `unix:` and the path of a Unix socket, from the root and of at most 107 bytes. \
              A socket that a dead process has left there is removed; where somebody listens, or the file is no socket, the node does not start. Abstract sockets are not supported.",
    },
    TableKey {
        name: "proxy_protocol",
        kind: "`on` or `off`",
        default: "`server.proxy_protocol`",
        doc: "Whether connections of this listener begin with a header of the PROXY protocol. Then only trusted proxies are served here.",
    },
    TableKey {
        name: "tls_passthrough",
        kind: "boolean",
        default: "`false`",
        doc: "Of a listener with `proxy_protocol` and `client_ca`: its proxy passes TLS through as it comes, so that a certificate is the client's, and counts for `auth.client_certificates`. \
              Otherwise it gives nothing here: it may be the proxy's own, for whoever is behind it.",
    },
    TableKey {
        name: "trusted",
        kind: "boolean",
        default: "`false`",
        doc: "Of a Unix socket only: whoever may connect is a trusted proxy, and what it says of a client's address is believed (see `server.trusted_proxies`, which \
              is about networks and never about Unix sockets). Otherwise all its connections are those of one client, 127.0.0.1.",
    },
    TableKey {
        name: "mode",
        kind: "permissions",
        default: "`\"0660\"`",
        doc: "Of a Unix socket only: who may connect. Its group is that of the node's process, or of the directory, if that has the set-group-ID bit.",
    },
    TableKey {
        name: "certificate",
        kind: "path",
        default: "none",
        doc: "A PEM file with the listener's certificate and its chain, as `server.certificate` is for `server.listen`: its clients speak TLS.",
    },
    TableKey {
        name: "key",
        kind: "path",
        default: "`certificate`",
        doc: "A PEM file with the private key. Without it the key stands in the same file as the certificate.",
    },
    TableKey {
        name: "certificates",
        kind: "tables",
        default: "none",
        doc: "In place of these two: several certificates, each a table `[[server.listen.certificates]]` with `certificate` and `key`. A client is shown the first that is for the \
              name it asks for; without a name, or with an unknown one, the first of all.",
    },
    TableKey {
        name: "min_tls_version",
        kind: "`1.2` or `1.3`",
        default: "`server.min_tls_version`",
        doc: "The oldest version of TLS that is spoken here.",
    },
    TableKey {
        name: "client_ca",
        kind: "path",
        default: "none",
        doc: "A PEM file with authorities: clients are asked for a certificate that one of them has issued, and one that none of them has is refused. Looked at like the certificate.",
    },
    TableKey {
        name: "client_certificates",
        kind: "`require` or `request`",
        default: "`require`",
        doc: "Of a listener with `client_ca`: whether a client without any certificate is refused.",
    },
    TableKey {
        name: "redirect",
        kind: "origin",
        default: "none",
        doc: "Of a plain listener: it serves nothing, and answers every request with `308` and the same path and query at this origin: `\"https://{host}\"` keeps the host that was \
              asked for, without its port; `\"https://events.example.com\"`, or either with a port.",
    },
];

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRule {
    /// Where it listens.
    pub address: ListenAddress,
    /// Whether connections begin with a PROXY header. `None`: as `server.proxy_protocol` says.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Whether the proxy whose PROXY header is read passes on the TLS of its clients.
    pub tls_passthrough: bool,
    /// Whether whoever connects is a trusted proxy.
    pub trusted: bool,
    /// The permissions of a Unix socket's file. `None`: the default.
    pub mode: Option<FileMode>,
    /// What clients are shown, the first by default. None: it is a plain listener.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version of TLS. `None`: as `server.min_tls_version` says.
    pub min_tls_version: Option<TlsVersion>,
    /// Whose certificates of clients are believed. None: clients are not asked for any.
    pub client_ca: FileName,
    /// Whether they have to have one.
    pub client_certificates: Option<ClientCertificateNeed>,
    /// Where clients are sent, if nothing is served.
    pub redirect: Option<Redirect>,
}

impl ListenerRule {
    /// One that has only an address.
    pub(super) const fn at(address: ListenAddress) -> Self {
        Self {
            address,
            proxy_protocol: None,
            tls_passthrough: false,
            trusted: false,
            mode: None,
            certificates: Vec::new(),
            min_tls_version: None,
            client_ca: FileName(None),
            client_certificates: None,
            redirect: None,
        }
    }

    /// The permissions of its file, if it is a Unix socket.
    pub(crate) fn mode(&self) -> FileMode {
        self.mode.unwrap_or(FileMode(SOCKET_MODE_DEFAULT))
    }

    /// Whether clients have to show a certificate, if they are asked for any.
    pub(crate) fn client_certificates(&self) -> ClientCertificateNeed {
        self.client_certificates.unwrap_or(ClientCertificateNeed::Require)
    }
}

/// As the file would say it.
impl fmt::Display for ListenerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[{SECTION}]]")?;
        for (name, value) in [
            ("address", Some(self.address.show())),
            ("proxy_protocol", self.proxy_protocol.as_ref().map(Value::show)),
            ("tls_passthrough", self.tls_passthrough.then(|| "true".to_owned())),
            ("trusted", self.trusted.then(|| "true".to_owned())),
            ("mode", self.mode.as_ref().map(Value::show)),
            ("min_tls_version", self.min_tls_version.as_ref().map(Value::show)),
            ("client_ca", self.client_ca.0.as_ref().map(|_| self.client_ca.show())),
            ("client_certificates", self.client_certificates.as_ref().map(Value::show)),
            ("redirect", self.redirect.as_ref().map(Value::show)),
        ] {
            if let Some(value) = value {
                writeln!(f, "{name} = {value}")?;
            }
        }
        match self.certificates.as_slice() {
            [] => Ok(()),
            [one] => one.fmt(f),
            several => several.iter().try_for_each(|one| write!(f, "\n[[{SECTION}.certificates]]\n{one}")),
        }
    }
}
