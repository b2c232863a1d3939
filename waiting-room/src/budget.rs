//! The join budget of a network: so many joins a minute per /24 or /56, then 429 with Retry-After, never a block.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::DashMapStateStore,
};
use http::HeaderMap;
use web::{Code, Problem, Site};

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>;

pub struct Budget(Option<Limiter>);

impl Budget {
    /// `per_minute` 0 switches the budget off.
    pub fn new(per_minute: u32) -> Self {
        Self(NonZeroU32::new(per_minute).map(|per_minute| RateLimiter::keyed(Quota::per_minute(per_minute))))
    }

    /// Spends one join of the asker's network. A loopback peer that speaks for nobody is this machine itself: exempt.
    pub fn spend(&self, site: &Site, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        let (address, spoken_for) = site.speaks_for(peer, headers);
        if address.is_loopback() && !spoken_for {
            return Ok(());
        }
        limiter.check_key(&network(address)).map_err(|wait| {
            let seconds = wait.wait_time_from(DefaultClock::default().now()).as_secs().saturating_add(1);
            Problem::from(Code::RateLimited).retry_after(u32::try_from(seconds).unwrap_or(60))
        })
    }

    /// Forgets networks whose budget is full again.
    pub fn prune(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

/// The /24 or /56 of an address: one household or office, not one device.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 72)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(proxies: &str) -> Site {
        Site { origin: String::new(), https: false, trusted_proxies: vec![proxies.parse().unwrap()] }
    }

    #[test]
    fn a_network_has_one_budget_and_others_have_their_own() {
        let (budget, site, none) = (Budget::new(2), site("10.0.0.0/8"), HeaderMap::new());
        let peer = |text: &str| SocketAddr::new(text.parse().unwrap(), 1);
        assert!(budget.spend(&site, peer("203.0.113.1"), &none).is_ok());
        assert!(budget.spend(&site, peer("203.0.113.2"), &none).is_ok());
        let refused = budget.spend(&site, peer("203.0.113.3"), &none).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retry_after_seconds.unwrap() >= 1);
        assert!(budget.spend(&site, peer("203.0.114.1"), &none).is_ok());
        assert!(budget.spend(&site, peer("2001:db8:0:1::1"), &none).is_ok());
    }

    #[test]
    fn this_machine_is_exempt_unless_it_speaks_for_others() {
        let (budget, site) = (Budget::new(1), site("127.0.0.0/8"));
        let local = "127.0.0.1:9".parse().unwrap();
        let mut spoken = HeaderMap::new();
        spoken.insert("x-forwarded-for", http::HeaderValue::from_static("203.0.113.9"));
        for _ in 0..5 {
            assert!(budget.spend(&site, local, &HeaderMap::new()).is_ok());
        }
        assert!(budget.spend(&site, local, &spoken).is_ok());
        assert!(budget.spend(&site, local, &spoken).is_err());
    }
}
