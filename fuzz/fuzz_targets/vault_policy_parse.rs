//! No policy, pattern or template may make the emulator panic; a claim never widens a path, what is denied stays denied, and
//! what may be done is what is said of it.
#![no_main]

use std::collections::BTreeMap;

use carnet_vault_sandbox::policy::{Acl, Alias, Entity, Operation, Pattern, Question, parse_policy};
use libfuzzer_sys::fuzz_target;
use serde_json::Map;

const OPERATIONS: [Operation; 6] =
    [Operation::Create, Operation::Delete, Operation::List, Operation::Patch, Operation::Read, Operation::Update];

fn question<'a>(operation: Operation, path: &'a str, body: &'a Map<String, serde_json::Value>) -> Question<'a> {
    Question { operation, path, body, wrap_ttl: None, needs_sudo: false }
}

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, path, name) = input;
    if let Ok(pattern) = Pattern::new(text)
        && pattern.is_exact()
    {
        assert!(pattern.matches(pattern.text()));
    }
    let Ok(policy) = parse_policy(text) else { return };
    let alias = Alias { id: "1".to_owned(), name: name.to_owned(), metadata: BTreeMap::new() };
    let entity = Entity {
        id: "2".to_owned(),
        name: name.to_owned(),
        metadata: [("m".to_owned(), name.to_owned())].into(),
        aliases: [("jwt".to_owned(), alias)].into(),
    };
    let (acl, body) = (Acl::new([&policy], Some(&entity)), Map::new());
    assert!(!acl.is_root(), "no policy makes root");
    let said = acl.capabilities(path);
    // A path that ends in a slash is decided by other patterns for lists than for the rest.
    for operation in OPERATIONS.into_iter().filter(|_| !path.ends_with('/')) {
        if acl.check(&question(operation, path, &body)).is_ok() {
            let needed = operation.capability().expect("help alone needs none").name();
            assert!(said.contains(&needed), "{operation:?} of {path:?}: {said:?}");
        }
    }
    // Twice the same says the same.
    let twice = Acl::new([&policy, &policy], Some(&entity));
    assert_eq!(twice.capabilities(path), said);
    let nobody = parse_policy("path \"*\" { capabilities = [\"deny\"] }").expect("a policy");
    assert_eq!(Acl::new([&nobody], None).capabilities(path), ["deny"]);
});
