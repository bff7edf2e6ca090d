use serde_json::{Value, json};

use super::*;
use crate::testing::{PROVIDER, READER};

/// The mistakes of a good section that was changed in one place.
fn mistakes(name: &str, value: Value) -> Vec<Mistake> {
    let mut section = json!({ "audience": PROVIDER, "service_account": READER });
    section[name] = value;
    serde_json::from_value::<Gcp>(section).unwrap().check().unwrap_err()
}

fn rejects(name: &str, value: Value, says: &str) {
    let found = mistakes(name, value);
    assert!(found.iter().any(|mistake| mistake.field == name && mistake.message.contains(says)), "{found:?}");
}

#[test]
fn rejects_project_id_in_audience() {
    rejects("audience", json!(PROVIDER.replace("123456789012", "my-project")), "`my-project`");
}

#[test]
fn rejects_service_account_that_is_a_resource_name() {
    let example = "write its e-mail, for instance reader@PROJECT.iam.gserviceaccount.com";
    for (account, hint) in [
        (
            "projects/-/serviceAccounts/a@p.iam.gserviceaccount.com",
            "write its e-mail alone, which stands behind the last `/`",
        ),
        ("serviceAccount:a@p.iam.gserviceaccount.com", "leave `serviceAccount:` out: write its e-mail alone"),
        ("projects/p/serviceAccounts/a", example),
        ("a@p/x", example),
    ] {
        let found = mistakes("service_account", json!(account));
        let wanted = Mistake::new("service_account", "is not the e-mail or numeric id of a service account");
        assert_eq!(found, [wanted.hint(hint)], "{account}");
    }
}

#[test]
fn rejects_service_account_that_leaves_its_path() {
    for account in ["a@p.iam.gserviceaccount.com:generateIdToken?x=", "../a@p.c", "", "a b@p.c"] {
        rejects("service_account", json!(account), "e-mail");
    }
}

#[test]
fn rejects_lifetime_out_of_range_or_form() {
    rejects("lifetime", json!("9m"), "range");
    rejects("lifetime", json!("13h"), "range");
    rejects("lifetime", json!("-1h"), "range");
    rejects("lifetime", json!("3600"), "length of time");
    for good in ["3600s", "1h", "1h 30m"] {
        check_lifetime(good).unwrap();
    }
}

#[test]
fn rejects_lifetime_of_id_token() {
    let section =
        json!({ "audience": PROVIDER, "service_account": READER, "id_token_audience": "x", "lifetime": "1h" });
    let found = serde_json::from_value::<Gcp>(section).unwrap().check().unwrap_err();
    assert_eq!(found[0].field, "lifetime");
}

#[test]
fn rejects_what_needs_a_service_account_without_one() {
    for (name, value) in [("lifetime", json!("1h")), ("delegates", json!([READER])), ("id_token_audience", json!("x"))]
    {
        let mut section = json!({ "audience": PROVIDER });
        section[name] = value;
        let found = serde_json::from_value::<Gcp>(section).unwrap().check().unwrap_err();
        assert_eq!((found.len(), found[0].field.as_str()), (1, name));
    }
}

#[test]
fn rejects_endpoint_in_plain_text() {
    rejects("token_url", json!("http://sts.example.com/v1/token"), "https");
    rejects("iamcredentials_url", json!("ftp://127.0.0.1/"), "https");
    rejects("token_url", json!("https://user:word@sts.example.com/v1/token"), "user name");
    rejects("token_url", json!("sts.googleapis.com"), "URL");
}

#[test]
fn rejects_two_scopes_in_one() {
    rejects("scopes", json!(["a b"]), "several");
}

#[test]
fn rejects_workforce_project_for_workload_pool() {
    rejects("workforce_user_project", json!("p"), "workforce");
}

#[test]
fn rejects_unknown_field() {
    serde_json::from_value::<Gcp>(json!({ "audience": PROVIDER, "servce_account": READER })).unwrap_err();
}

#[test]
fn all_mistakes_are_told_at_once() {
    let section = json!({ "audience": "x", "service_account": "y", "token_url": "z", "lifetime": "1s" });
    let fields: Vec<String> = serde_json::from_value::<Gcp>(section)
        .unwrap()
        .check()
        .unwrap_err()
        .into_iter()
        .map(|mistake| mistake.field)
        .collect();
    assert_eq!(fields, ["token_url", "audience", "lifetime", "service_account"]);
}
