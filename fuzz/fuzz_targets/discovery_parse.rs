//! No bundle may make a document that is not JSON, and no text makes an issuer that is none.
#![no_main]

use carnet_discovery::{Settings, documents, limits};
use carnet_spiffe::Bundle;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let domain = "example.org".parse().expect("a trust domain");
    if let Ok(bundle) = Bundle::parse(&domain, bytes)
        && let Ok(documents) = documents(&bundle, &Settings::of_issuer("https://issuer.example"))
    {
        let keys: Value = serde_json::from_slice(&documents.jwks).expect("a key set is JSON");
        // Nothing of a private key, whatever the bundle held (RFC 7518, 6).
        for key in keys["keys"].as_array().expect("a list of keys") {
            assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|name| key.get(name).is_none()));
        }
        serde_json::from_slice::<Value>(&documents.openid_configuration).expect("the configuration is JSON");
        drop(limits(&documents));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let settings = Settings::of_issuer(text);
    if settings.check().is_ok() {
        let documents = documents(&Bundle::empty(domain), &settings).expect("the settings were checked");
        let document: Value = serde_json::from_slice(&documents.openid_configuration).expect("JSON");
        assert_eq!(document["issuer"], text);
    }
});
