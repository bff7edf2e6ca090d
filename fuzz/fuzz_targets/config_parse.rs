//! No configuration file may make the loader panic, and one that is refused says why.
#![no_main]

use carnet_core::MapEnvironment;
use carnet_route::{Config, Registry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let environment = MapEnvironment::of(&[("HOST", "a.example")]);
    if let Err(error) = Config::from_bytes(file, None, &Registry::standard(), &environment) {
        assert!(!error.problems().is_empty());
        error.render(false, 80);
        error.to_json();
    }
});
