//! Whose a socket or a request is, when proxies stand between.

use std::net::IpAddr;

use fanfare_protocol::limits::FORWARDED_HOPS_MAX;
use http::HeaderMap;

use crate::forwarded::Hop;
use crate::options::ProxyOptions;

/// What the far end of a socket is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) address: IpAddr,
    /// It is a trusted proxy: each of its requests may be another client's, and it says whose.
    pub(crate) is_proxy: bool,
    /// Its listener wants a PROXY header before the first request.
    pub(crate) begins_with_header: bool,
    /// TLS is its own, if it is spoken: no proxy that introduces it by a PROXY header may have ended it, and speak for itself.
    pub(crate) tls_is_its_own: bool,
    /// The place of its listener among those of the node.
    pub(crate) listener: u8,
}

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// A proxy said something that could not be read, or more than is read. `address` is who said so.
    pub(crate) is_doubtful: bool,
}

impl Source {
    /// What is known of an address by itself: nothing of a listener that has rules of its own.
    pub(crate) fn of(address: IpAddr, proxies: &ProxyOptions) -> Self {
        let is_proxy = proxies.trusts(address);
        Self { address, is_proxy, begins_with_header: false, tls_is_its_own: true, listener: 0 }
    }

    /// Whether a certificate that it shows says who the client of its requests is. A trusted proxy may have one, too: that says nothing of
    /// whose requests it brings, nor of the client that its PROXY header has named.
    pub(crate) const fn is_certified_by_its_own(self) -> bool {
        self.tls_is_its_own && !self.is_proxy
    }

    /// The client of a request with these headers: the right-most address that is not a trusted proxy's. Where the list does not
    /// go on, or not in a way that can be read, it is the last proxy that was named, in the end the source itself.
    ///
    /// At most [`FORWARDED_HOPS_MAX`] elements are read.
    pub(crate) fn client(self, headers: &HeaderMap, proxies: &ProxyOptions) -> Client {
        let mut nearest = self.address;
        if self.is_proxy {
            for (count, hop) in proxies.header.hops(headers).enumerate() {
                match hop {
                    _ if count == FORWARDED_HOPS_MAX => return Client { address: nearest, is_doubtful: true },
                    None => {}
                    Some(Hop::Address(address)) => {
                        nearest = address;
                        if !proxies.trusts(address) {
                            break;
                        }
                    }
                    Some(Hop::Unknown) => break,
                    Some(Hop::Malformed) => return Client { address: nearest, is_doubtful: true },
                }
            }
        }
        Client { address: nearest, is_doubtful: false }
    }
}

#[cfg(test)]
mod tests;
