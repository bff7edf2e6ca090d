//! The parties that speak OAuth: grants, and the errors of RFC 6749, 5.2.

use carnet_oauth::trust::Stage;

use super::{OAUTH, Row, expired, no_keys, not_yet, other_trust, refuses, signed, strange_issuer};
use crate::support::Signed;

#[tokio::test]
async fn claude_tells_nothing_but_that_the_grant_is_no_good() {
    const NO: &str = "was not accepted by the federation rule";
    let rows: &[Row] = &[
        ("no rule", |_, asked| asked.without("federation_rule_id"), 400, "invalid_request", "Malformed"),
        ("no organization", |_, asked| asked.without("organization_id"), 400, "invalid_request", "Malformed"),
        ("no account", |_, asked| asked.without("service_account_id"), 400, "invalid_request", "Malformed"),
        ("no JSON", |_, asked| asked.body = Some("[]".to_owned()), 400, "invalid_request", "Malformed"),
        ("another grant", |_, asked| asked.set("grant_type", "x"), 400, "unsupported_grant_type", "grant"),
        ("unknown rule", |_, asked| asked.set("federation_rule_id", "fdrl_x"), 400, "invalid_grant", NO),
        ("other organization", |_, asked| asked.set("organization_id", "x"), 400, "invalid_grant", NO),
        ("other account", |_, asked| asked.set("service_account_id", "svac_x"), 400, "invalid_grant", NO),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "invalid_grant", NO),
        ("other issuer", strange_issuer, 400, "invalid_grant", NO),
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), 400, "invalid_grant", NO),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 400, "invalid_grant", NO),
        ("forged", |_, asked| signed(asked, Signed::Forged), 400, "invalid_grant", NO),
        ("other algorithm", |_, asked| signed(asked, Signed::EdDsa), 400, "invalid_grant", NO),
        ("expired", expired, 400, "invalid_grant", NO),
        ("not yet", not_yet, 400, "invalid_grant", NO),
        ("other audience", |_, asked| asked.claim("aud", "x"), 400, "invalid_grant", NO),
        ("other subject", |_, asked| asked.claim("sub", "x"), 400, "invalid_grant", NO),
        ("used before", |_, asked| asked.claim("jti", "seen to be good"), 400, "invalid_grant", NO),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "federation_rule_id", Stage::Disabled),
            400,
            "invalid_grant",
            NO,
        ),
        ("no keys", no_keys, 503, "temporarily_unavailable", "keys"),
    ];
    refuses("claude", OAUTH, rows).await;
}

#[tokio::test]
async fn openai_has_five_categories() {
    const VERIFY: &str = "Subject token verification failed";
    const MAPPING: &str = "No enabled mapping";
    let rows: &[Row] = &[
        ("missing", |_, asked| asked.without("service_account_id"), 400, "invalid_request", "Missing required"),
        ("type", |_, asked| asked.set("subject_token_type", "x"), 400, "invalid_request", "token type"),
        ("grant", |_, asked| asked.set("grant_type", "x"), 400, "unsupported_grant_type", "grant"),
        (
            "provider",
            |_, asked| asked.set("identity_provider_id", "idp_x"),
            400,
            "invalid_request",
            "identity provider",
        ),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "invalid_grant", VERIFY),
        ("other issuer", strange_issuer, 400, "invalid_grant", VERIFY),
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), 400, "invalid_grant", VERIFY),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 400, "invalid_grant", VERIFY),
        ("forged", |_, asked| signed(asked, Signed::Forged), 400, "invalid_grant", VERIFY),
        ("other algorithm", |_, asked| signed(asked, Signed::EdDsa), 400, "invalid_grant", VERIFY),
        ("expired", expired, 400, "invalid_grant", VERIFY),
        ("no iat", |_, asked| asked.claim("iat", None::<i64>), 400, "invalid_grant", VERIFY),
        ("other audience", |_, asked| asked.claim("aud", "x"), 400, "invalid_grant", VERIFY),
        ("no account", |_, asked| asked.set("service_account_id", "sa_x"), 400, "invalid_grant", MAPPING),
        ("other subject", |_, asked| asked.claim("sub", "x"), 400, "invalid_grant", MAPPING),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "identity_provider_id", Stage::Disabled),
            400,
            "invalid_grant",
            MAPPING,
        ),
        ("no keys", no_keys, 503, "temporarily_unavailable", "keys"),
    ];
    refuses("openai", OAUTH, rows).await;
}

#[tokio::test]
async fn openrouter_has_the_codes_of_its_guide() {
    const NO: &str = "was not accepted";
    let rows: &[Row] = &[
        ("no policy", |_, asked| asked.without("federation_policy_id"), 400, "invalid_request", "malformed"),
        (
            "JSON",
            |_, asked| asked.headers.push(("content-type", Some("application/json".to_owned()))),
            400,
            "invalid_request",
            "malformed",
        ),
        (
            "twice",
            |_, asked| asked.body = Some("federation_policy_id=a&federation_policy_id=b".to_owned()),
            400,
            "invalid_request",
            "malformed",
        ),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "invalid_request", "not a JWT"),
        ("grant", |_, asked| asked.set("grant_type", "x"), 400, "unsupported_grant_type", "token exchange"),
        ("scope", |_, asked| asked.set("scope", "admin"), 400, "invalid_scope", "inference"),
        ("long token", |_, asked| asked.token = Some("x".repeat((16 << 10) + 1)), 413, "invalid_request", "too large"),
        ("long body", |_, asked| asked.set("more", &"x".repeat(32 << 10)), 413, "invalid_request", "too large"),
        ("unknown policy", |_, asked| asked.set("federation_policy_id", "x"), 400, "invalid_grant", NO),
        ("other issuer", strange_issuer, 400, "invalid_grant", NO),
        ("forged", |_, asked| signed(asked, Signed::Forged), 400, "invalid_grant", NO),
        ("other algorithm", |_, asked| signed(asked, Signed::EdDsa), 400, "invalid_grant", NO),
        ("expired", expired, 400, "invalid_grant", NO),
        ("other audience", |_, asked| asked.claim("aud", "x"), 400, "invalid_grant", NO),
        ("other subject", |_, asked| asked.claim("sub", "x"), 400, "invalid_grant", NO),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "federation_policy_id", Stage::Disabled),
            400,
            "invalid_grant",
            NO,
        ),
        ("no keys", no_keys, 503, "temporarily_unavailable", "keys"),
    ];
    refuses("openrouter", OAUTH, rows).await;
}

const DATABRICKS: &[Row] = &[
    ("grant", |_, asked| asked.set("grant_type", "x"), 400, "unsupported_grant_type", "grant"),
    ("scope", |_, asked| asked.set("scope", "x"), 400, "invalid_scope", "scope"),
    ("no scope", |_, asked| asked.without("scope"), 400, "invalid_request", "Malformed"),
    ("type", |_, asked| asked.set("subject_token_type", "x"), 400, "invalid_request", "Malformed"),
    ("unknown client", |_, asked| asked.set("client_id", "x"), 401, "invalid_client", "Client"),
    ("no client", |_, asked| asked.without("client_id"), 401, "invalid_client", "Client"),
    ("other issuer", strange_issuer, 400, "invalid_grant", "No federation policy"),
    ("forged", |_, asked| signed(asked, Signed::Forged), 400, "invalid_grant", "No federation policy"),
    ("expired", expired, 400, "invalid_grant", "No federation policy"),
    ("other audience", |_, asked| asked.claim("aud", "x"), 400, "invalid_grant", "No federation policy"),
    ("other subject", |_, asked| asked.claim("sub", "x"), 400, "invalid_grant", "No federation policy"),
    ("no keys", no_keys, 503, "temporarily_unavailable", "keys"),
];

#[tokio::test]
async fn databricks_refuses_in_the_workspace() {
    refuses("databricks", OAUTH, DATABRICKS).await;
    let sandbox = crate::support::Sandbox::new();
    let mut asked = sandbox.good("databricks");
    asked.set("client_id", "x");
    assert!(sandbox.ask(&asked).await.json()["error_id"].is_string());
}

#[tokio::test]
async fn databricks_refuses_in_the_account() {
    refuses("databricks-account", OAUTH, DATABRICKS).await;
    let other: &[Row] = &[("account", |_, asked| asked.set("account_id", "x"), 401, "invalid_client", "Client")];
    refuses("databricks-account", OAUTH, other).await;
}
