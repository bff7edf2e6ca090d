//! What is written to a store and to the files of an audit log reads back as the same.
#![no_main]

use carnet_store::{AuditHead, AuditRecord, Object, Row};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fn reads_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("and read again"), read);
}

fuzz_target!(|bytes: &[u8]| {
    reads_back::<AuditRecord>(bytes);
    reads_back::<AuditHead>(bytes);
    reads_back::<Object>(bytes);
    reads_back::<Row>(bytes);
});
