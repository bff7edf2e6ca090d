use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn acl(texts: &[&str]) -> Acl {
    let policies: Vec<Policy> = texts.iter().map(|text| parse_policy(text).unwrap()).collect();
    Acl::new(&policies, None)
}

fn asks(acl: &Acl, operation: Operation, path: &str, body: &Value) -> Result<(), &'static str> {
    let body = body.as_object().cloned().unwrap_or_default();
    let question = Question { operation, path, body: &body, wrap_ttl: None, needs_sudo: false };
    acl.check(&question).map_err(|denied| denied.rule)
}

fn reads(texts: &[&str], path: &str) -> bool {
    asks(&acl(texts), Operation::Read, path, &json!({})).is_ok()
}

fn block(path: &str, capability: &str) -> String {
    format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}\n")
}

#[test]
fn patterns_match_as_written() {
    for (pattern, path, expected) in [
        ("secret/data/a", "secret/data/a", true),
        ("/secret/data/a", "secret/data/a", true),
        ("secret/data/a", "secret/data/ab", false),
        ("secret/data/a", "secret/data/a/b", false),
        ("secret/*", "secret/a/b", true),
        ("secret/*", "secret", false),
        ("secret/a*", "secret/app/b", true),
        ("se*ret/a", "secret/a", false),
        ("se*ret/a", "se*ret/a", true),
        ("secret/+/a", "secret/x/a", true),
        ("secret/+/a", "secret/x/y/a", false),
        ("secret/+/a", "secret/x/a/b", false),
        ("secret/+", "secret/x", true),
        ("secret/+", "secret/x/y", false),
        ("secret/a+", "secret/ab", false),
        ("a/+/c*", "a/b/cd/e", true),
        ("a/+/c*", "a/b/d", false),
        ("a/+/*", "a/b/c", true),
        ("a/+/*", "a/b", false),
        ("+/+", "a/b", true),
        ("*", "anything/at/all", true),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap().matches(path), expected, "{pattern} on {path}");
    }
}

#[test]
fn the_more_specific_pattern_decides_alone() {
    for (stronger, weaker, path) in [
        ("secret/a", "secret/a*", "secret/a"),
        ("secret/team/*", "secret/*", "secret/team/x"),
        ("secret/t+/x", "secret/*", "secret/t+/x"),
        ("secret/team/+", "secret/+/x", "secret/team/x"),
        ("secret/+/x", "secret/+/*", "secret/team/x"),
        ("secret/+/x", "secret/+/+", "secret/team/x"),
        ("secret/+/long*", "secret/+/l*", "secret/team/longer"),
    ] {
        let (allow, deny) = (block(stronger, "read"), block(weaker, "deny"));
        assert!(reads(&[&allow, &deny], path), "{stronger} over {weaker}");
        let (allow, deny) = (block(weaker, "read"), block(stronger, "deny"));
        assert!(!reads(&[&allow, &deny], path), "{stronger} over {weaker}, the other way");
    }
}

#[test]
fn the_same_pattern_adds_up_and_deny_wins() {
    let (read, list, deny) = (block("a/*", "read"), block("a/*", "list"), block("a/*", "deny"));
    assert_eq!(acl(&[&read, &list]).capabilities("a/b"), ["list", "read"]);
    assert_eq!(acl(&[&read, &deny]).capabilities("a/b"), ["deny"]);
    assert_eq!(acl(&[&deny, &read]).capabilities("a/b"), ["deny"]);
    assert_eq!(acl(&[&read]).capabilities("b"), ["deny"]);
    assert_eq!(Acl::root().capabilities("b"), ["root"]);
}

#[test]
fn deny_takes_the_rest_of_its_block_away() {
    let text = "path \"a\" { capabilities = [\"read\", \"deny\"] }";
    assert_eq!(acl(&[text]).capabilities("a"), ["deny"]);
}

#[test]
fn a_list_may_be_granted_without_its_slash() {
    let list = block("secret/metadata/app", "list");
    assert_eq!(asks(&acl(&[&list]), Operation::List, "secret/metadata/app/", &json!({})), Ok(()));
    let exact = [list, block("secret/metadata/app/", "deny")];
    assert_eq!(asks(&acl(&[&exact[0], &exact[1]]), Operation::List, "secret/metadata/app/", &json!({})), Err("deny"));
}

#[test]
fn each_refusal_names_its_rule() {
    let text = r#"
        path "a" {
            capabilities = ["create", "update", "read"]
            required_parameters = ["Role"]
            allowed_parameters = { "role" = [], "ttl" = ["1*", 5], "*" = [] }
            denied_parameters = { "secret" = [], "mode" = ["*x"] }
        }
        path "w" { capabilities = ["read"], min_wrapping_ttl = "1m", max_wrapping_ttl = 90 }
        path "d" { policy = "deny" }
    "#;
    let acl = acl(&[text]);
    for (operation, path, body, expected) in [
        (Operation::Update, "a", json!({ "role": "r", "other": 1 }), Ok(())),
        (Operation::Update, "a", json!({ "ROLE": "r", "ttl": "1h" }), Ok(())),
        (Operation::Update, "a", json!({ "role": "r", "mode": "y" }), Ok(())),
        (Operation::Read, "a", json!({}), Ok(())),
        (Operation::Update, "a", json!({}), Err("required_parameters")),
        (Operation::Update, "a", json!({ "role": "r", "secret": 1 }), Err("denied_parameters")),
        (Operation::Create, "a", json!({ "role": "r", "mode": "ax" }), Err("denied_parameters")),
        (Operation::Update, "a", json!({ "role": "r", "ttl": "2h" }), Err("allowed_parameters")),
        (Operation::Delete, "a", json!({}), Err("capabilities")),
        (Operation::Read, "w", json!({}), Err("max_wrapping_ttl")),
        (Operation::Read, "d", json!({}), Err("deny")),
        (Operation::Read, "x", json!({}), Err("path")),
        (Operation::Help, "x", json!({}), Ok(())),
    ] {
        assert_eq!(asks(&acl, operation, path, &body), expected, "{operation:?} {path} {body}");
    }
    let body = Map::new();
    for (seconds, expected) in
        [(59, Err("min_wrapping_ttl")), (60, Ok(())), (90, Ok(())), (91, Err("max_wrapping_ttl"))]
    {
        let wrap_ttl = Some(SignedDuration::from_secs(seconds));
        let question = Question { operation: Operation::Read, path: "w", body: &body, wrap_ttl, needs_sudo: false };
        assert_eq!(acl.check(&question).map_err(|denied| denied.rule), expected, "{seconds} s");
    }
    let question = Question { operation: Operation::Update, path: "a", body: &body, wrap_ttl: None, needs_sudo: true };
    assert_eq!(acl.check(&question).unwrap_err().rule, "sudo");
}

#[test]
fn parameter_lists_of_two_policies_merge() {
    let one = r#"path "a" { capabilities = ["update"] allowed_parameters = { "p" = ["1"] } }"#;
    let two = r#"path "a" { capabilities = ["update"] allowed_parameters = { "p" = ["2"], "q" = ["3"] } }"#;
    let any = r#"path "a" { capabilities = ["update"] allowed_parameters = { "p" = [] } }"#;
    let acl_of = |texts: &[&str], body: &Value| asks(&acl(texts), Operation::Update, "a", body);
    assert_eq!(acl_of(&[one, two], &json!({ "p": "1", "q": "3" })), Ok(()));
    assert_eq!(acl_of(&[one, two], &json!({ "p": "4" })), Err("allowed_parameters"));
    assert_eq!(acl_of(&[one, any], &json!({ "p": "4" })), Ok(()));
}

#[test]
fn templates_are_filled_in_and_cannot_widen() {
    let policies = [parse_policy(&block("secret/data/{{identity.entity.aliases.auth_jwt_1.name}}/*", "read")).unwrap()];
    let entity = |name: &str| {
        let alias = Alias { name: name.to_owned(), ..Alias::default() };
        Entity { aliases: [("auth_jwt_1".to_owned(), alias)].into(), ..Entity::default() }
    };
    let reads = |entity: Option<&Entity>, path: &str| Acl::new(&policies, entity).capabilities(path) == ["read"];
    assert!(reads(Some(&entity("app")), "secret/data/app/x"));
    assert!(!reads(Some(&entity("app")), "secret/data/other/x"));
    assert!(!reads(None, "secret/data/app/x"));
    for name in ["*", "+", "a/b", ""] {
        assert!(!reads(Some(&entity(name)), "secret/data/app/x"), "{name}");
        assert!(!reads(Some(&entity(name)), &format!("secret/data/{name}/x")), "{name}");
    }
}

#[test]
fn hcl_and_json_say_the_same() {
    let hcl = r#"
        # what an application may
        name = "app" // its name
        path "secret/data/app/*" { /* read
          only */ capabilities = ["read", "list",] }
        path "sys/x" { policy = "write" comment = "old" }
    "#;
    let json = r#"{ "name": "app", "path": { "secret/data/app/*": { "capabilities": ["read", "list"] },
        "sys/x": { "policy": "write" } } }"#;
    assert_eq!(parse_policy(hcl).unwrap(), parse_policy(json).unwrap());
    assert_eq!(parse_policy("").unwrap(), Policy::default());
}

#[test]
fn rejects_each_mistake() {
    for (text, says) in [
        (r#"path "a" { capabilities = ["reed"] }"#, "invalid capability \"reed\""),
        (r#"path "a" { capabilities = ["root"] }"#, "invalid capability \"root\""),
        (r#"path "a" { capabilities = "read" }"#, "a list of strings"),
        (r#"path "a" { policy = "admin" }"#, "invalid policy \"admin\""),
        (r#"path "a" { capability = ["read"] }"#, "invalid key \"capability\""),
        (r#"path "a" { mfa_methods = ["m"] }"#, "invalid key \"mfa_methods\""),
        (r#"path "a/+*" { }"#, "'+*' is forbidden"),
        (r#"path "a" { capabilities = ["read"] capabilities = ["list"] }"#, "occurs twice"),
        (r#"path "a" { min_wrapping_ttl = 2 max_wrapping_ttl = 1 }"#, "cannot be less"),
        (r#"path "a" { min_wrapping_ttl = "x" }"#, "a duration"),
        (r#"path "a" { allowed_parameters = { p = 1 } }"#, "an object of lists"),
        (r#"path "a" { "#, "ends where a key or }"),
        (r#"path "a" = 1"#, "is written path"),
        ("path { }", "is written path"),
        (r#"paths "a" { }"#, "invalid key \"paths\""),
        ("path \"a { }\n", "does not end"),
        ("path \"a\" { capabilities = [\"read\" \"list\"] }", "expected , or ]"),
        ("path \"a\" { capabilities = <<E\nE\n}", "heredocs"),
        ("/* ", "comment does not end"),
        ("{", "as JSON: it ends too early"),
        ("{]", "as JSON: it is not JSON"),
        (r#"{"path": 1}"#, "must hold objects"),
        (r#"{"path": {"a": 1}}"#, "must hold an object"),
        (r#"{"x": 1}"#, "invalid key \"x\""),
    ] {
        let mistake = parse_policy(text).unwrap_err().0;
        assert!(mistake.contains(says), "{text}: {mistake}");
    }
    let deep = format!("path \"a\" {{ x = {}1{} }}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(parse_policy(&deep).unwrap_err().0.contains("nested deeper"));
}

/// What a policy says is lost if a reader keeps one of two: so is a `deny`.
#[test]
fn rejects_twins_at_every_depth() {
    // `0` stands for what is there once, `1` for its twin.
    let bent = |frame: &str, once: &str, twin: &str| {
        let of = |twin: &str| frame.replace('0', once).replace('1', twin);
        parse_policy(&of("")).unwrap();
        let mistake = parse_policy(&of(twin)).unwrap_err().0;
        assert!(mistake.contains("occurs twice"), "{}: {mistake}", of(twin));
    };
    let (deny, read) = (r#""capabilities":["deny"]"#, r#","capabilities":["read"]"#);
    bent(r#"{"path":{"a":{0}1}}"#, deny, r#","a":{"capabilities":["read"]}"#);
    bent(r#"{"path":{"a":{0}1}}"#, deny, r#","\u0061":{"capabilities":["read"]}"#);
    bent(r#"{"path":{"a":{01}}}"#, deny, read);
    bent(r#"{"path":[{"a":{01}}]}"#, deny, read);
    bent(r#"{"path":{"a":{0}}1}"#, deny, r#","path":{"a":{"capabilities":["read"]}}"#);
    bent(r#"{"name":"x"1,"path":{"a":{0}}}"#, deny, r#","name":"y""#);
    bent(r#"{"path":{"a":{"denied_parameters":{01}}}}"#, r#""p":[]"#, r#","p":["x"]"#);
    bent(r#"{"path":{"a":{"denied_parameters":{"p":[{01}]}}}}"#, r#""q":2"#, r#","q":3"#);
    bent(r#"path "a" { denied_parameters = {0 1} }"#, r#""p" = []"#, r#""p" = ["x"]"#);
    bent(r#"path "a" { denied_parameters = {0 1} }"#, r#""p" = []"#, r#"p = ["x"]"#);
    bent(r#"path "a" { denied_parameters {0 1} }"#, r#""p" = []"#, r#""p" = ["x"]"#);
    bent(r#"path "a" { allowed_parameters = { "p" = [{0 1}] } }"#, r#""q" = 2"#, r#""q" = 3"#);
    bent(r#"path "a" { 0 1 }"#, r#"capabilities = ["deny"]"#, r#""capabilities" = ["read"]"#);
    bent(r#"path "a" { 0 1 }"#, r#"denied_parameters { "p" = [] }"#, r#"denied_parameters { "q" = [] }"#);
    bent(r"0 1", r#"name = "x""#, r#"name = "y""#);
}

#[test]
fn rejects_parameters_that_differ_in_case_only() {
    for frame in
        [r#"path "a" { denied_parameters = { "p" = []TWIN } }"#, r#"{"path":{"a":{"denied_parameters":{"p":[]TWIN}}}}"#]
    {
        let separator = if frame.starts_with('{') { ":" } else { "=" };
        let of = |name: &str| frame.replace("TWIN", &format!(",\"{name}\"{separator}[\"x\"]"));
        parse_policy(&of("Q")).unwrap();
        let mistake = parse_policy(&of("P")).unwrap_err().0;
        assert!(mistake.contains("differ in more than case"), "{mistake}");
    }
}

/// The grammar has these: blocks, and objects in a list, may name a path again.
#[test]
fn a_path_that_is_written_again_adds_up_and_deny_wins() {
    let again = [block("a", "deny"), block("a", "read")].concat();
    assert_eq!(acl(&[&again]).capabilities("a"), ["deny"]);
    let list = r#"{"path":[{"a":{"capabilities":["deny"]}},{"a":{"capabilities":["read"]}}]}"#;
    assert_eq!(acl(&[list]).capabilities("a"), ["deny"]);
    let slash = r#"{"path":{"a":{"capabilities":["read"]},"/a":{"capabilities":["deny"]}}}"#;
    assert_eq!(acl(&[slash]).capabilities("a"), ["deny"]);
    assert_eq!(acl(&[&list.replace("deny", "list")]).capabilities("a"), ["list", "read"]);
}

#[test]
fn a_mount_is_known_to_whom_something_below_it_is_granted() {
    let acl = acl(&[&block("secret/data/app/*", "read"), &block("other/x", "deny"), &block("+/y", "read")]);
    assert!(acl.reaches("secret/"));
    assert!(!Acl::new(&[parse_policy(&block("other/x", "deny")).unwrap()], None).reaches("other/"));
    assert!(acl.reaches("third/"), "a segment stands for any mount");
}

proptest! {
    #[test]
    fn any_text_is_read(
        text in "(path|name|capabilities|[\\[\\]{}=,\"#/*<. \\n\\\\é1-]|true|\"a\"){0,24}", json in "[{}\\[\\]:,\"pathx1 ]{0,40}",
    ) {
        drop(parse_policy(&text));
        drop(parse_policy(&format!("path \"a\" {{ {text} }}")));
        drop(parse_policy(&format!("{{{json}")));
    }

    #[test]
    fn a_pattern_without_wildcards_stands_for_itself_only(pattern in "[ab/]{0,6}", path in "[ab/]{0,6}") {
        let parsed = Pattern::new(&pattern).unwrap();
        prop_assert!(parsed.is_exact());
        prop_assert_eq!(parsed.matches(&path), pattern.strip_prefix('/').unwrap_or(&pattern) == path);
        let prefix = Pattern::new(&format!("{pattern}*")).unwrap();
        prop_assert_eq!(prefix.matches(&path), path.starts_with(pattern.strip_prefix('/').unwrap_or(&pattern)));
    }

    #[test]
    fn what_may_be_done_is_what_is_said_of_it_and_denied_stays_denied(
        blocks in prop::collection::vec(("[ab+*/]{1,5}", "read|list|update|deny|sudo"), 1..6), path in "[ab/]{0,4}[ab]",
    ) {
        let texts: Vec<String> = blocks.iter().map(|(path, capability)| block(path, capability)).collect();
        let policies: Vec<Policy> = texts.iter().filter_map(|text| parse_policy(text).ok()).collect();
        let acl = Acl::new(&policies, None);
        let said = acl.capabilities(&path);
        for (operation, name) in [(Operation::Read, "read"), (Operation::List, "list"), (Operation::Update, "update")] {
            prop_assert_eq!(asks(&acl, operation, &path, &json!({})).is_ok(), said.contains(&name), "{} {:?}", name, said);
        }
        let denied = blocks.iter().any(|(exact, capability)| *exact == path && capability == "deny");
        prop_assert!(!denied || said == ["deny"]);
    }

    #[test]
    fn a_claim_stands_for_itself_only(name in "[a-c+*/é]{0,4}", path in "[a-c+*é]{0,4}") {
        let policy = parse_policy(&block("secret/{{identity.entity.name}}/x", "read")).unwrap();
        let entity = Entity { name: name.clone(), ..Entity::default() };
        let acl = Acl::new([&policy], Some(&entity));
        let reads = asks(&acl, Operation::Read, &format!("secret/{path}/x"), &json!({})).is_ok();
        prop_assert!(!reads || (path == name && !name.is_empty()));
    }
}
