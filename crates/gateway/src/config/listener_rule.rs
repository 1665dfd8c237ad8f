//! A listener, as a table `[[server.listen]]` says it.

use std::fmt;

use fanfare_protocol::limits::SOCKET_MODE_DEFAULT;
use fanfare_server::ListenAddress;

use super::choice::ProxyProtocol;
use super::tables::TableKey;
use super::value::{FileMode, Value};

/// The name of the tables, and of the key in whose place they stand.
pub(super) const SECTION: &str = "server.listen";

/// Their keys.
pub(super) const KEYS: [TableKey; 4] = [
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
];

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRule {
    /// Where it listens.
    pub address: ListenAddress,
    /// Whether connections begin with a PROXY header. `None`: as `server.proxy_protocol` says.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Whether whoever connects is a trusted proxy.
    pub trusted: bool,
    /// The permissions of a Unix socket's file. `None`: the default.
    pub mode: Option<FileMode>,
}

impl ListenerRule {
    /// One that has only an address.
    pub(super) const fn at(address: ListenAddress) -> Self {
        Self { address, proxy_protocol: None, trusted: false, mode: None }
    }

    /// The permissions of its file, if it is a Unix socket.
    pub(crate) fn mode(&self) -> FileMode {
        self.mode.unwrap_or(FileMode(SOCKET_MODE_DEFAULT))
    }
}

/// As the file would say it.
impl fmt::Display for ListenerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[{SECTION}]]")?;
        for (name, value) in [
            ("address", Some(self.address.show())),
            ("proxy_protocol", self.proxy_protocol.as_ref().map(Value::show)),
            ("trusted", self.trusted.then(|| "true".to_owned())),
            ("mode", self.mode.as_ref().map(Value::show)),
        ] {
            if let Some(value) = value {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}
