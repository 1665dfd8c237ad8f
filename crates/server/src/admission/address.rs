//! What counts as the address of one client.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;

/// What counts as one client: an IPv4 address, or an IPv6 /64 (what a single subscriber is given).
/// Never zero, so that an optional one takes no more room: each session may hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AddressKey(NonZeroU64);

impl AddressKey {
    /// IPv4 keys lie in `::/32`, where no IPv6 client can be. The unspecified address, which is no client's, is that of
    /// `0.0.0.1`.
    pub(crate) fn of(address: IpAddr) -> Self {
        let bits = match address.to_canonical() {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(Ipv6Addr::LOCALHOST) => u64::from(std::net::Ipv4Addr::LOCALHOST.to_bits()),
            IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX),
        };
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0.get()
    }

    /// The same for tables of payers.
    pub(crate) const fn key(self) -> NonZeroU64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        AddressKey::of(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_subscriber_is_its_64_bit_network_and_mapped_ipv4_is_ipv4() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::1"), key("127.0.0.1"));
    }
}
