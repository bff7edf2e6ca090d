//! The tuning of mounts, and what it does to tokens.

use carnet_vault_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// The role `app` without a life of its own, so that the mount's holds.
async fn with_open_role() -> Sandbox {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "auth/jwt/role/app", json!({ "token_ttl": 0 })).await.0, 204);
    sandbox
}

#[tokio::test]
async fn a_mount_tells_its_tuning_in_seconds() {
    let sandbox = Sandbox::new();
    for mount in ["sys/mounts/secret", "sys/auth/jwt", "sys/auth/token"] {
        let tune = format!("{mount}/tune");
        let (_, body) = sandbox.root("GET", &tune, Value::Null).await;
        let usual = json!(2_764_800);
        assert_eq!((&body["data"]["default_lease_ttl"], &body["max_lease_ttl"]), (&usual, &usual), "{body}");
        let tuned = json!({ "max_lease_ttl": "1h", "listing_visibility": "unauth", "description": "tuned" });
        assert_eq!(sandbox.root("POST", &tune, tuned).await.0, 204, "{mount}");
        let (_, body) = sandbox.root("GET", &tune, Value::Null).await;
        assert_eq!((&body["default_lease_ttl"], &body["max_lease_ttl"]), (&json!(3600), &json!(3600)), "{body}");
        let (status, about) = sandbox.root("GET", mount, Value::Null).await;
        let config = &about["data"]["config"];
        assert_eq!((status, &about["data"]["description"]), (200, &json!("tuned")), "{about}");
        assert_eq!((&config["default_lease_ttl"], &config["max_lease_ttl"]), (&json!(0), &json!(3600)), "{about}");
        assert_eq!(config["listing_visibility"], "unauth", "{about}");
        assert_eq!(sandbox.root("POST", &tune, json!({ "max_lease_ttl": "system" })).await.0, 204);
        assert_eq!(sandbox.root("GET", &tune, Value::Null).await.1["data"]["max_lease_ttl"], usual);
    }
}

#[tokio::test]
async fn rejects_tunings_that_cannot_be() {
    let sandbox = Sandbox::new();
    for (fields, text) in [
        (json!({ "default_lease_ttl": "zz" }), "time: invalid duration \"zz\""),
        (json!({ "max_lease_ttl": "-1h" }), "time: invalid duration \"-1h\""),
        (json!({ "max_lease_ttl": "500ms" }), "time: invalid duration \"500ms\""),
        (json!({ "default_lease_ttl": "500ms" }), "time: invalid duration \"500ms\""),
        (json!({ "max_lease_ttl": "9000000000000s" }), "time: invalid duration \"9000000000000s\""),
        (json!({ "max_lease_ttl": 9_000_000_000_000_i64 }), "time: invalid duration 9000000000000"),
        (
            json!({ "default_lease_ttl": "2h", "max_lease_ttl": "1h" }),
            "backend max lease TTL of 3600 would be less than backend default lease TTL of 7200",
        ),
    ] {
        for (path, body) in [
            ("sys/mounts/secret/tune", fields.clone()),
            ("sys/auth/jwt/tune", fields.clone()),
            ("sys/mounts/new", json!({ "type": "kv", "config": fields })),
            ("sys/auth/new", json!({ "type": "jwt", "config": fields })),
        ] {
            let (status, body) = sandbox.root("POST", path, body).await;
            assert_eq!((status, &body["errors"][0]), (400, &json!(text)), "{path} {fields}");
        }
    }
    // A word is no less wrong where the rest is right, and then nothing of it is taken.
    for (field, value, text) in [
        ("token_type", json!("bogus"), "invalid value for 'token_type'"),
        ("token_type", json!(5), "error converting input for field \"token_type\""),
        ("listing_visibility", json!("bogus"), "invalid listing_visibility bogus"),
        ("description", json!(5), "error converting input for field \"description\""),
    ] {
        let fields = json!({ "max_lease_ttl": "1h", field: value });
        let mut paths = vec![("sys/mounts/secret/tune", fields.clone()), ("sys/auth/jwt/tune", fields.clone())];
        if field == "description" {
            paths.push(("sys/mounts/new", json!({ "type": "kv", field: value })));
            paths.push(("sys/auth/new", json!({ "type": "jwt", field: value })));
        } else {
            paths.push(("sys/mounts/new", json!({ "type": "kv", "config": fields })));
            paths.push(("sys/auth/new", json!({ "type": "jwt", "config": fields })));
        }
        for (path, body) in paths {
            let (status, body) = sandbox.root("POST", path, body).await;
            assert_eq!((status, &body["errors"][0]), (400, &json!(text)), "{path} {field}");
        }
    }
    let (_, body) = sandbox.root("GET", "sys/auth/jwt/tune", Value::Null).await;
    assert_eq!(body["data"]["max_lease_ttl"], 2_764_800, "{body}");
    for path in ["sys/mounts/new", "sys/auth/new", "sys/mounts/new/tune", "sys/auth/new/tune"] {
        let (status, body) = sandbox.root("GET", path, Value::Null).await;
        assert_eq!((status, &body["errors"][0]), (400, &json!("No secret engine mount at new/")), "{path}");
    }
    let (status, body) = sandbox.root("POST", "sys/auth/jwt/tune", json!({ "max_ttl": "1h" })).await;
    let ignored = json!("Endpoint ignored these unrecognized parameters: [max_ttl]");
    assert_eq!((status, &body["warnings"][0]), (200, &ignored), "{body}");
    assert_eq!(sandbox.root("DELETE", "sys/mounts/secret/tune", Value::Null).await.0, 405);
}

#[tokio::test]
async fn a_token_lives_as_its_mount_is_tuned() {
    let sandbox = with_open_role().await;
    let jwt = sandbox.job(json!({}));
    let (_, body) = sandbox.login(&jwt).await;
    assert_eq!((&body["auth"]["lease_duration"], &body["warnings"]), (&json!(2_764_800), &Value::Null), "{body}");
    let tune = json!({ "default_lease_ttl": "1h", "max_lease_ttl": 7200 });
    assert_eq!(sandbox.root("POST", "sys/auth/jwt/tune", tune).await.0, 204);
    let (_, body) = sandbox.login(&jwt).await;
    assert_eq!((&body["auth"]["lease_duration"], &body["warnings"]), (&json!(3600), &Value::Null), "{body}");
    assert_eq!(sandbox.root("POST", "auth/jwt/role/app", json!({ "token_ttl": "3h" })).await.0, 204);
    let (_, body) = sandbox.login(&jwt).await;
    let capped =
        json!("TTL of \"3h0m0s\" exceeded the effective max_ttl of \"2h0m0s\"; TTL value is capped accordingly");
    assert_eq!((&body["auth"]["lease_duration"], &body["warnings"][0]), (&json!(7200), &capped), "{body}");
    assert_eq!(sandbox.root("POST", "auth/jwt/role/app", json!({ "token_ttl": 0, "token_period": "3h" })).await.0, 204);
    let (_, body) = sandbox.login(&jwt).await;
    let capped =
        json!("period of \"3h0m0s\" exceeded the effective max_ttl of \"2h0m0s\"; period value is capped accordingly");
    assert_eq!((&body["auth"]["lease_duration"], &body["warnings"][0]), (&json!(7200), &capped), "{body}");
}

#[tokio::test]
async fn a_mount_is_made_with_its_tuning() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("DELETE", "sys/auth/jwt", Value::Null).await.0, 204);
    let mount = json!({ "type": "jwt", "config": { "default_lease_ttl": "10m" } });
    assert_eq!(sandbox.root("POST", "sys/auth/jwt", mount).await.0, 204);
    let config = json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "bound_issuer": seed::GITHUB_ISSUER });
    assert_eq!(sandbox.root("POST", "auth/jwt/config", config).await.0, 204);
    let role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": seed::AUDIENCE });
    assert_eq!(sandbox.root("POST", "auth/jwt/role/app", role).await.0, 204);
    let (_, body) = sandbox.login(&sandbox.job(json!({}))).await;
    assert_eq!(body["auth"]["lease_duration"], 600, "{body}");
}

#[tokio::test]
async fn a_renewal_goes_no_further_than_the_tuning_of_its_time() {
    let sandbox = with_open_role().await;
    let tune = json!({ "default_lease_ttl": "1h", "max_lease_ttl": "3h" });
    assert_eq!(sandbox.root("POST", "sys/auth/jwt/tune", tune).await.0, 204);
    let token = sandbox.token().await;
    assert_eq!(sandbox.root("POST", "sys/auth/jwt/tune", json!({ "max_lease_ttl": "90m" })).await.0, 204);
    sandbox.clock.advance(SignedDuration::from_mins(50));
    let (_, body) = sandbox.with(&token, "POST", "auth/token/renew-self", json!({})).await;
    let capped =
        json!("TTL of \"1h0m0s\" exceeded the effective max_ttl of \"40m0s\"; TTL value is capped accordingly");
    assert_eq!((&body["auth"]["lease_duration"], &body["warnings"][0]), (&json!(2400), &capped), "{body}");
}

#[tokio::test]
async fn a_renewal_never_takes_the_end_away() {
    let sandbox = Sandbox::new();
    let longest = json!(9_223_372_036_i64);
    assert_eq!(sandbox.root("POST", "sys/auth/token/tune", json!({ "max_lease_ttl": longest })).await.0, 204);
    let (_, body) = sandbox.root("POST", "auth/token/create", json!({ "policies": "app", "ttl": "1h" })).await;
    let token = body["auth"]["client_token"].as_str().unwrap();
    let renew = async |increment: &str| {
        sandbox.with(token, "POST", "auth/token/renew-self", json!({ "increment": increment })).await
    };
    let (status, body) = renew("9000000000000s").await;
    let wrong = json!("error converting input for field \"increment\"");
    assert_eq!((status, &body["errors"][0]), (400, &wrong), "{body}");
    let (status, body) = renew("9223372036s").await;
    assert_eq!((status, &body["auth"]["lease_duration"]), (200, &longest), "{body}");
    let (_, body) = sandbox.with(token, "GET", "auth/token/lookup-self", Value::Null).await;
    assert!(body["data"]["expire_time"].is_string() && body["data"]["ttl"] == longest, "{body}");
}

#[tokio::test]
async fn tokens_that_tokens_make_live_as_their_own_method_is_tuned() {
    let sandbox = Sandbox::new();
    let tune = json!({ "default_lease_ttl": "1h", "max_lease_ttl": "2h" });
    assert_eq!(sandbox.root("POST", "sys/auth/token/tune", tune).await.0, 204);
    for (fields, seconds, warned) in
        [(json!({ "policies": "app" }), 3600, false), (json!({ "policies": "app", "ttl": "3h" }), 7200, true)]
    {
        let (_, body) = sandbox.root("POST", "auth/token/create", fields).await;
        assert_eq!(body["auth"]["lease_duration"], seconds, "{body}");
        assert_eq!(body["warnings"].is_array(), warned, "{body}");
    }
}
