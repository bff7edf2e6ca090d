//! What a token says about the session.

use super::*;

#[test]
fn rejects_tags_without_tag_session() {
    let tags = json!({"principal_tags": {"team": ["x"]}});
    let tagged = bent(|case| case.claims["https://aws.amazon.com/tags"] = tags.clone());
    tagged.refused("action", "AccessDenied");
    let allowed = bent(|case| {
        case.claims["https://aws.amazon.com/tags"] = tags;
        case.policy["Statement"][0]["Action"] = json!("sts:*");
    });
    assert_eq!(allowed.decide().grant().unwrap().attributes["tag/team"], "x");
}

/// The case with these tags, for a role that takes tags.
fn tagged(tags: Value) -> Case {
    bent(|case| {
        case.claims["https://aws.amazon.com/tags"] = tags;
        case.policy["Statement"][0]["Action"] = json!("sts:*");
    })
}

#[test]
fn rejects_tags_of_another_form() {
    let good = || json!({"principal_tags": {"team": ["x"], "Stage": ["a b"]}, "transitive_tag_keys": ["team"]});
    assert!(tagged(good()).decide().grant().is_some());
    let long = "x".repeat(257);
    for (place, value) in [
        ("/principal_tags/team", json!(["x", "y"])),
        ("/principal_tags/team", json!("x")),
        ("/principal_tags/team", json!([1])),
        ("/principal_tags/team", json!([])),
        ("/principal_tags/team", json!([long])),
        ("/principal_tags/team", json!(["<x>"])),
        ("/principal_tags/team", json!(["x\n"])),
        ("/principal_tags", json!({"team": ["x"], "Team": ["y"]})),
        ("/principal_tags", json!({"team": ["x"], "": ["y"]})),
        ("/principal_tags", json!({"team": ["x"], "a<b": ["y"]})),
        ("/principal_tags", json!(["team"])),
        ("/transitive_tag_keys", json!("team")),
        ("/transitive_tag_keys", json!([1])),
        ("/transitive_tag_keys", json!(["other"])),
    ] {
        let mut bent = good();
        *bent.pointer_mut(place).unwrap() = value;
        tagged(bent).refused("tags", "InvalidIdentityToken");
    }
    tagged(json!("team=x")).refused("tags", "InvalidIdentityToken");
    let many: Map<String, Value> = (0..51).map(|at| (format!("k{at}"), json!(["x"]))).collect();
    tagged(json!({"principal_tags": many})).refused("tags", "InvalidIdentityToken");
}

#[test]
fn the_flattened_spelling_has_plain_texts() {
    let flat = |key: &str| {
        let mut case = tagged(json!({"principal_tags": {"team": ["x"]}}));
        case.claims[format!("https://aws.amazon.com/tags/principal_tags/{key}")] = json!("prod");
        case.claims["https://aws.amazon.com/tags/transitive_tag_keys"] = json!([key]);
        case
    };
    assert_eq!(flat("stage").decide().grant().unwrap().attributes["tag/stage"], "prod");
    flat("team").refused("tags", "InvalidIdentityToken");
    flat("TEAM").refused("tags", "InvalidIdentityToken");
}

#[test]
fn rejects_source_identity_that_is_no_name() {
    let identified = |who: Value| {
        bent(|case| {
            case.claims["https://aws.amazon.com/source_identity"] = who;
            case.policy["Statement"][0]["Action"] = json!("sts:*");
        })
    };
    let good = identified(json!("alice@example.org")).decide();
    assert_eq!(good.grant().unwrap().attributes["source_identity"], "alice@example.org");
    for who in
        [json!("a<b>&c"), json!("a".repeat(3000)), json!("a"), json!("a b"), json!(""), json!(["alice"]), json!(7)]
    {
        identified(who).refused("source-identity", "InvalidIdentityToken");
    }
}
