//! A configuration of an agent is checked or refused with at least one mistake, and the state of an authority is read or refused.
#![no_main]

use carnet_agent::AgentConfig;
use carnet_attest::protocol::{State, Updates};
use carnet_core::SectionConfig as _;
use carnet_spiffe::BundleMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = serde_json::from_slice::<AgentConfig>(bytes)
        && let Err(mistakes) = config.check()
    {
        assert!(!mistakes.is_empty());
    }
    if let Ok(Updates { state: Some(State { bundles, tainted, .. }), .. }) = serde_json::from_slice(bytes) {
        drop(BundleMap::parse(bundles.to_string().as_bytes()));
        assert!(tainted.len() <= bytes.len());
    }
});
