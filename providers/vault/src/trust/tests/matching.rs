//! Bound claims, identity, metadata and groups.

use super::*;

fn bound(claim: &str, wanted: Value) -> Case {
    Case::valid().role("bound_claims", Value::from_iter([(claim, wanted)]))
}

#[test]
fn values_match_by_type_and_text() {
    for (seen, wanted, good) in [
        (json!("a"), json!("a"), true),
        (json!("a"), json!(["b", "a"]), true),
        (json!(["x", "a"]), json!(["b", "a"]), true),
        (json!("A"), json!("a"), false),
        (json!("a"), json!("a*"), false),
        (json!(true), json!(true), true),
        (json!("true"), json!(true), false),
        (json!(true), json!("true"), false),
        (json!(1), json!(1), true),
        (json!(2), json!(1), false),
        (json!(-3), json!(-3), true),
        // Fractions are cut off.
        (json!(1.9), json!(1), true),
        (json!(1.9), json!(1.9), false),
        // Numbers in lists never match.
        (json!([1]), json!([1]), false),
        (json!([true]), json!([true]), true),
        (json!([]), json!("a"), false),
    ] {
        let case = bound("x", wanted.clone()).claim("x", seen.clone());
        assert_eq!(case.decide().grant().is_some(), good, "{seen} for {wanted}");
    }
}

#[test]
fn a_number_that_is_cut_to_match_is_warned_of() {
    for (seen, wanted, warned) in [
        (json!(1.9), json!(1), true),
        // The end of the range stands for all that is beyond it.
        (json!(u64::MAX), json!(i64::MAX), true),
        (json!(i64::MAX), json!(i64::MAX), false),
        (json!(1), json!(1), false),
    ] {
        let grant = bound("x", wanted.clone()).claim("x", seen.clone()).allowed();
        let told = grant.warnings.iter().any(|warning| warning.message.contains("cuts it"));
        assert_eq!(told, warned, "{seen} for {wanted}: {:?}", grant.warnings);
    }
}

#[test]
fn patterns_match_texts_only_and_stars_cross_slashes() {
    for (seen, wanted, good) in [
        (json!("spiffe://td/a/b"), json!("spiffe://td/*"), true),
        (json!("spiffe://te/a"), json!("spiffe://td/*"), false),
        (json!("abc"), json!("a?c"), false),
        (json!("a?c"), json!("a?c"), true),
        (json!("x"), json!("x"), true),
        (json!(""), json!(""), true),
        (json!("x"), json!(""), false),
        (json!(1), json!("*"), false),
        (json!([1, "main"]), json!("m*n"), true),
    ] {
        let case = bound("x", wanted.clone()).role("bound_claims_type", json!("glob")).claim("x", seen.clone());
        assert_eq!(case.decide().grant().is_some(), good, "{seen} for {wanted}");
    }
}

#[test]
fn pointers_look_inside_and_other_names_do_not() {
    for (name, wanted, good) in [
        ("/org/id", json!(7), true),
        ("/org/a~1b", json!("deep"), true),
        ("/groups/0", json!("ops"), true),
        ("org.id", json!(7), false),
        ("/org/none", json!(7), false),
        ("/team", json!("blue"), true),
    ] {
        assert_eq!(bound(name, wanted).decide().grant().is_some(), good, "{name}");
    }
    bound("https://x/y", json!("z")).claim("https://x/y", json!("z")).allowed();
}

#[test]
fn rejects_absent_claim_other_claim_and_object() {
    assert_eq!(bound("x", json!("a")).refused("claim-missing").code, "error validating claims: claim \"x\" is missing");
    let refusal = bound("team", json!("red")).refused("bound-claims");
    assert_eq!(
        refusal.code,
        "error validating claims: claim \"team\" does not match any associated bound claim values"
    );
    assert_eq!((refusal.seen.as_str(), refusal.wanted.as_str()), ("team \"blue\"", "team \"red\""));
    let object = json!({ "b": [1, 1.5], "a": { "c": null, "d": true } });
    assert_eq!(
        bound("org", json!("a")).claim("org", object).refused("bound-claims").code,
        "error validating claims: received claim is not a string, bool, int or list: map[a:map[c:<nil> d:true] b:[1 1.5]]"
    );
}

#[test]
fn a_claim_that_is_null_is_absent() {
    let null = |case: Case, claim: &str| case.claim(claim, Value::Null);
    null(bound("x", json!("a")), "x").refused("claim-missing");
    null(Case::valid().role("user_claim", json!("x")), "x").refused("user-claim");
    assert!(null(Case::valid(), "groups").refused("groups").code.starts_with("failed to fetch groups: "));
    let grant = null(Case::valid().role("claim_mappings", json!({ "x": "x" })), "x").allowed();
    assert_eq!(grant.attributes.get("x"), None);
    let pointer = json!({ "a": null });
    bound("/x/a", json!("b")).claim("x", pointer).refused("claim-missing");
}

#[test]
fn every_bound_claim_must_hold() {
    let both = json!({ "team": "blue", "groups": "ops" });
    Case::valid().role("bound_claims", both.clone()).allowed();
    Case::valid().role("bound_claims", both).claim("groups", json!(["dev"])).refused("bound-claims");
}

#[test]
fn rejects_user_claim_that_is_absent_or_no_text() {
    assert_eq!(
        Case::valid().role("user_claim", json!("mail")).refused("user-claim").code,
        "claim \"mail\" not found in token"
    );
    assert!(Case::valid().role("user_claim", json!("org")).refused("user-claim").code.ends_with("converted to string"));
}

#[test]
fn the_user_claim_is_a_pointer_only_when_the_role_says_so() {
    let case = || Case::valid().role("user_claim", json!("/org/a~1b"));
    assert!(case().refused("user-claim").fix.contains("user_claim_json_pointer"));
    assert_eq!(case().role("user_claim_json_pointer", json!(true)).allowed().principal, "deep");
}

#[test]
fn absent_metadata_is_left_out_and_other_types_are_refused() {
    let grant = Case::valid().role("claim_mappings", json!({ "none": "none", "/org/a~1b": "deep" })).allowed();
    assert_eq!((grant.attributes.get("none"), grant.attributes["deep"].as_str()), (None, "deep"));
    Case::valid().role("claim_mappings", json!({ "org": "org" })).refused("claim-mapping");
}

#[test]
fn groups_are_a_text_or_a_list_of_texts() {
    assert_eq!(Case::valid().claim("groups", json!("one")).allowed().attributes["groups"], "one");
    assert_eq!(Case::valid().role("groups_claim", json!("/org/a~1b")).allowed().attributes["groups"], "deep");
    Case::valid().claim("groups", json!(["ops", 1])).refused("groups");
    Case::valid().claim("groups", json!({})).refused("groups");
    assert!(Case::valid().without("groups").refused("groups").code.starts_with("failed to fetch groups: "));
}

#[test]
fn what_works_and_should_not_is_a_warning() {
    let clauses = |case: Case| case.allowed().warnings.into_iter().map(|warning| warning.clause).collect::<Vec<_>>();
    assert_eq!(clauses(Case::valid().without("jti")), ["replay"]);
    assert_eq!(clauses(Case::valid().without("exp")), ["times"]);
    assert_eq!(clauses(Case::valid().claim("exp", json!(NOW + 90_000))), ["times"]);
    assert_eq!(clauses(Case::valid().role("token_ttl", json!(0))), ["lifetime"]);
    assert_eq!(clauses(Case::valid().role("token_period", json!("1h"))), ["lifetime"]);
    assert_eq!(clauses(Case::valid().role("clock_skew_leeway", json!("10m"))), ["times"]);
    assert_eq!(clauses(Case::valid().role("bound_subject", json!(""))), ["subject"]);
    assert_eq!(clauses(Case::valid().config("jwt_supported_algs", json!([]))), ["algorithm"]);
    assert_eq!(clauses(Case::valid().role("token_policies_template_claims", json!(true))), ["policy"]);
    assert_eq!(clauses(bound("x", json!(1)).claim("x", json!(1.5))), ["bound-claims"]);
    assert_eq!(clauses(bound("repository", json!("o/r")).claim("repository", json!("o/r"))), ["bound-claims"]);
    let loose = bound("team", json!("*ue")).role("bound_claims_type", json!("glob"));
    assert_eq!(clauses(loose), ["bound-claims"]);
}
