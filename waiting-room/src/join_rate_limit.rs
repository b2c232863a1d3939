//! The rate limit of joins: so many a minute for each network (/24 or /56), then 429 with Retry-After, never a block.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::DashMapStateStore,
};
use stores::periodic::Periodic;
use tokio_util::sync::CancellationToken;
use web::{ApiError, ErrorCode, request::client_ip::ClientIp};

type NetworkLimiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>;

/// How often networks are forgotten that may join at the full rate again.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// Counts the joins of each network; `None` without a limit.
pub struct JoinRateLimiter(Option<NetworkLimiter>);

impl JoinRateLimiter {
    /// A limit of joins per minute and network; 0 switches it off.
    pub fn new(per_minute: u32) -> Self {
        Self(NonZeroU32::new(per_minute).map(|per_minute| RateLimiter::keyed(Quota::per_minute(per_minute))))
    }

    /// Counts a join of the client's network. A loopback peer without forwarding headers is this machine itself:
    /// exempt.
    ///
    /// # Errors
    /// 429 when the network has used its joins up.
    pub fn check(&self, client: ClientIp) -> Result<(), ApiError> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if client.address.is_loopback() && !client.is_forwarded {
            return Ok(());
        }
        limiter.check_key(&network(client.address)).map_err(|wait| {
            let seconds = wait.wait_time_from(DefaultClock::default().now()).as_secs().saturating_add(1);
            ApiError::from(ErrorCode::RateLimited).retry_after(u32::try_from(seconds).unwrap_or(60))
        })
    }

    /// Forgets networks that have not joined lately, again and again until `stop`: everybody on the Internet may come
    /// once.
    pub async fn keep_pruned(&self, stop: CancellationToken) {
        let Some(limiter) = &self.0 else { return };
        let mut periodic = Periodic::every(PRUNE_INTERVAL, "the rate limit of joins", &stop);
        while periodic.is_due().await {
            limiter.retain_recent();
        }
    }
}

/// The /24 or /56 of an address: a household or an office, not a device.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 72)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> ClientIp {
        ClientIp { address: address.parse().unwrap(), is_forwarded: false }
    }

    #[test]
    fn each_network_has_a_limit_of_its_own() {
        let limiter = JoinRateLimiter::new(2);
        assert!(limiter.check(client("203.0.113.1")).is_ok());
        assert!(limiter.check(client("203.0.113.2")).is_ok());
        let refused = limiter.check(client("203.0.113.3")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!(refused.retry_after_seconds.unwrap() >= 1);
        assert!(limiter.check(client("203.0.114.1")).is_ok());
        assert!(limiter.check(client("2001:db8:0:1::1")).is_ok());
    }

    #[tokio::test]
    async fn networks_that_may_join_at_the_full_rate_are_forgotten() {
        let limiter = JoinRateLimiter::new(u32::MAX);
        assert!(limiter.check(client("203.0.113.1")).is_ok());
        let networks = || limiter.0.as_ref().unwrap().len();
        assert_eq!(networks(), 1);
        let forgotten = async {
            while networks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = limiter.keep_pruned(CancellationToken::new()) => unreachable!("it runs until it is stopped"),
            () = forgotten => {}
        }
    }

    #[test]
    fn this_machine_is_exempt_unless_it_forwards_for_others() {
        let limiter = JoinRateLimiter::new(1);
        for _ in 0..5 {
            assert!(limiter.check(client("127.0.0.1")).is_ok());
        }
        let forwarded = ClientIp { is_forwarded: true, ..client("127.0.0.1") };
        assert!(limiter.check(forwarded).is_ok());
        assert!(limiter.check(forwarded).is_err());
    }
}
