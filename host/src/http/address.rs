//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an address is, if it is not a public one.
pub(crate) type Kind = &'static str;

/// Says yes or no to an address that a connection would go to.
#[derive(Debug, Clone)]
pub(crate) struct AddressGuard {
    allowed: Vec<IpNet>,
    loopback: bool,
    anywhere: bool,
}

impl AddressGuard {
    /// Lets public addresses pass, and these.
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self {
            allowed,
            loopback: false,
            anywhere: false,
        }
    }

    /// Lets loopback pass too.
    pub(crate) fn with_loopback(self) -> Self {
        Self {
            loopback: true,
            ..self
        }
    }

    /// Lets everything pass: what is left to do when a proxy connects in our place.
    pub(crate) fn anywhere() -> Self {
        Self {
            anywhere: true,
            ..Self::new(Vec::new())
        }
    }

    /// Refuses an address by saying what it is.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Kind> {
        let Some(kind) = kind(address) else {
            return Ok(());
        };
        let canonical = canonical(address);
        let named = |net: &IpNet| net.contains(&address) || net.contains(&canonical);
        if self.anywhere
            || (self.loopback && canonical.is_loopback())
            || self.allowed.iter().any(named)
        {
            return Ok(());
        }
        Err(kind)
    }
}

/// The IPv4 address that an IPv6 address stands for, if it does; else the address itself.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// IPv4-mapped and IPv4-compatible (RFC 4291 2.5.5), IPv4-translated (RFC 2765 2.1), NAT64 (RFC 6052 2.1) and
/// 6to4 (RFC 3056) addresses all end up at the IPv4 address they hold.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let pair = match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => (high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(
        (u32::from(pair.0) << 16) | u32::from(pair.1),
    ))
}

fn kind(address: IpAddr) -> Option<Kind> {
    match canonical(address) {
        IpAddr::V4(v4) => V4.iter().find(|(net, _)| net.contains(&v4)).map(|n| n.1),
        IpAddr::V6(v6) => V6.iter().find(|(net, _)| net.contains(&v6)).map(|n| n.1),
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(first: u16, second: u16, third: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), length)
}

/// What the IANA IPv4 special-purpose registry (RFC 6890) calls not globally reachable, documentation left out.
const V4: [(Ipv4Net, Kind); 12] = [
    (v4(0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 10), "a carrier's shared address"),
    (v4(127, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 12), "a private address"),
    (v4(192, 0, 0, 24), "a protocol assignment"),
    (v4(192, 88, 99, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 16), "a private address"),
    (v4(198, 18, 0, 15), "a benchmarking address"),
    (v4(224, 0, 0, 4), "a multicast address"),
    (v4(240, 0, 0, 4), "a reserved or broadcast address"),
];

/// The same of IPv6.
const V6: [(Ipv6Net, Kind); 8] = [
    (
        Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
        "the unspecified address",
    ),
    (
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
        "a loopback address",
    ),
    (v6(0x64, 0xff9b, 1, 48), "a local NAT64 address"),
    (v6(0x100, 0, 0, 64), "a discard address"),
    (v6(0xfc00, 0, 0, 7), "a unique local address"),
    (v6(0xfe80, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 10), "a site-local address"),
    (v6(0xff00, 0, 0, 8), "a multicast address"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &AddressGuard, address: &str) -> Result<(), Kind> {
        guard.check(address.parse().unwrap())
    }

    #[test]
    fn trust_11_what_is_not_public_is_refused_in_all_its_forms() {
        let refused = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2002:0a00:0001::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let guard = AddressGuard::new(Vec::new());
        for address in refused {
            assert!(check(&guard, address).is_err(), "{address}");
        }
    }

    #[test]
    fn trust_11_public_addresses_pass() {
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.2.1",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ];
        let guard = AddressGuard::new(Vec::new());
        for address in public {
            assert_eq!(check(&guard, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn trust_11_what_the_policy_names_passes_and_nothing_beside_it() {
        let guard = AddressGuard::new(vec!["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(check(&guard, "10.1.2.3"), Ok(()));
        assert_eq!(check(&guard, "::ffff:10.1.2.3"), Ok(()));
        assert_eq!(check(&guard, "10.2.2.3"), Err("a private address"));
        assert_eq!(check(&guard, "127.0.0.1"), Err("a loopback address"));
    }

    #[test]
    fn trust_11_loopback_is_allowed_apart_from_the_rest() {
        let guard = AddressGuard::new(Vec::new()).with_loopback();
        assert_eq!(check(&guard, "127.0.0.1"), Ok(()));
        assert_eq!(check(&guard, "::1"), Ok(()));
        assert_eq!(check(&guard, "10.0.0.1"), Err("a private address"));
    }
}
