//! No profile file may make the reader panic, and writing a section into one never loses a line of another.
#![no_main]

use carnet_core::ini::{Entry, Ini, with_section};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &str| {
    let Ok(before) = Ini::parse(file) else { return };
    for section in before.names().filter_map(|name| before.section(name)) {
        drop(section.check());
    }
    let after = with_section(file, "carnet", &[("region", "iad")]).expect("what was read can be written into");
    let after = Ini::parse(&after).expect("what was written can be read");
    let region = after.section("carnet").and_then(|section| section.get("region"));
    assert_eq!(region.map(Entry::value), Some("iad"));
    for name in before.names() {
        assert!(after.section(name).is_some());
    }
});
