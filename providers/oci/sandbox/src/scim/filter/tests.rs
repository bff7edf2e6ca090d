//! Filters over one user.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const EXTENSION: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User";

fn user() -> Resource {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", EXTENSION],
        "id": "AbC", "userName": "Svc-CI", "active": true, "logins": 5, "nick": "a \"quoted\" (name)",
        "name": {"familyName": "Sandbox"}, "empty": "", "none": null,
        "emails": [{"type": "work", "value": "a@x.example"}, {"type": "home", "value": "b@y.example", "primary": true}],
        "meta": {"created": "2026-11-21T10:00:00.000Z"},
        EXTENSION: {"serviceUser": true},
    });
    let Value::Object(user) = user else { panic!("an object") };
    user
}

fn matches(filter: &str) -> bool {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&user(), &|name| name == "id")
}

#[test]
fn compares_as_scim_does() {
    for (filter, expected) in [
        (r#"userName eq "svc-ci""#, true),
        (r#"USERNAME EQ "svc-ci""#, true),
        (r#"id eq "abc""#, false),
        (r#"id eq "AbC""#, true),
        (r#"userName ne "svc-ci""#, false),
        (r#"missing ne "x""#, true),
        (r#"userName sw "svc" and userName ew "ci""#, true),
        (r#"userName co "c-c""#, true),
        (r#"nick eq "a \"quoted\" (name)""#, true),
        ("active eq true", true),
        ("active eq false", false),
        (r#"active eq "true""#, false),
        ("logins gt 4 and logins ge 5 and logins lt 6 and logins le 5", true),
        (r#"name.familyName eq "Sandbox""#, true),
        (r#"emails eq "a@x.example""#, true),
        (r#"emails.value co "y.example""#, true),
        (r#"emails[type eq "work" and value sw "a"]"#, true),
        (r#"emails[type eq "work" and primary eq true]"#, false),
        (r#"meta.created gt "2026-01-01T00:00:00Z""#, true),
        ("userName pr", true),
        ("empty pr", false),
        ("none pr", false),
        ("missing pr", false),
        ("missing eq null", true),
        (r#"not (userName eq "x")"#, true),
        (r#"not userName eq "x" and active eq false"#, false),
        ("active eq false and active eq false or logins eq 5", true),
        ("active eq false and (active eq false or logins eq 5)", false),
        ("urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User:serviceUser eq true", true),
        ("urn:ietf:params:scim:schemas:oracle:idcs:extension:other:User:serviceUser eq true", false),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:name.familyName eq "sandbox""#, true),
    ] {
        assert_eq!(matches(filter), expected, "{filter}");
    }
}

#[test]
fn refuses_what_is_not_a_filter() {
    for filter in [
        "",
        "userName",
        "userName eq",
        "userName eq svc",
        r#"userName like "x""#,
        r#"userName eq "x"#,
        r#"userName eq "x" and"#,
        r#"(userName eq "x""#,
        r#"userName eq "x")"#,
        r#"emails[type eq "work""#,
        r#"user name eq "x""#,
        r#"http://x:y eq "x""#,
        "and",
    ] {
        assert!(Filter::parse(filter).is_err(), "{filter}");
    }
    let deep = format!("{}active eq true{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(Filter::parse(&deep).unwrap_err().problem, "the filter is nested too deeply");
    let nots = format!("{} active eq true", "not ".repeat(40));
    assert_eq!(Filter::parse(&nots).unwrap_err().problem, "the filter is nested too deeply");
    assert!(Filter::parse(&format!("a eq \"{}\"", "x".repeat(9_000))).is_err());
}

#[test]
fn an_error_names_the_place() {
    assert_eq!(Filter::parse("active eq true true").unwrap_err().position, 15);
}

proptest! {
    #[test]
    fn never_panics(text in r#"[a-z"\\()\[\]:. ]{0,60}"#) {
        if let Ok(filter) = Filter::parse(&text) {
            filter.matches(&user(), &|_| false);
        }
    }

    #[test]
    fn never_panics_on_any_text(text in ".{0,100}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn finds_any_value_that_is_quoted_as_json(value in ".{0,30}") {
        let mut resource = user();
        resource.insert("userName".to_owned(), Value::String(value.clone()));
        let filter = format!("userName eq {}", Value::String(value));
        prop_assert!(Filter::parse(&filter).unwrap().matches(&resource, &|_| true));
    }
}
