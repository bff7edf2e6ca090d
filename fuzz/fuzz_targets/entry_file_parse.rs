//! Files of registration entries.
#![no_main]

use carnet_attest::Registration;
use carnet_entries::EntryFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(file) = EntryFile::parse(text) else { return };
    for entry in file.entry {
        let _ = Registration::from(entry).check();
    }
});
