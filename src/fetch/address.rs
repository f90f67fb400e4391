//! Which addresses may be reached: public ones, and private ones only where the settings say so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `[fetch] allow_hosts`: the private hosts that fetching may reach.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    target: Target,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Target {
    Host(String),
    Net(IpAddr, u8),
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{rule}` is no host, address or network: write `host`, `10.0.0.5:8080`, `10.0.0.0/8` or `[fd00::1]:80`"
)]
pub struct AllowRuleError {
    pub rule: String,
}

impl AllowList {
    /// Reads rules of the forms `host`, `IP`, `CIDR`, each with an optional `:port` (an IPv6
    /// address then in brackets).
    ///
    /// # Errors
    /// The first rule that has none of these forms.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self, AllowRuleError> {
        let rules = rules
            .iter()
            .map(|text| {
                parse_rule(text.as_ref().trim()).ok_or_else(|| AllowRuleError {
                    rule: text.as_ref().to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether a rule names this host or address, on this port.
    pub fn names(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let address = canonical(address);
        self.rules.iter().any(|rule| {
            rule.port.is_none_or(|p| p == port)
                && match &rule.target {
                    Target::Host(name) => name.eq_ignore_ascii_case(host),
                    Target::Net(net, prefix) => contains(*net, *prefix, address),
                }
        })
    }

    /// Whether `address`, which `host` resolved to, may be connected to.
    pub fn allows(&self, host: &str, address: IpAddr, port: u16) -> bool {
        is_public(address) || self.names(host, address, port)
    }
}

fn parse_rule(text: &str) -> Option<Rule> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':')?.parse().ok()?),
        };
        let target = parse_net(inside)?;
        return Some(Rule { target, port });
    }
    if let Some(target) = parse_net(text) {
        return Some(Rule { target, port: None });
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let target = match parse_net(name) {
        Some(net) => net,
        None if is_host_name(name) => Target::Host(name.trim_end_matches('.').to_owned()),
        None => return None,
    };
    Some(Rule { target, port })
}

fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

fn parse_net(text: &str) -> Option<Target> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address = canonical(address.parse::<IpAddr>().ok()?);
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(width);
    (prefix <= width).then_some(Target::Net(address, prefix))
}

fn contains(net: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            u32::from(net) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            u128::from(net) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

/// An IPv4 address in IPv6 clothes, undressed.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether an address belongs to the public internet. What is not known to be public is refused.
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // carrier-grade NAT, protocol assignments, benchmarks, 6to4 relays
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 88 && c == 99))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // NAT64 and 6to4 lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, Teredo and other special blocks of 2001::/23.
        [0x2001, second, ..] if second == 0xdb8 || second < 0x200 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast is 2000::/3; everything else is local, multicast or unassigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn private_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.192",
            "::1",
            "::",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
            "::7f00:1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in ["8.8.8.8", "51.158.1.1", "2001:41d0:1::1", "2a01:e00::1"] {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn rules_allow_what_they_name() {
        let list = AllowList::parse(&[
            "127.0.0.1:8080",
            "10.0.0.0/8",
            "rh.intranet.example",
            "ats.intranet.example:8443",
            "[fd00::1]:80",
            "::1",
        ])
        .expect("good rules");
        assert!(list.allows("127.0.0.1", ip("127.0.0.1"), 8080));
        assert!(!list.allows("127.0.0.1", ip("127.0.0.1"), 8081));
        assert!(list.allows("x", ip("10.9.9.9"), 1));
        assert!(list.allows("x", ip("::ffff:10.9.9.9"), 1));
        assert!(list.allows("RH.intranet.example", ip("192.168.0.1"), 80));
        assert!(!list.allows("ats.intranet.example", ip("192.168.0.1"), 80));
        assert!(list.allows("ats.intranet.example", ip("192.168.0.1"), 8443));
        assert!(list.allows("x", ip("fd00::1"), 80));
        assert!(!list.allows("x", ip("fd00::1"), 81));
        assert!(list.allows("localhost", ip("::1"), 9));
        assert!(!list.allows("localhost", ip("127.0.0.2"), 8080));
    }

    #[test]
    fn malformed_rules_are_named() {
        for text in ["", "10.0.0.0/40", "a b", "host:port", "http://x", "[::1"] {
            assert!(AllowList::parse(&[text]).is_err(), "{text}");
        }
    }
}
