//! No member or audience may make the readers panic; what they accept prints as it was.
#![no_main]

use carnet_gcp::trust::{Member, ProviderName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(member) = Member::parse(text) {
        assert_eq!(member.to_string(), text);
    }
    if let Ok(name) = ProviderName::from_audience(text) {
        assert_eq!(name.audience(), text);
    }
    if let Ok(name) = carnet_gcp::ProviderResource::parse(text, "googleapis.com") {
        assert_eq!(name.to_string(), text);
    }
});
