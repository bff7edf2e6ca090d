//! What a token may make of itself, and of whom it may know.

use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

#[tokio::test]
async fn policies_of_a_child_may_be_one_text_as_forms_send_them() {
    let sandbox = Sandbox::new();
    for policies in [json!("app"), json!(["app"]), json!(" app,default")] {
        let body = json!({ "policies": policies });
        let (status, body) = sandbox.root("POST", "auth/token/create", body).await;
        assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
    }
    let headers =
        [("x-vault-token", seed::ROOT_TOKEN), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let form = "policies=app&num_uses=2&renewable=false";
    let (status, body) = sandbox.send_text("vault", "POST", "auth/token/create", &headers, form).await;
    assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
    assert_eq!((&body["auth"]["num_uses"], &body["auth"]["renewable"]), (&json!(2), &json!(false)));
}

#[tokio::test]
async fn rejects_fields_of_a_child_that_have_another_type() {
    let sandbox = Sandbox::new();
    for (field, value) in [
        ("policies", json!({ "app": true })),
        ("policies", json!(1)),
        ("policies", json!(["app", 1])),
        ("policies", json!(",")),
        ("num_uses", json!("two")),
        ("no_parent", json!("maybe")),
        ("renewable", json!(1)),
        ("no_default_policy", json!([])),
        ("meta", json!("a=b")),
        ("ttl", json!(-1)),
    ] {
        let body = json!({ "policies": "app", field: value });
        let (status, body) = sandbox.root("POST", "auth/token/create", body).await;
        let said = body["errors"][0].as_str().unwrap_or_default();
        assert!(status == 400 && said.contains(field), "{field} {value}: {body}");
    }
    let (status, body) = sandbox.root("POST", "auth/token/create", json!({ "num_uses": -1 })).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("number of uses cannot be negative")));
}
