//! How often one reader may ask: a consumer by its key, everybody else by address.
//!
//! Windows are counted in this process's own time, not by the hub's clock: what is published is a
//! function of that one (law 4), how fast it is read is not. Each serving process counts for itself.

use super::respond::{Problem, put};
use crate::fetch::AllowList;
use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{LazyLock, Mutex},
    time::Instant,
};

/// The problem type of a spent quota, as IANA registers it.
const EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const FORWARDED: &str = "x-forwarded-for";
/// Addresses that are told apart in one window; further ones share one count.
const MOST_ADDRESSES: usize = 100_000;
/// Proxies in a row that a request may have come through.
const MOST_HOPS: usize = 16;

/// How many requests in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub requests: u32,
    pub seconds: u32,
}

/// What is left of a quota after a request, and the seconds until it is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// `None`: nothing was left for this request.
    left: Option<u32>,
    reset: u64,
}

/// Seconds since this process asked first.
fn seconds() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed().as_secs()
}

/// Whole windows that have passed at `now`, and the seconds to the next.
fn window(quota: Quota, now: u64) -> (u64, u64) {
    let length = u64::from(quota.seconds.max(1));
    (now / length, length - now % length)
}

fn count(quota: Quota, used: &mut u32, reset: u64) -> Spent {
    let left = quota.requests.checked_sub(*used + 1);
    if left.is_some() {
        *used += 1;
    }
    Spent { left, reset }
}

/// The requests of one reader in the present window.
#[derive(Debug, Default)]
pub struct Window(Mutex<(u64, u32)>);

impl Window {
    pub fn spend(&self, quota: Quota) -> Spent {
        self.spend_at(quota, seconds())
    }

    fn spend_at(&self, quota: Quota, now: u64) -> Spent {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let (number, reset) = window(quota, now);
        if held.0 != number {
            *held = (number, 0);
        }
        count(quota, &mut held.1, reset)
    }
}

/// Readers without a key, by address.
#[derive(Debug)]
pub struct Anonymous {
    quota: Option<Quota>,
    proxies: AllowList,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    window: u64,
    used: HashMap<IpAddr, u32>,
    /// Of all the addresses for which there was no room.
    others: u32,
}

impl Anonymous {
    /// Behind one of `proxies`, the address is the one that it names.
    pub fn new(quota: Option<Quota>, proxies: AllowList) -> Self {
        Self {
            quota,
            proxies,
            held: Mutex::default(),
        }
    }

    /// Counts a request that came from `peer` with `headers`; `None` where nothing is counted.
    pub fn spend(&self, peer: IpAddr, headers: &HeaderMap) -> Option<(Quota, Spent)> {
        let quota = self.quota?;
        let client = network_of(self.client(peer, headers));
        Some((quota, self.spend_at(quota, client, seconds())))
    }

    fn spend_at(&self, quota: Quota, client: IpAddr, now: u64) -> Spent {
        let mut held = self.held.lock().unwrap_or_else(|e| e.into_inner());
        let (number, reset) = window(quota, now);
        if held.window != number {
            *held = Held {
                window: number,
                ..Held::default()
            };
        }
        let room = held.used.len() < MOST_ADDRESSES || held.used.contains_key(&client);
        let used = match room {
            true => held.used.entry(client).or_default(),
            false => &mut held.others,
        };
        count(quota, used, reset)
    }

    /// The nearest address on the way here that is not a proxy of ours: whatever stands before it in
    /// the header, anybody may have written.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut at = peer;
        let lines = headers.get_all(FORWARDED).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(MOST_HOPS) {
            if !self.proxies.names("", at, 0) {
                break;
            }
            match address(hop.trim()) {
                Some(address) => at = address,
                None => break,
            }
        }
        at
    }
}

/// An address as proxies write it: alone, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

/// One reader has a whole /64 of IPv6.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        },
    }
}

impl Spent {
    pub fn is_refused(self) -> bool {
        self.left.is_none()
    }

    /// 429: `policy` is spent.
    pub fn refusal(self, policy: &str) -> Response {
        let mut response = Problem::of_type(
            StatusCode::TOO_MANY_REQUESTS,
            EXCEEDED,
            "Request cannot be satisfied as assigned quota has been exceeded",
        )
        .detail(format!(
            "Come back in {} s. /api/v1/changes?wait=50 and /api/v1/changes/stream tell of changes without asking often.",
            self.reset
        ))
        .with("violated-policies", serde_json::json!([policy]))
        .into_response();
        let headers = response.headers_mut();
        put(headers, header::RETRY_AFTER, &self.reset.to_string());
        response
    }

    /// Tells the reader where it stands: draft-ietf-httpapi-ratelimit-headers.
    pub fn tell(self, policy: &str, quota: Quota, headers: &mut HeaderMap) {
        let Quota { requests, seconds } = quota;
        put(
            headers,
            POLICY,
            &format!("\"{policy}\";q={requests};w={seconds}"),
        );
        let left = self.left.unwrap_or(0);
        put(
            headers,
            LIMIT,
            &format!("\"{policy}\";r={left};t={}", self.reset),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Quota = Quota {
        requests: 2,
        seconds: 60,
    };

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_window_is_spent_and_comes_back() {
        let window = Window::default();
        let left = |at| window.spend_at(TWO, at);
        let spent = |left, reset| Spent { left, reset };
        assert_eq!(left(7), spent(Some(1), 53));
        assert_eq!(left(7), spent(Some(0), 53));
        assert_eq!(left(59), spent(None, 1));
        assert_eq!(left(60), spent(Some(1), 60));
    }

    #[test]
    fn only_proxies_of_ours_name_another_address() {
        let proxies = AllowList::parse(&["127.0.0.1", "10.0.0.0/8"]).unwrap();
        let limit = Anonymous::new(Some(TWO), proxies);
        for (peer, lines, client) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            // Who is no proxy of ours cannot pretend.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the client wrote itself stands on the left.
            (
                "127.0.0.1",
                &["192.0.2.77, 198.51.100.1, 10.1.2.3"],
                "198.51.100.1",
            ),
            ("127.0.0.1", &["192.0.2.77", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["[2001:db8::7]:80"], "2001:db8::7"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, unknown"], "127.0.0.1"),
        ] {
            let peer = peer.parse().unwrap();
            let found = limit.client(peer, &headers(lines));
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{lines:?}");
        }
    }

    #[test]
    fn addresses_are_counted_apart_and_an_ipv6_network_is_one() {
        let limit = Anonymous::new(Some(TWO), AllowList::default());
        let ask = |address: &str| {
            let address = network_of(address.parse().unwrap());
            limit.spend_at(TWO, address, 0).left
        };
        assert_eq!(
            (ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.1")),
            (Some(1), Some(0), None)
        );
        assert_eq!(ask("::ffff:192.0.2.1"), None);
        assert_eq!(ask("192.0.2.2"), Some(1));
        assert_eq!(ask("2001:db8::1"), Some(1));
        assert_eq!(ask("2001:db8::ffff:2"), Some(0));
        assert_eq!(ask("2001:db8:0:1::1"), Some(1));
        assert!(
            Anonymous::new(None, AllowList::default())
                .spend("192.0.2.1".parse().unwrap(), &HeaderMap::new())
                .is_none()
        );
    }
}
