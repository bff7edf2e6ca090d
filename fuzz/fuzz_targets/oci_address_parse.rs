//! No region or domain URL may make the readers panic or lead to another host than it shows.
#![no_main]

use carnet_core::test_context;
use carnet_oci::{domain_url::DomainUrl, regions::Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(region) = Region::resolve(&test_context(), text)
        && let Ok(url) = region.endpoint("auth")
    {
        assert_eq!(url.host_str(), Some(region.host("auth").as_str()));
    }
    if let Ok(url) = DomainUrl::parse(text) {
        assert_eq!(DomainUrl::parse(&url.to_string()), Ok(url));
    }
});
