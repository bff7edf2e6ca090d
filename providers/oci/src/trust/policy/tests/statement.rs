//! The text of a statement: what is read, what is refused, what is warned of.

use proptest::prelude::*;

use super::*;

#[test]
fn malformed_statements_are_refused_with_their_column() {
    for (statement, column, expected) in [
        ("", 1, "allow"),
        ("Grant group a to read buckets in tenancy", 1, "allow"),
        ("Deny group a to read buckets in tenancy", 1, "not evaluated"),
        ("Endorse group a to read buckets in any-tenancy", 1, "not evaluated"),
        ("Allow groups a to read buckets in tenancy", 7, "did you mean group"),
        ("Allow group to read buckets in tenancy", 16, "\"to\""),
        ("Allow group a read buckets in tenancy", 15, "\"to\""),
        ("Allow group a to see buckets in tenancy", 18, "inspect, read, use, manage"),
        ("Allow group a to read buckets", 30, "\"in\""),
        ("Allow group a to read buckets in region", 34, "tenancy or compartment"),
        ("Allow group a to read buckets in compartment a::b", 46, "empty name"),
        ("Allow group a to read buckets in tenancy where", 47, "any, all or a variable"),
        ("Allow group a to read buckets in tenancy where request.region", 62, "= or !="),
        ("Allow group a to read buckets in tenancy where request.region = iad", 65, "'text' or /pattern/"),
        ("Allow group a to read buckets in tenancy where all {request.region = 'iad'", 75, ", or }"),
        ("Allow group a to read buckets in tenancy where all {}", 53, "any, all or a variable"),
        ("Allow group a to read buckets in tenancy where request.region = 'iad", 65, "no second '"),
        ("Allow group a to read buckets in tenancy where request.region ! 'iad'", 63, "= after !"),
        ("Allow group a to read buckets in tenancy now", 42, "nothing more"),
        ("Allow group a to {BUCKET_READ in tenancy", 31, ", or }"),
    ] {
        let error = parse_statement(statement).unwrap_err();
        assert_eq!(error.column, column, "{statement}: {error}");
        assert!(error.message.contains(expected), "{statement}: {error}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("Allow any-user to read buckets in tenancy where {}", "all {".repeat(1000));
    assert!(parse_statement(&deep).unwrap_err().message.contains("deep"));
    assert!(parse_statement(&"x".repeat(100_000)).unwrap_err().message.contains("longer"));
}

#[test]
fn lint_reports_what_cannot_be_meant() {
    for (statement, expected) in [
        ("Allow any-user to read buckets in tenancy", "every principal"),
        ("Allow group a to read bucket in tenancy", "write buckets"),
        ("Allow group a to {BUCKET_REED} in tenancy", "BUCKET_REED"),
        ("Allow group a to read buckets in tenancy where target.bukket.name = 'x'", "write target.bucket.name"),
    ] {
        let warnings = lint(&parse_statement(statement).unwrap());
        assert_eq!(warnings.len(), 1, "{statement}: {warnings:?}");
        assert!(format!("{} {}", warnings[0].message, warnings[0].fix).contains(expected), "{warnings:?}");
    }
}

/// Why a statement of a policy at `attached` is refused; the group `a` is there.
fn refused(statement: &str, attached: &str) -> Option<String> {
    refuse(&parse_statement(statement).unwrap(), attached, &compartments(), &[group("a", false)])
}

#[test]
fn accepts_with_a_warning_what_services_that_are_not_emulated_define() {
    for (what, condition) in [
        ("manage instance-family", ""),
        ("manage cluster-family", ""),
        ("manage functions-family", ""),
        ("manage volume-family", ""),
        ("use keys", ""),
        ("read metrics", ""),
        ("use vnics", ""),
        ("manage repos", ""),
        ("manage tickets", ""),
        ("read audit-events", ""),
        ("manage autonomous-databases", ""),
        ("use tag-namespaces", ""),
        ("{INSTANCE_READ}", ""),
        ("read secret-bundles", "where target.secret.name = 'x'"),
        ("use users", "where target.user.id = 'x'"),
        ("use groups", "where target.group.member = 'true'"),
    ] {
        let statement = format!("Allow group a to {what} in tenancy {condition}");
        assert_eq!(refused(&statement, TENANCY), None, "{statement}");
        let warnings = lint(&parse_statement(&statement).unwrap());
        assert_eq!(warnings.len(), 1, "{statement}: {warnings:?}");
        assert!(warnings[0].message.contains("known here"), "{warnings:?}");
    }
    let general = "Allow group a to read buckets in tenancy where request.utc-timestamp.day-of-month = '1'";
    assert_eq!((refused(general, TENANCY), lint(&parse_statement(general).unwrap())), (None, Vec::new()));
}

#[test]
fn rejects_slips_in_known_names() {
    for (what, condition, says) in [
        ("read bukkits", "", "write buckets"),
        ("read objcts", "", "write objects"),
        ("{BUCKET_REED}", "", "write BUCKET_READ"),
        ("{get_rps}", "", "write GET_RPST"),
        ("{BUCKET.READ}", "", "BUCKET.READ is no permission"),
        ("read buckets", "where request.principal.cluser_id = 'x'", "write request.principal.cluster_id"),
    ] {
        let statement = format!("Allow group a to {what} in tenancy {condition}");
        let why = refused(&statement, TENANCY);
        assert!(why.as_ref().is_some_and(|why| why.contains(says)), "{statement}: {why:?}");
    }
}

#[test]
fn rejects_the_tenancy_in_a_policy_of_a_compartment() {
    let statement = "Allow group a to read buckets in tenancy";
    assert_eq!(refused(statement, TENANCY), None);
    assert!(refused(statement, "ci").unwrap().contains("root compartment only"));
    assert_eq!(refused("Allow group a to read buckets in compartment ci", "ci"), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,300}") {
        let _ = parse_statement(&text);
    }

    #[test]
    fn nearly_good_statements_do_not_make_the_parser_panic(
        text in "(Allow|group|any-user|to|read|in|tenancy|where|all|id|=|!=|\\{|\\}|,|'x|/x|'|/| |a:b){0,30}"
    ) {
        let _ = parse_statement(&text);
    }

    #[test]
    fn spaces_and_case_do_not_matter(spaces in "[ \t\n]{1,4}", upper in any::<bool>()) {
        let text = "allow group deployers to read buckets in compartment ci where request.region = 'iad'";
        let cased = if upper { text.to_uppercase() } else { text.to_owned() };
        let statement = cased.replace(' ', &spaces);
        prop_assert!(Question::of(&statement).allowed());
    }
}
