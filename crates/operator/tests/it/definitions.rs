//! The definitions that are checked in are those of the types, and an API server takes them.

use std::path::Path;

/// Writes them instead of comparing them.
const WRITE: &str = "CARNET_WRITE_CRDS";

#[test]
fn the_definitions_in_crds_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let write = std::env::var_os(WRITE).is_some();
    let mut names = Vec::new();
    for (name, text) in carnet_operator::crd::definitions() {
        let path = folder.join(&name);
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "{name} is behind: run this test with {WRITE}=1");
        names.push(name);
    }
    let mut there: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    names.sort();
    assert_eq!(there, names);
}
