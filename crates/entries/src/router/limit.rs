//! How often one caller may ask.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use carnet_attest::protocol::{Refusal, RefusalCode};
use carnet_issuer::counted_address;
use carnet_spiffe::SpiffeId;
use jiff::Timestamp;

use super::caller::Caller;
use crate::Agent;

/// Calls of one address without an SVID: at once, and for each second. A rack of nodes behind one address gets in.
const STRANGER: Rate = Rate { burst: 100, per_second: 10 };
/// SVIDs and other calls of one agent. An agent with a thousand workloads, each with ten audiences of five minutes, wants 67 a
/// second; that many is a quarter of the RS256 signatures of one core, so that an agent gone wild leaves three quarters to the
/// others. The burst is its start: all SVIDs of five thousand workloads (SPIRE: 500 a second for
/// each kind).
const AGENT: Rate = Rate { burst: 5000, per_second: 1000 };
/// Most callers of one sort that are remembered at once.
const MOST: usize = 20_000;

#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    per_second: u32,
}

/// What is left of the burst, and when that was.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    milli: u64,
    at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    strangers: Mutex<HashMap<Option<IpAddr>, Bucket>>,
    agents: Mutex<HashMap<SpiffeId, Bucket>>,
}

impl Limits {
    pub(super) fn stranger(&self, caller: &Caller, now: Timestamp) -> Result<(), Refusal> {
        take(&self.strangers, caller.ip().map(counted_address), STRANGER, 1, now)
    }

    /// `cost` is the number of SVIDs asked for.
    pub(super) fn agent(&self, agent: &Agent, cost: usize, now: Timestamp) -> Result<(), Refusal> {
        take(&self.agents, agent.id.clone(), AGENT, cost, now)
    }
}

fn take<K: Eq + Hash>(
    buckets: &Mutex<HashMap<K, Bucket>>,
    key: K,
    rate: Rate,
    cost: usize,
    now: Timestamp,
) -> Result<(), Refusal> {
    let full = u64::from(rate.burst) * 1000;
    let cost = u64::try_from(cost).unwrap_or(u64::MAX).saturating_mul(1000);
    let level = |bucket: &Bucket| {
        let passed = now.duration_since(bucket.at).as_millis();
        let gained = u64::try_from(passed).unwrap_or(0).saturating_mul(u64::from(rate.per_second));
        bucket.milli.saturating_add(gained).min(full)
    };
    let too_many = || Refusal::new(RefusalCode::TooMany, "too many requests from this caller").hint("wait a second");
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    if buckets.len() >= MOST && !buckets.contains_key(&key) {
        // A bucket that is full again says nothing.
        buckets.retain(|_, bucket| level(bucket) < full);
        if buckets.len() >= MOST {
            return Err(too_many());
        }
    }
    let milli = buckets.get(&key).map_or(full, level);
    let left = milli.checked_sub(cost);
    buckets.insert(key, Bucket { milli: left.unwrap_or(milli), at: now });
    left.map(drop).ok_or_else(too_many)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_only_the_rate() {
        let buckets = Mutex::default();
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let rate = Rate { burst: 3, per_second: 2 };
        let ask = |key: u8, cost: usize, after: i64| {
            take(&buckets, key, rate, cost, now + SignedDuration::from_millis(after)).is_ok()
        };
        assert!(ask(1, 3, 0));
        assert!(!ask(1, 1, 0));
        assert!(ask(2, 1, 0), "another caller is another matter");
        assert!(!ask(1, 1, 499));
        assert!(ask(1, 1, 500));
        assert!(!ask(1, 1, 500));
        assert!(!ask(3, 4, 0), "more than ever at once");
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_caller() {
        let limits = Limits::default();
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let ask = |address: &str| {
            let address = Some(std::net::SocketAddr::new(address.parse().unwrap(), 1));
            limits.stranger(&Caller { address, certificates: None, call: String::new() }, now).is_ok()
        };
        let let_through = (0..200).filter(|host| ask(&format!("2001:db8::{host:x}"))).count();
        assert_eq!(let_through, 100);
        assert!(ask("2001:db8:0:1::1"), "another network is another matter");
        let each = (0..200).filter(|host| ask(&format!("192.0.2.{host}"))).count();
        assert_eq!(each, 200);
    }

    #[test]
    fn callers_without_number_are_not_remembered_without_number() {
        let buckets = Mutex::default();
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let rate = Rate { burst: 1, per_second: 1 };
        for key in 0..MOST {
            take(&buckets, key, rate, 1, now).unwrap();
        }
        assert_eq!(take(&buckets, MOST, rate, 1, now).unwrap_err().code, RefusalCode::TooMany);
        take(&buckets, MOST, rate, 1, now + SignedDuration::from_secs(1)).unwrap();
        assert_eq!(buckets.lock().unwrap().len(), 1);
    }
}
