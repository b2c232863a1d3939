//! The address of the client behind trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Site;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What proxies add to the requests that they forward.
const FORWARDING_HEADERS: [HeaderName; 4] = [header::FORWARDED, X_FORWARDED_FOR, X_REAL_IP, header::VIA];

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp {
    pub address: IpAddr,
    /// A trusted proxy forwarded the request for somebody; otherwise the peer speaks for itself.
    pub is_forwarded: bool,
}

impl Site {
    /// The address that a request speaks for: a trusted proxy's word counts, nobody else's.
    ///
    /// Each proxy appends the address of its own peer, so the list is walked from its end as long as the hops are trusted.
    /// What is no address ends the walk, too: the last trusted hop then stands for everybody behind it.
    pub fn client_ip(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientIp {
        let mut client = ClientIp { address: peer.ip().to_canonical(), is_forwarded: false };
        let mut hops = hops_from_the_last(headers);
        while self.trusts(client.address)
            && let Some(hop) = hops.next()
        {
            client.is_forwarded = true;
            match hop {
                Some(address) => client.address = address,
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// Whether this machine itself sent the request, and not a proxy on it in the name of somebody else.
pub fn is_from_this_machine(peer: SocketAddr, headers: &HeaderMap) -> bool {
    peer.ip().to_canonical().is_loopback() && !FORWARDING_HEADERS.iter().any(|name| headers.contains_key(name))
}

/// The hops that proxies named, the last one first; `None` for what is no address. Several lines are one list.
/// `Forwarded` counts only where there is no `X-Forwarded-For`.
fn hops_from_the_last(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    type Parse = fn(&str) -> Option<IpAddr>;
    let (name, parse): (_, Parse) = if headers.contains_key(X_FORWARDED_FOR) {
        (X_FORWARDED_FOR, parse_address)
    } else {
        (header::FORWARDED, parse_forwarded)
    };
    let elements = headers.get_all(name).iter().rev().flat_map(elements_from_the_last);
    elements.map(move |element| parse(std::str::from_utf8(element).ok()?))
}

/// The elements of a list, the last one first. Empty ones count for nothing (RFC 9110, 5.6.1).
fn elements_from_the_last(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// An address, alone, in brackets, or with a port: `203.0.113.9`, `203.0.113.9:5678`, `::1`, `[::1]`, `[::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

/// The `for` of an element of `Forwarded` (RFC 7239): `for="[2001:db8::1]:4711";proto=https`.
fn parse_forwarded(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut sources = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    parse_address(sources.next()?.1.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::tests::{headers, site};

    fn forwarded(address: &str) -> ClientIp {
        ClientIp { address: address.parse().unwrap(), is_forwarded: true }
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let list = headers(&[("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.7")]);
        let client = |peer: &str| site().client_ip(peer.parse().unwrap(), &list);
        assert_eq!(client("10.1.1.1:5"), forwarded("203.0.113.9"));
        assert_eq!(client("[::ffff:10.1.1.1]:5"), forwarded("203.0.113.9"));
        let itself = ClientIp { address: "198.51.100.1".parse().unwrap(), is_forwarded: false };
        assert_eq!(client("198.51.100.1:5"), itself);
    }

    #[test]
    fn every_notation_of_a_hop_is_read() {
        for (pairs, client) in [
            (&[("x-forwarded-for", "203.0.113.9:5678")][..], "203.0.113.9"),
            (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
            (&[("x-forwarded-for", "[2001:db8::1]")], "2001:db8::1"),
            (&[("x-forwarded-for", "[2001:db8::1]:80,")], "2001:db8::1"),
            (&[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9"),
            (&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.0.0.7")], "203.0.113.9"),
            (&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.9, 10.0.0.7")], "203.0.113.9"),
            (&[("x-forwarded-for", "1.2.3.4, unknown, 10.0.0.7")], "10.0.0.7"),
            (&[("x-forwarded-for", "1.2.3.4, 203.0.113.999")], "10.1.1.1"),
            (&[("x-forwarded-for", "10.0.0.6, 10.0.0.7")], "10.0.0.6"),
            (&[("forwarded", "for=1.2.3.4, For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.7")], "2001:db8::1"),
            (&[("forwarded", "for=203.0.113.9, for=_hidden, for=10.0.0.7")], "10.0.0.7"),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
        ] {
            assert_eq!(
                site().client_ip("10.1.1.1:5".parse().unwrap(), &headers(pairs)),
                forwarded(client),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        let here = |peer: &str, pairs: &[_]| is_from_this_machine(peer.parse().unwrap(), &headers(pairs));
        assert!(here("127.0.0.1:5", &[("host", "localhost")]));
        assert!(here("[::ffff:127.0.0.1]:5", &[]));
        assert!(!here("203.0.113.9:5", &[]));
        for name in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
            assert!(!here("[::1]:5", &[(name, "")]), "{name}");
        }
    }

    /// Hops as a proxy may write them, beside what they mean: `None` for what is no address.
    fn hop() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        let written = |address: IpAddr| {
            let mut ways =
                vec![format!("{address}"), format!(" {address}\t"), format!("{}", SocketAddr::new(address, 80))];
            if address.is_ipv6() {
                ways.push(format!("[{address}]"));
            }
            prop::sample::select(ways).prop_map(move |written| (written, Some(address)))
        };
        prop_oneof![
            4 => any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])).prop_flat_map(written),
            2 => any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([203, b, c, d])).prop_flat_map(written),
            2 => any::<u16>().prop_map(|d| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, d])).prop_flat_map(written),
            1 => "[a-z:._\\[\\]\"-]{1,12}".prop_filter("no address", |text| parse_address(text).is_none())
                .prop_map(|text| (text, None)),
        ]
    }

    /// Each hop on a line of its own, or behind the one before.
    fn lines(hops: &[(String, bool)]) -> HeaderMap {
        let mut lines: Vec<String> = Vec::new();
        for (written, begins_a_line) in hops {
            match lines.last_mut() {
                Some(line) if !begins_a_line => *line = format!("{line},{written}"),
                _ => lines.push(written.clone()),
            }
        }
        let lines = lines.iter().map(|line| (X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap()));
        lines.collect()
    }

    proptest! {
        #[test]
        fn the_client_is_the_last_hop_that_trusted_hops_vouch_for(hops in prop::collection::vec((hop(), any::<bool>()), 0..8)) {
            let (site, peer) = (site(), IpAddr::from([10, 1, 1, 1]));
            let written: Vec<_> = hops.iter().map(|((written, _), begins)| (written.clone(), *begins)).collect();
            let found = site.client_ip(SocketAddr::new(peer, 5), &lines(&written));
            let vouched: Vec<_> = hops.iter().rev().map_while(|((_, address), _)| *address).collect();
            let untrusted = vouched.iter().position(|address| !site.trusts(*address));
            let reached = untrusted.map_or(vouched.last(), |at| vouched.get(at));
            prop_assert_eq!(found, ClientIp { address: *reached.unwrap_or(&peer), is_forwarded: !hops.is_empty() });
        }

        #[test]
        fn what_a_client_writes_itself_changes_nothing(claimed in "[ -~]{0,40}") {
            let list = headers_of(&format!("{claimed}, 203.0.113.9, 10.0.0.7"));
            prop_assert_eq!(site().client_ip("10.1.1.1:5".parse().unwrap(), &list), forwarded("203.0.113.9"));
        }
    }

    fn headers_of(list: &str) -> HeaderMap {
        [(X_FORWARDED_FOR, HeaderValue::from_str(list).unwrap())].into_iter().collect()
    }
}
