//! Roles that are programs: one valid login, bent in one place.

use std::time::Duration;

use super::*;

const PROGRAM: &str = "claims.team == 'blue' ? pb.Auth{policies: ['Dev'], display_name: 'app', metadata: {'team': claims.team}, \
                       alias: logical.Alias{name: claims.sub, metadata: {'team': claims.team}}, \
                       group_aliases: [logical.Alias{name: 'ops'}], \
                       lease_options: pb.LeaseOptions{TTL: 3600000000000, renewable: true}} : false";

/// The role's fields; the program must not fail for the claims that a write tries it with.
fn fields(expression: &str) -> Value {
    json!({ "cel_program": { "expression": expression, "variables": [] }, "bound_audiences": AUDIENCE })
}

fn checked(fields: Value) -> Result<CheckedCelRole, String> {
    CheckedCelRole::new("app", serde_json::from_value(fields).unwrap()).map_err(|mistake| mistake.message)
}

fn guarded(expression: &str) -> Value {
    fields(&format!("!has(claims.team) ? false : {expression}"))
}

fn decide(case: &Case, fields: Value) -> Result<CelLogin, Box<Refusal>> {
    let token = encode_jwt(&case.signer, &case.header, case.claims.as_object().unwrap()).unwrap();
    let config = CheckedConfig::new(serde_json::from_value(case.config.clone()).unwrap()).unwrap();
    let role = checked(fields).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let question = CelQuestion { config: Some(&config), role_name: "App", role: Some(&role), token: &token, now };
    question.admit()?.decide(case.keys.as_ref())
}

#[track_caller]
fn refused(case: &Case, fields: Value, clause: &str) -> Refusal {
    let refusal = *decide(case, fields).unwrap_err();
    assert_eq!((refusal.clause, status(&refusal)), (clause, 400), "{refusal}");
    assert!(!refusal.fix.is_empty());
    refusal
}

#[test]
fn a_program_makes_the_token() {
    let login = decide(&Case::valid(), guarded(PROGRAM)).unwrap();
    let auth = login.auth;
    assert_eq!(auth.policies.iter().collect::<Vec<_>>(), ["default", "dev"]);
    assert_eq!((auth.display_name.as_str(), auth.alias.as_ref().unwrap().name.as_str()), ("app", SUBJECT));
    assert_eq!((auth.metadata["team"].as_str(), auth.groups.as_slice()), ("blue", &["ops".to_owned()][..]));
    assert_eq!((auth.lifetime().unsigned_abs(), auth.renewable, auth.batch), (Duration::from_hours(1), true, false));
    assert_eq!((login.grant.principal.as_str(), login.grant.lifetime.unwrap().as_secs()), (SUBJECT, 3600));
    assert_eq!(
        login.grant.held,
        ["method", "role", "form", "signature", "algorithm", "issuer", "audience", "times", "program"]
    );
    assert!(login.grant.warnings.is_empty(), "{:?}", login.grant.warnings);
}

#[test]
fn variables_are_evaluated_in_order() {
    let mut role = fields("mine ? pb.Auth{policies: [prefix + operation]} : false");
    role["cel_program"]["variables"] = json!([
        { "name": "prefix", "expression": "'app-'" },
        { "name": "mine", "expression": "has(claims.team) && 'app-' == prefix && claims.groups.exists(g, g == 'ops')" },
    ]);
    let auth = decide(&Case::valid(), role).unwrap().auth;
    assert!(auth.policies.contains("app-update"), "{auth:?}");
}

#[test]
fn rejects_what_the_program_refuses() {
    let refusal = refused(&Case::valid().claim("team", json!("red")), guarded(PROGRAM), "condition");
    assert_eq!(
        refusal.code,
        "error executing cel program: Cel role 'app' blocked authorization with boolean false return"
    );
    let refusal = refused(&Case::valid(), fields("'not today'"), "condition");
    assert!(refusal.code.ends_with("blocked authorization with message: not today"), "{}", refusal.code);
}

#[test]
fn rejects_values_that_are_no_token() {
    for expression in ["true", "1", "1.5", "null", "[pb.Auth{}]", "{'policies': ['a']}", "logical.Alias{name: 'a'}"] {
        let refusal = refused(&Case::valid(), fields(expression), "program");
        assert!(refusal.code.contains("returned unexpected type: "), "{expression}: {}", refusal.code);
    }
}

#[test]
fn rejects_programs_that_fail_without_showing_values() {
    let refusal = refused(&Case::valid(), guarded("claims.none == 'x'"), "program");
    assert!(refusal.code.starts_with("error executing cel program: Cel role auth program failed: "));
    let refusal = refused(&Case::valid(), guarded("claims.team + 1 == 2 ? pb.Auth{} : false"), "program");
    assert!(!refusal.code.contains("blue"), "{}", refusal.code);
}

#[test]
fn rejects_tokens_that_cannot_be_made() {
    for (fields_of_auth, wrong) in [
        ("policies: 'a'", "`policies` is not a list of texts"),
        ("policies: [1]", "`policies` is not a list of texts"),
        ("metadata: {'a': 1}", "`metadata` is not a map of texts"),
        ("display_name: 1", "`display_name` is not a text"),
        ("num_uses: -1", "`num_uses` is not a whole number"),
        ("period: 1.5", "`period` is not a whole number"),
        ("token_type: 9", "`token_type` 9 is not evaluated"),
        ("token_type: 2, period: 1000000000", "batch tokens cannot"),
        ("no_default_policy: 'a'", "`no_default_policy` is not a truth value"),
        ("bound_cidrs: ['x']", "invalid CIDR: x"),
        ("alias: 'a'", "`alias` is not a logical.Alias"),
        ("alias: logical.Alias{}", "missing name in alias"),
        ("alias: pb.LeaseOptions{}", "`alias` is not a logical.Alias"),
        ("group_aliases: ['a']", "holds what is no logical.Alias"),
        ("lease_options: {'TTL': 1}", "`lease_options` is not a pb.LeaseOptions"),
    ] {
        let refusal = refused(&Case::valid(), fields(&format!("pb.Auth{{{fields_of_auth}}}")), "program");
        assert_eq!(
            refusal.code.strip_prefix("error converting proto auth: ").map(|text| text.contains(wrong)),
            Some(true),
            "{}",
            refusal.code
        );
    }
    let refusal = refused(&Case::valid(), fields("pb.Auth{policies: ['Root']}"), "policy");
    assert_eq!(refusal.code, "auth methods cannot create root tokens");
}

#[test]
fn a_token_cannot_pass_for_a_message() {
    let forged = json!({ "carnet:message": "pb.Auth", "policies": ["admin"] });
    refused(&Case::valid().claim("auth", forged), guarded("claims.auth"), "program");
}

#[test]
fn what_is_asked_of_every_token_is_asked_here_too() {
    let role = || guarded(PROGRAM);
    refused(&Case::valid().claim("aud", json!("other")), role(), "audience");
    refused(&Case::valid().claim("iss", json!("https://other.example")), role(), "issuer");
    refused(&Case::valid().claim("exp", json!(NOW - 61)), role(), "expired");
    refused(&Case::valid().claim("SUB", json!("x")), role(), "claim-name");
    let mut case = Case::valid();
    case.keys = Some(public(&key("k2")));
    refused(&case, role(), "key");
}

#[test]
fn an_audience_that_nobody_bound_is_a_warning_only() {
    let mut role = guarded(PROGRAM);
    role["bound_audiences"] = json!([]);
    let clauses = |login: CelLogin| login.grant.warnings.iter().map(|warning| warning.clause).collect::<Vec<_>>();
    assert_eq!(clauses(decide(&Case::valid(), role).unwrap()), ["audience"]);
    assert_eq!(clauses(decide(&Case::valid(), fields("pb.Auth{}")).unwrap()), ["subject"]);
}

#[test]
fn rejects_login_without_role_or_token() {
    let config = CheckedConfig::new(serde_json::from_value(Case::valid().config).unwrap()).unwrap();
    let role = checked(fields("false")).unwrap();
    let ask = |role: Option<&CheckedCelRole>, token: &str| {
        let (token, now) = (Secret::new(token), Timestamp::from_second(NOW).unwrap());
        let question = CelQuestion { config: Some(&config), role_name: "App", role, token: &token, now };
        question.admit().unwrap_err().code
    };
    assert_eq!(ask(None, "x"), "role \"app\" could not be found");
    assert_eq!(ask(Some(&role), ""), "missing token");
}

#[test]
fn rejects_programs_that_cannot_be_evaluated_here() {
    for (expression, wrong) in [
        ("", "missing required field 'cel_program'"),
        ("claims.sub ==", "failed to validate CEL program: line"),
        ("now > timestamp('2026-01-01T00:00:00Z')", "failed to validate CEL program: the function `timestamp`"),
        ("now == 1", "failed to validate CEL program: `now` is not known here"),
        ("math.greatest(1, 2) == 2", "failed to validate CEL program: "),
        ("pb.Auth{no_field: 1}", "failed to validate CEL program: no such field: `no_field`"),
        ("pb.Other{}", "failed to validate CEL program: the message `pb.Other`"),
        ("claims.groups[0] == 'a'", "failed to validate CEL program: there is no `groups`"),
    ] {
        let error = checked(fields(expression)).unwrap_err();
        assert!(error.starts_with(wrong), "{expression}: {error}");
    }
}

#[test]
fn rejects_variables_that_are_none_or_come_too_late() {
    for (name, expression) in [("claims", "1"), ("a b", "1"), ("", "1"), ("a", "later"), ("now", "now")] {
        let mut role = fields("pb.Auth{}");
        role["cel_program"]["variables"] =
            json!([{ "name": name, "expression": expression }, { "name": "later", "expression": "1" }]);
        assert!(checked(role).unwrap_err().starts_with("failed to validate CEL program: "), "{name}");
    }
}

#[test]
fn leeways_of_a_program_are_shown_with_their_defaults() {
    let role: CelRole = serde_json::from_value(json!({ "expiration_leeway": "1h" })).unwrap();
    assert_eq!((role.expiration_leeway, role.not_before_leeway, role.clock_skew_leeway), (3600, 150, 60));
}
