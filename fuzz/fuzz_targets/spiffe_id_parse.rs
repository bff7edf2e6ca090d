//! No text may make the readers of names panic, and what is accepted has one spelling.
#![no_main]

use carnet_spiffe::{Selector, SpiffeId, TrustDomain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.as_str(), text);
        assert!(text.len() <= SpiffeId::MAX_LENGTH);
        assert_eq!(SpiffeId::new(&id.trust_domain(), id.path()), Ok(id));
    }
    if let Ok(domain) = text.parse::<TrustDomain>() {
        assert_eq!(domain.id().trust_domain(), domain);
    }
    if let Ok(selector) = text.parse::<Selector>() {
        assert_eq!(Selector::new(selector.kind(), selector.value()), Ok(selector));
    }
});
