use proptest::prelude::*;
use serde_json::json;

use super::*;

fn claims() -> Value {
    json!({
        "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "repository": "carnet-sandbox/app",
        "repository_owner_id": "4242",
        "run_number": 7,
        "half": 0.5,
        "big": 18_446_744_073_709_551_615_u64,
        "ok": true,
        "nothing": null,
        "groups": ["a", "b"],
        "nested": { "kubernetes.io": { "namespace": "prod" }, "list": [1, 2] },
    })
}

fn evaluate(source: &str) -> Result<Value, CelError> {
    Expression::compile(source)?.evaluate(&[("assertion", &claims())])
}

fn kind(source: &str) -> CelErrorKind {
    evaluate(source).unwrap_err().kind
}

#[test]
fn conditions_of_the_clouds_documents_have_their_values() {
    for (source, expected) in [
        ("assertion.sub", json!("repo:carnet-sandbox/app:ref:refs/heads/main")),
        ("assertion.repository_owner_id == '4242'", json!(true)),
        ("assertion['repository_owner_id'] != '4242'", json!(false)),
        ("assertion.run_number == 7 && assertion.half < 1.0", json!(true)),
        ("assertion.run_number + 1", json!(8)),
        ("assertion.big > 1u", json!(true)),
        ("assertion.ok ? 'yes' : 'no'", json!("yes")),
        ("assertion.nothing == null", json!(true)),
        ("has(assertion.missing)", json!(false)),
        ("has(assertion.sub) && !has(assertion.nested.missing)", json!(true)),
        ("'b' in assertion.groups", json!(true)),
        ("'sub' in assertion", json!(true)),
        ("size(assertion.groups) == 2 && assertion.groups.size() == 2", json!(true)),
        ("size(assertion) > 5", json!(true)),
        ("assertion.groups == ['a', 'b'] && ['a', 'b'] == assertion.groups", json!(true)),
        ("assertion.groups[1]", json!("b")),
        ("assertion.groups", json!(["a", "b"])),
        ("assertion.nested['kubernetes.io'].namespace", json!("prod")),
        ("assertion.nested.list == [1, 2]", json!(true)),
        ("assertion.groups.exists(g, g == 'b')", json!(true)),
        ("assertion.groups.all(g, g.startsWith('a'))", json!(false)),
        ("assertion.groups.map(g, g + '!')", json!(["a!", "b!"])),
        ("assertion.groups.filter(g, g != 'a').map(g, g)", json!(["b"])),
        ("assertion.exists(k, k == 'sub')", json!(true)),
        ("assertion.sub.startsWith('repo:') && assertion.sub.endsWith('main')", json!(true)),
        ("assertion.sub.contains('carnet')", json!(true)),
        ("assertion.sub.matches('^repo:[a-z-]+/app:')", json!(true)),
        ("matches(assertion.sub, 'nowhere')", json!(false)),
        ("assertion.sub.extract('repo:{r}:')", json!("carnet-sandbox/app")),
        ("assertion.sub.extract('ref:{ref}')", json!("refs/heads/main")),
        ("assertion.sub.extract('{start}:')", json!("repo")),
        ("assertion.sub.extract('team/{x}/')", json!("")),
        ("assertion.repository.split('/')[0]", json!("carnet-sandbox")),
        ("'ab'.split('')", json!(["a", "b"])),
        ("assertion.groups.join(',')", json!("a,b")),
        ("assertion.groups.join()", json!("ab")),
        ("'Ab'.lowerAscii() + 'Ab'.upperAscii()", json!("abAB")),
        ("string(assertion.run_number) + '.' + string(int('3'))", json!("7.3")),
        ("{'a': assertion.run_number}.a", json!(7)),
        // An error on one side does not hide what the other side decides.
        (r"assertion.sub.matches('^repo:[^/]+/app:ref\x3a') && r'\' == '\\'", json!(true)),
        (r#""it's" == 'it\'s' && '' == "" && b'a' == b"a""#, json!(true)),
        ("assertion.missing == 'x' || true", json!(true)),
        ("assertion.missing == 'x' && false", json!(false)),
    ] {
        assert_eq!(evaluate(source), Ok(expected), "{source}");
    }
}

#[test]
fn a_missing_key_is_an_error_and_not_false() {
    for source in ["assertion.missing == 'x'", "assertion.nested.missing", "assertion.groups[9]", "assertion['no']"] {
        assert_eq!(kind(source), CelErrorKind::MissingKey, "{source}");
    }
}

#[test]
fn a_wrong_type_is_an_error_and_not_false() {
    for source in [
        "assertion.run_number.startsWith('7')",
        "assertion.sub < 5",
        "assertion.sub + 5",
        "!assertion.sub",
        "assertion.sub && true",
        "assertion.run_number / 0",
        "assertion[1]",
        "[1].join(',')",
        "'x'.extract(assertion.sub)",
    ] {
        assert_eq!(kind(source), CelErrorKind::Type, "{source}");
    }
}

#[test]
fn errors_show_no_value() {
    for source in ["assertion.sub + 5", "assertion.sub < 5", "assertion.sub && true", "assertion.sub.x"] {
        let message = evaluate(source).unwrap_err().message;
        assert!(!message.contains("carnet-sandbox"), "{source}: {message}");
    }
}

#[test]
fn rejects_unknown_functions() {
    for source in ["assertion.sub.reverse()", "now()", "type(assertion)", "optional.of(1)", "assertion.sub.size(1)"] {
        assert!(Expression::compile(source).is_err(), "{source}");
    }
    assert_eq!(Expression::compile("now()").unwrap_err().kind, CelErrorKind::Unknown);
}

#[test]
fn rejects_unknown_variables() {
    let error = Expression::compile_with("assertion.sub == other.sub", &["assertion"]).unwrap_err();
    assert_eq!(error.kind, CelErrorKind::Unknown);
    assert!(error.message.contains("`other`"), "{}", error.message);
    assert!(Expression::compile_with("assertion.groups.all(g, g == 'a')", &["assertion"]).is_ok());
    assert_eq!(evaluate("other").unwrap_err().kind, CelErrorKind::Unknown);
}

#[test]
fn names_the_variables_it_reads() {
    let expression = Expression::compile("google.subject == 'x' && assertion.l.all(l, l in attribute.x)").unwrap();
    assert_eq!(expression.variables(), ["assertion", "attribute", "google"]);
}

#[test]
fn knows_what_can_only_be_true_or_false() {
    for (source, expected) in [
        ("assertion.sub == 'x'", true),
        ("!a", true),
        ("a.matches('x')", true),
        ("has(a.b)", true),
        ("assertion.sub", false),
        ("a ? 'x' : 'y'", false),
        ("a.extract('{x}/')", false),
    ] {
        assert_eq!(Expression::compile(source).unwrap().is_boolean(), expected, "{source}");
    }
}

#[test]
fn rejects_what_is_not_cel() {
    for source in [
        "",
        "assertion.",
        "a ==",
        "a b",
        "'x",
        "assertion.?sub",
        "[?a]",
        ".assertion",
        "Message{a: 1}",
        "1 // 2",
        "'\\q'",
        "'\\x1'",
        "'a''b'",
    ] {
        assert!(Expression::compile(source).is_err(), "{source}");
    }
}

#[test]
fn rejects_a_text_over_the_length() {
    let text = format!("'{}'", "x".repeat(Expression::MAX_LENGTH));
    assert_eq!(Expression::compile(&text).unwrap_err().kind, CelErrorKind::Limit);
}

#[test]
fn rejects_brackets_and_chains_that_are_too_deep() {
    for depth in [Expression::MAX_BRACKETS, Expression::MAX_BRACKETS + 1] {
        let compiled = Expression::compile(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
        assert_eq!(compiled.is_ok(), depth <= Expression::MAX_BRACKETS, "{depth}");
    }
    for links in [Expression::MAX_DEPTH, Expression::MAX_DEPTH + 1] {
        let compiled = Expression::compile(&format!("a{}", ".b".repeat(links)));
        assert_eq!(compiled.is_ok(), links <= Expression::MAX_DEPTH, "{links}");
    }
    // `&&` begins a new chain, and quotes hide what looks like one.
    let long = vec!["assertion.a == 'a.b-c/d.e.f-g'"; 100].join(" && ");
    assert!(Expression::compile(&long).is_ok());
}

#[test]
fn rejects_too_many_nodes() {
    let text = format!("[{}1]", "1,".repeat(Expression::MAX_NODES));
    assert_eq!(Expression::compile(&text).unwrap_err().kind, CelErrorKind::Limit);
}

#[test]
fn rejects_a_loop_in_a_loop() {
    let error = Expression::compile("a.all(x, a.all(y, x == y))").unwrap_err();
    assert_eq!(error.kind, CelErrorKind::Limit);
}

#[test]
fn rejects_patterns_that_are_not_literal_or_do_not_compile() {
    for source in ["a.matches(b)", "a.matches('(')", "a.matches('a' + 'b')", "a.matches('(a{1000}){1000}')"] {
        assert_eq!(Expression::compile(source).unwrap_err().kind, CelErrorKind::Syntax, "{source}");
    }
}

#[test]
fn rejects_templates_without_exactly_one_name() {
    for source in ["a.extract('x')", "a.extract('{}')", "a.extract('{a}{b}')", "a.extract('}{a}')"] {
        assert_eq!(Expression::compile(source).unwrap_err().kind, CelErrorKind::Syntax, "{source}");
    }
}

#[test]
fn rejects_a_loop_that_multiplies_a_long_text() {
    let claims = json!({ "text": "x".repeat(40_000), "list": vec![1; Expression::MAX_LIST] });
    for source in ["assertion.list.map(x, assertion.text).size() > 0", "assertion.list.all(x, assertion.text != '')"] {
        let error = Expression::compile(source).unwrap().evaluate(&[("assertion", &claims)]).unwrap_err();
        assert_eq!(error.kind, CelErrorKind::Limit, "{source}");
    }
    let once = Expression::compile("assertion.list.all(x, x == 1) && assertion.text.contains('x')").unwrap();
    assert_eq!(once.evaluate(&[("assertion", &claims)]).unwrap(), json!(true));
}

#[test]
fn rejects_lists_over_the_length() {
    let claims = json!({ "groups": vec!["g"; Expression::MAX_LIST + 1], "text": ",".repeat(Expression::MAX_LIST) });
    for source in ["'x' in assertion.groups", "assertion.text.split(',').size() > 0"] {
        let error = Expression::compile(source).unwrap().evaluate(&[("assertion", &claims)]).unwrap_err();
        assert_eq!(error.kind, CelErrorKind::Limit, "{source}");
    }
}

#[test]
fn long_lists_cost_nothing_when_they_are_not_touched() {
    let claims = json!({ "groups": vec!["g"; Expression::MAX_LIST + 1], "sub": "x" });
    let value = Expression::compile("assertion.sub == 'x'").unwrap().evaluate(&[("assertion", &claims)]);
    assert_eq!(value, Ok(json!(true)));
}

#[test]
fn deep_texts_are_refused_or_work_but_never_overflow() {
    let most = Expression::MAX_LENGTH;
    for source in [
        format!("{}a{}", "(".repeat(most / 2 - 1), ")".repeat(most / 2 - 1)),
        "[".repeat(most),
        "{".repeat(most),
        "!".repeat(most),
        "-".repeat(most),
        format!("a{}", ".b".repeat(most / 2 - 1)),
        format!("a{}", "[0]".repeat(most / 3 - 1)),
        format!("a{}", "()".repeat(most / 2 - 1)),
        format!("a{}", ".b()".repeat(most / 4 - 1)),
        format!("1{}", "+1".repeat(most / 2 - 1)),
        format!("1{}", "-1".repeat(most / 2 - 1)),
        format!("1{}", "<1".repeat(most / 2 - 1)),
        format!("a{}", "&&a".repeat(most / 3 - 1)),
        format!("a{}", "||a".repeat(most / 3 - 1)),
        format!("{}a{}", "a?".repeat(most / 5), ":a".repeat(most / 5)),
        format!("a{}", "?a:a".repeat(most / 4 - 1)),
        format!("{}a", "a?a&&a:".repeat(most / 7 - 1)),
        format!("a{}", format!("{},", ".b".repeat(35)).repeat(50)),
        format!("a{}", format!("{}//&&\n", ".b".repeat(35)).repeat(50)),
        format!("r'\\' + 'x' + a{} + 'y'", ".b".repeat(most / 2 - 20)),
        format!("a{}", ".f('x', 'y')".repeat(most / 12 - 1)),
        format!("a{}", " in a".repeat(most / 5 - 1)),
        format!("a{}", ".b".repeat(Expression::MAX_DEPTH - 1)),
        format!("a{}", "[0]".repeat(Expression::MAX_DEPTH - 1)),
        format!("1{}", "+1".repeat(Expression::MAX_DEPTH - 1)),
        format!("a{}", "?a:a".repeat(Expression::MAX_DEPTH - 1)),
        format!("{}a{}", "(".repeat(Expression::MAX_BRACKETS), ")".repeat(Expression::MAX_BRACKETS)),
        format!("{}a{}", "[".repeat(Expression::MAX_BRACKETS), "]".repeat(Expression::MAX_BRACKETS)),
        format!("{}a{}", "size(".repeat(Expression::MAX_BRACKETS), ")".repeat(Expression::MAX_BRACKETS)),
        format!("'x{}", ".b".repeat(most / 2 - 20)),
        format!("1ur'\\'+a{}+'z'", ".b".repeat(most / 2 - 20)),
        format!("'\\q'+a{}+'z'", ".b".repeat(most / 2 - 20)),
        format!("'''x'y'''+a{}+'z'", ".b".repeat(most / 2 - 20)),
        format!("{}a", "!".repeat(Expression::MAX_DEPTH - 1)),
    ] {
        if let Ok(expression) = Expression::compile(&source) {
            drop(expression.evaluate(&[("a", &json!(true))]));
        }
    }
}

proptest! {
    #[test]
    fn compiling_never_panics(source in ".{0,200}") {
        drop(Expression::compile(&source));
    }

    #[test]
    fn compiling_what_looks_like_cel_never_panics(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", ".b", "[0]", "(", ")", "[", "]", "{", "}", "'x'", "1", "1u", "1.0", "&&", "||", "==", " in ", "!", "-", "?",
            ":", ",", ".all(x, ", ".matches('x')", ".extract('{x}')", "has(", "size(", "null", "true", "\"", "\\", "b'x'",
        ]), 0..40)
    ) {
        let source = parts.concat();
        if let Ok(expression) = Expression::compile(&source) {
            drop(expression.evaluate(&[("a", &json!({ "b": ["x", 1] }))]));
        }
    }

    #[test]
    fn extract_is_what_stands_between(before in "[a-z/]{1,8}", found in "[A-Z]{0,8}", after in "[a-z/]{1,8}") {
        let claims = json!({ "sub": format!("{before}{found}{after}") });
        let source = format!("assertion.sub.extract('{before}{{x}}{after}')");
        let value = Expression::compile(&source).unwrap().evaluate(&[("assertion", &claims)]).unwrap();
        // `before` may also match later or `after` earlier, but never inside the capitals.
        let claim = claims["sub"].as_str().unwrap();
        let rest = &claim[claim.find(&before).unwrap() + before.len()..];
        prop_assert_eq!(value.as_str().unwrap(), rest.find(&after).map_or("", |end| &rest[..end]));
    }

    #[test]
    fn any_json_is_converted_and_comes_back(value in json_value()) {
        let claims = json!({ "x": value });
        let back = Expression::compile("assertion.x").unwrap().evaluate(&[("assertion", &claims)]).unwrap();
        prop_assert_eq!(&back, &claims["x"]);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
