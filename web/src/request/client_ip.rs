//! The address of the client behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use super::{Site, text};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp {
    pub address: IpAddr,
    /// A trusted proxy named the address; otherwise it is the peer's own.
    pub is_forwarded: bool,
}

impl Site {
    /// The address that a request speaks for: a trusted proxy's word counts, nobody else's.
    pub fn client_ip(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientIp {
        let peer = ClientIp { address: peer.ip().to_canonical(), is_forwarded: false };
        if !self.trusts(peer.address) {
            return peer;
        }
        let forwarded = text(headers, &X_FORWARDED_FOR).unwrap_or_default();
        let mut addresses = forwarded.rsplit(',').filter_map(|address| address.trim().parse::<IpAddr>().ok());
        let client = addresses.find(|address| !self.trusts(*address));
        client.map_or(peer, |client| ClientIp { address: client.to_canonical(), is_forwarded: true })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{headers, site};

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let forwarded = headers(&[("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.7")]);
        let client = |peer: &str| site().client_ip(peer.parse().unwrap(), &forwarded);
        let expected = |address: &str, is_forwarded| ClientIp { address: address.parse().unwrap(), is_forwarded };
        assert_eq!(client("10.1.1.1:5"), expected("203.0.113.9", true));
        assert_eq!(client("198.51.100.1:5"), expected("198.51.100.1", false));
    }
}
