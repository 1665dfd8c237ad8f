//! The tables `[[server.listen]]` of the file, and what listens in the end.

use config::ValueKind;
use fanfare_protocol::limits::LISTENERS_MAX;
use fanfare_server::ListenAddress;

use super::choice::ProxyProtocol;
use super::declare::read;
use super::keys::Config;
use super::listener_rule::{self, ListenerRule, SECTION};
use super::tables::{TableKey, TableParts};
use super::value::FileMode;

/// A table as it is read: what is missing is said at the end.
#[derive(Default)]
pub(super) struct ListenerParts {
    address: Option<ListenAddress>,
    proxy_protocol: Option<ProxyProtocol>,
    trusted: bool,
    mode: Option<FileMode>,
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
            "trusted" => self.trusted = read(value).map_err(named)?,
            "mode" => self.mode = Some(read(value).map_err(named)?),
            _ => return Err(super::unknown::unknown(SECTION, Some(key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<ListenerRule, String> {
        let Self { address, proxy_protocol, trusted, mode } = self;
        let Some(address) = address else { return Err(format!("a table [[{SECTION}]] needs `address`")) };
        if address.tcp().is_some() {
            if trusted {
                return Err(format!(
                    "a table [[{SECTION}]] has `trusted` with an IP address: name the proxies in server.trusted_proxies"
                ));
            }
            if mode.is_some() {
                return Err(format!("a table [[{SECTION}]] has `mode` with an IP address, which has no file"));
            }
        }
        Ok(ListenerRule { address, proxy_protocol, trusted, mode })
    }
}

impl Config {
    /// What listens for clients: the tables, if there are some, otherwise `server.listen`.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerRule> {
        if self.listeners.is_empty() {
            return vec![ListenerRule::at(self.server.listen.clone())];
        }
        self.listeners.clone()
    }

    /// Whether connections of this listener begin with a PROXY header.
    pub(crate) fn begins_with_header(&self, listener: &ListenerRule) -> bool {
        listener.proxy_protocol.unwrap_or(self.server.proxy_protocol) == ProxyProtocol::On
    }
}
