//! What nodes send before anybody believes them: no bytes may make a reader panic, and what a template accepts has one
//! spelling.
#![no_main]

use carnet_attest::{IdTemplate, Registration, cms::SignedData, protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = SignedData::parse(bytes) {
        assert!(signed.certificates().iter().all(|der| der.first() == Some(&0x30)));
    }
    let _ = serde_json::from_slice::<protocol::AttestRequest>(bytes);
    let _ = serde_json::from_slice::<Vec<protocol::X509Request>>(bytes);
    let _ = serde_json::from_slice::<Vec<protocol::JwtRequest>>(bytes);
    if let Ok(updates) = serde_json::from_slice::<protocol::Updates>(bytes) {
        let again = serde_json::to_vec(&updates).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<protocol::Updates>(&again).expect("and read again"), updates);
    }
    if let Ok(entry) = serde_json::from_slice::<Registration>(bytes) {
        let _ = entry.check();
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(template) = text.parse::<IdTemplate>() {
        assert_eq!(template.as_str(), text);
    }
});
