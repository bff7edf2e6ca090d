//! Logins with tokens and secrets.

use carnet_infisical_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox, accepted, refused};

fn by(jwt: &str) -> Value {
    json!({ "identityId": seed::IDENTITY, "jwt": jwt })
}

#[tokio::test]
async fn a_job_logs_in_and_is_told_what_is_configured() {
    let sandbox = Sandbox::new();
    let (status, body) = sandbox.login("oidc-auth", by(&sandbox.jwt(json!({})))).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["expiresIn"], &body["accessTokenMaxTTL"]), (&json!(3600), &json!(7200)));
    assert_eq!((&body["tokenType"], body.as_object().unwrap().len()), (&json!("Bearer"), 4));
    assert_eq!(sandbox.world.decisions.count(), 1);
}

#[tokio::test]
async fn each_bent_token_is_refused_in_infisical_s_words() {
    let sandbox = Sandbox::new();
    for (changes, text) in [
        (json!({ "iss": "https://other.example" }), "Access denied: jwt issuer invalid. expected: https"),
        (json!({ "aud": "other" }), "Access denied: OIDC audience not allowed."),
        (json!({ "exp": NOW }), "Access denied: jwt expired"),
        (json!({ "nbf": NOW + 1 }), "Access denied: jwt not active"),
        (json!({ "repository": "other/app" }), "Access denied: OIDC claim not allowed."),
        (json!({ "repository": null }), "Access denied: token has no repository field"),
    ] {
        let answer = sandbox.login("oidc-auth", by(&sandbox.jwt(changes))).await;
        refused(answer, 401, "UnauthorizedError", text);
    }
    refused(sandbox.login("oidc-auth", by("none")).await, 401, "UnauthorizedError", "Invalid JWT");
    assert_eq!(sandbox.world.decisions.count(), 7);
}

#[tokio::test]
async fn rejects_login_when_the_issuer_does_not_answer_before_the_token_is_looked_at() {
    let sandbox = Sandbox::new();
    let url = format!("{}/.well-known/openid-configuration", seed::GITHUB_ISSUER);
    sandbox.others.set(&url, 503, json!({}));
    let answer = sandbox.login("oidc-auth", by("none")).await;
    refused(answer, 401, "UnauthorizedError", "Failed to fetch OIDC discovery document from https");
    sandbox.others.set(&url, 200, json!({}));
    let answer = sandbox.login("oidc-auth", by("none")).await;
    refused(answer, 401, "UnauthorizedError", "does not contain a jwks_uri");
}

#[tokio::test]
async fn documents_and_keys_are_fetched_at_every_login() {
    let sandbox = Sandbox::new();
    sandbox.token().await;
    sandbox.token().await;
    assert_eq!(sandbox.others.asked(&format!("{}/keys", seed::GITHUB_ISSUER)).len(), 2);
}

#[tokio::test]
async fn rejects_unknown_identities_and_methods_so_that_it_shows_which_there_are() {
    let sandbox = Sandbox::new();
    let unknown = json!({ "identityId": "nobody", "jwt": "x" });
    let text = "OIDC auth method not found for identity, did you configure OIDC auth?";
    refused(sandbox.login("oidc-auth", unknown).await, 404, "NotFound", text);
    let text = "SPIFFE auth method not found for identity, did you configure SPIFFE auth?";
    refused(sandbox.login("spiffe-auth", by("x")).await, 404, "NotFound", text);
    refused(sandbox.login("other-auth", by("x")).await, 404, "Not Found", "Route POST:/api/v1/auth/other-auth/login");
}

#[tokio::test]
async fn rejects_bodies_that_lack_a_field_or_have_another_type() {
    let sandbox = Sandbox::new();
    for (method, body, path) in [
        ("oidc-auth", json!({ "jwt": "x" }), json!(["identityId"])),
        ("oidc-auth", json!({ "identityId": "x" }), json!(["jwt"])),
        ("oidc-auth", json!({ "identityId": 7, "jwt": "x" }), json!(["identityId"])),
        ("universal-auth", json!({ "clientId": "x" }), json!(["clientSecret"])),
        ("oci-auth", json!({ "identityId": "x", "userOcid": "u" }), json!(["headers"])),
        (
            "oci-auth",
            json!({ "identityId": "x", "userOcid": "u", "headers": { "host": "h" } }),
            json!(["headers", "authorization"]),
        ),
        (
            "oci-auth",
            json!({ "identityId": "x", "userOcid": "u", "headers": { "host": "h", "authorization": "a" } }),
            json!(["headers"]),
        ),
    ] {
        let (status, body) = sandbox.login(method, body).await;
        assert_eq!((status, &body["error"]), (422, &json!("ValidationFailure")), "{body}");
        assert_eq!(body["message"][0]["path"], path);
    }
    let (status, _) = sandbox.send("POST", "v1/auth/oidc-auth/login", &[], json!([])).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_sub_organisation_takes_its_members_only() {
    let sandbox = Sandbox::new();
    let with = |slug: &str| {
        let mut body = by(&sandbox.jwt(json!({})));
        body["organizationSlug"] = json!(slug);
        sandbox.login("oidc-auth", body)
    };
    accepted(with(seed::SUB_ORGANIZATION).await);
    accepted(with(seed::ORGANIZATION).await);
    refused(with("other").await, 404, "NotFound", "Sub organization with slug other not found");
    let body = json!({ "clientId": seed::WORKER_CLIENT_ID, "clientSecret": seed::WORKER_CLIENT_SECRET,
        "organizationSlug": seed::SUB_ORGANIZATION });
    let text = "Identity not authorized to access sub organization platform";
    refused(sandbox.login("universal-auth", body).await, 401, "UnauthorizedError", text);
}

fn secret(secret: &str) -> Value {
    json!({ "clientId": seed::WORKER_CLIENT_ID, "clientSecret": secret })
}

#[tokio::test]
async fn three_wrong_secrets_lock_out_the_right_one() {
    let sandbox = Sandbox::new();
    accepted(sandbox.login("universal-auth", secret(seed::WORKER_CLIENT_SECRET)).await);
    for _ in 0..3 {
        let answer = sandbox.login("universal-auth", secret("wrong")).await;
        refused(answer, 401, "UnauthorizedError", "Invalid credentials");
    }
    let locked = sandbox.login("universal-auth", secret(seed::WORKER_CLIENT_SECRET)).await;
    refused(locked, 401, "UnauthorizedError", "temporarily locked");
    sandbox.clock.advance(SignedDuration::from_secs(300));
    accepted(sandbox.login("universal-auth", secret(seed::WORKER_CLIENT_SECRET)).await);
    let unknown = json!({ "clientId": "nobody", "clientSecret": "x" });
    refused(sandbox.login("universal-auth", unknown).await, 401, "UnauthorizedError", "Invalid credentials");
}

#[tokio::test]
async fn a_client_secret_is_good_for_its_time_and_its_uses() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    let path = format!("v1/auth/universal-auth/identities/{}/client-secrets", seed::WORKER);
    let (_, once) = sandbox.with(&admin, "POST", &path, json!({ "numUsesLimit": 1, "ttl": 60 })).await;
    let once = secret(once["clientSecret"].as_str().unwrap());
    accepted(sandbox.login("universal-auth", once.clone()).await);
    let used = sandbox.login("universal-auth", once.clone()).await;
    refused(used, 401, "UnauthorizedError", "Access denied due to client secret usage limit reached");
    sandbox.clock.advance(SignedDuration::from_secs(61));
    let old = sandbox.login("universal-auth", once).await;
    refused(old, 401, "UnauthorizedError", "Access denied due to expired client secret");
}

#[tokio::test]
async fn rejects_client_secrets_from_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.configure("universal-auth", json!({ "clientSecretTrustedIps": [{ "ipAddress": "10.0.0.0/8" }] })).await;
    let body = secret(seed::WORKER_CLIENT_SECRET);
    let headers = [("x-forwarded-for", "10.0.0.1")];
    let answer = sandbox.send("POST", "v1/auth/universal-auth/login", &headers, body).await;
    refused(answer, 403, "ForbiddenError", "from the current IP address");
}

#[tokio::test]
async fn a_jwt_logs_in_by_keys_that_are_written_down() {
    let sandbox = Sandbox::new();
    let fields = json!({ "configurationType": "static", "publicKeys": [sandbox.key.public_pem().unwrap()],
        "boundIssuer": seed::GITHUB_ISSUER, "boundSubject": "repo:carnet-sandbox/**" });
    sandbox.configure("jwt-auth", fields).await;
    let login = |changes: Value| sandbox.worker("jwt-auth", json!({ "jwt": sandbox.jwt(changes) }));
    accepted(login(json!({})).await);
    let other = json!({ "iss": "https://other.example" });
    refused(login(other).await, 403, "ForbiddenError", "Access denied: issuer mismatch");
    refused(login(json!({ "sub": "repo:x/y" })).await, 403, "ForbiddenError", "Access denied: subject not allowed");
    refused(login(json!({ "exp": NOW })).await, 401, "UnauthorizedError", "with all keys. Errors - jwt expired");
}

#[tokio::test]
async fn a_jwt_whose_key_is_not_in_the_set_is_a_failure_of_the_server() {
    let sandbox = Sandbox::new();
    sandbox.configure("jwt-auth", json!({ "jwksUrl": "https://issuer.example/keys" })).await;
    let jwt = json!({ "jwt": sandbox.jwt(json!({})) });
    refused(sandbox.worker("jwt-auth", jwt.clone()).await, 500, "InternalServerError", "Something went wrong");
    sandbox.others.set("https://issuer.example/keys", 200, json!({ "keys": [sandbox.key.public_jwk()] }));
    accepted(sandbox.worker("jwt-auth", jwt).await);
}

#[tokio::test]
async fn an_svid_logs_in_and_the_bundle_is_kept_until_its_hint_is_over() {
    let sandbox = Sandbox::new();
    let bundle = "https://bundle.example/";
    sandbox.others.set(bundle, 200, json!({ "keys": [sandbox.key.public_jwk()] }));
    let fields = json!({ "trustDomain": "td", "allowedSpiffeIds": "spiffe://td/*", "allowedAudiences": "infisical",
        "trustBundleDistribution": { "profile": "https-web-bundle", "endpointUrl": bundle, "refreshHintSeconds": 60 } });
    sandbox.configure("spiffe-auth", fields).await;
    let login = |sub: &str| sandbox.worker("spiffe-auth", json!({ "jwt": sandbox.jwt(json!({ "sub": sub })) }));
    accepted(login("spiffe://td/app").await);
    accepted(login("spiffe://td/app").await);
    assert_eq!(sandbox.others.asked(bundle).len(), 1);
    sandbox.clock.advance(SignedDuration::from_secs(60));
    accepted(login("spiffe://td/app").await);
    assert_eq!(sandbox.others.asked(bundle).len(), 2);
    refused(login("spiffe://td/a/b").await, 401, "UnauthorizedError", "Access denied");
    refused(login("spiffe://other/app").await, 401, "UnauthorizedError", "Access denied");
    sandbox.clock.advance(SignedDuration::from_secs(60));
    sandbox.others.set(bundle, 500, json!({}));
    refused(login("spiffe://td/app").await, 400, "BadRequest", "Failed to fetch SPIFFE trust bundle");
}
