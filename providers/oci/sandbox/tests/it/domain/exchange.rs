//! External JWT to session token: one exchange that works, bent in one place at a time.

use carnet_oci_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{
    EXCHANGE, GITHUB_KEY, OTHER_KEY, SESSION_KEY, Sandbox, claims, form, github_token, gitlab_token, public_key,
};

const CLIENT: (&str, &str) = (seed::domain::EXCHANGE_CLIENT_ID, seed::domain::EXCHANGE_CLIENT_SECRET);

/// The fields of an exchange that works.
struct Exchange {
    client: (&'static str, &'static str),
    fields: Vec<(&'static str, String)>,
}

impl Exchange {
    fn upst() -> Self {
        Self::of("urn:oci:token-type:oci-upst", github_token(&GITHUB_KEY, &json!({})))
    }

    fn rpst() -> Self {
        let mut exchange = Self::of("urn:oci:token-type:oci-rpst", gitlab_token(&json!({})));
        exchange.fields.push(("res_type", seed::domain::GITLAB_RESOURCE.to_owned()));
        exchange
    }

    fn of(requested: &str, subject_token: String) -> Self {
        Self {
            client: CLIENT,
            fields: vec![
                ("grant_type", EXCHANGE.to_owned()),
                ("requested_token_type", requested.to_owned()),
                ("subject_token_type", "jwt".to_owned()),
                ("subject_token", subject_token),
                ("public_key", public_key()),
            ],
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self
    }

    fn body(&self) -> String {
        let fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form(&fields)
    }

    async fn token(&self, sandbox: &Sandbox) -> serde_json::Map<String, Value> {
        let answer = sandbox.token_raw(Some(self.client), &self.body()).await.ok(200);
        claims(answer["token"].as_str().unwrap())
    }

    /// The OAuth error, and the clause that only the operator sees.
    async fn refused(&self, sandbox: &Sandbox) -> (String, String) {
        let answer = sandbox.token_raw(Some(self.client), &self.body()).await;
        let status = if answer.body["error"] == json!("invalid_client") { 401 } else { 400 };
        let error = answer.oauth_error(status).to_owned();
        (error, sandbox.last_clause())
    }
}

/// A session token of the service user, bound to the session key.
pub(crate) async fn session_token(sandbox: &Sandbox) -> String {
    let answer = sandbox.token_raw(Some(CLIENT), &Exchange::upst().body()).await.ok(200);
    answer["token"].as_str().unwrap().to_owned()
}

/// A session token of a resource that exists only in the token, bound to the session key.
pub(crate) async fn resource_token(sandbox: &Sandbox) -> String {
    let answer = sandbox.token_raw(Some(CLIENT), &Exchange::rpst().body()).await.ok(200);
    answer["token"].as_str().unwrap().to_owned()
}

fn is(error: &str, clause: &str) -> (String, String) {
    (error.to_owned(), clause.to_owned())
}

/// Changes the trust of this issuer through the administration API.
async fn patch_trust(sandbox: &Sandbox, issuer: &str, operations: Value) {
    let filter: String = url::form_urlencoded::byte_serialize(format!("issuer eq \"{issuer}\"").as_bytes()).collect();
    let path = format!("/admin/v1/IdentityPropagationTrusts?filter={filter}");
    let list = sandbox.admin(Method::GET, &path, None).await.ok(200);
    let id = list["Resources"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    sandbox.admin(Method::PATCH, &format!("/admin/v1/IdentityPropagationTrusts/{id}"), Some(body)).await.ok(200);
}

#[tokio::test]
async fn rules_of_several_operators_pick_the_service_user() {
    let sandbox = Sandbox::new();
    let release = json!({"job_workflow_ref": "carnet-sandbox/app/.github/workflows/release.yml@refs/tags/v1"});
    let production = json!({"sub": "repo:carnet-sandbox/app:environment:production"});
    for (extra, user) in
        [(json!({}), seed::SERVICE_USER), (release, seed::domain::DEPLOY_USER), (production, seed::domain::DEPLOY_USER)]
    {
        let token = Exchange::upst().with("subject_token", github_token(&GITHUB_KEY, &extra)).token(&sandbox).await;
        assert_eq!(token["sub"], json!(user), "{extra}");
    }
}

#[tokio::test]
async fn a_resource_token_carries_the_claims_for_policies() {
    let sandbox = Sandbox::new();
    let token = Exchange::rpst().with("rpst_exp", "43200").token(&sandbox).await;
    assert_eq!(token["ptype"], json!("identityfederateddomainapp"));
    assert_eq!(token["sub"], json!("project_path:carnet-sandbox/app:ref_type:branch:ref:main"));
    assert_eq!((&token["var_ext_project_path"], &token["var_ext_ref"]), (&json!("carnet-sandbox/app"), &json!("main")));
    assert_eq!((&token["res_type"], &token["tenant"]), (&json!("gitlabworkload"), &json!(seed::TENANCY)));
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 43_200);

    let without_ref = Exchange::rpst().with("subject_token", gitlab_token(&json!({"ref": null}))).token(&sandbox).await;
    assert!(!without_ref.contains_key("var_ext_ref"), "a missing claim is skipped without a word");
    assert_eq!(without_ref["exp"].as_i64().unwrap() - without_ref["iat"].as_i64().unwrap(), 1_200);
}

#[tokio::test]
async fn a_signed_caller_needs_no_client_secret() {
    let sandbox = Sandbox::new();
    patch_trust(&sandbox, "https://gitlab.com", json!([{"op": "remove", "path": "oauthClients"}])).await;
    let exchange = Exchange::rpst();
    let fields: Vec<(&str, &str)> = exchange.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = sandbox.signed_token(&fields).await.ok(200);
    assert_eq!(claims(answer["token"].as_str().unwrap())["res_type"], json!("gitlabworkload"));
    assert_eq!(exchange.refused(&sandbox).await, is("unauthorized_client", "client"), "the client is not listed now");
}

#[tokio::test]
async fn rejects_signed_caller_without_the_policy() {
    let sandbox = Sandbox::new();
    patch_trust(&sandbox, "https://gitlab.com", json!([{"op": "remove", "path": "oauthClients"}])).await;
    // A service user is in no group that may GET_RPST.
    let key_id = format!("ST${}", session_token(&sandbox).await);
    let media_type = "application/x-www-form-urlencoded";
    let body = Exchange::rpst().body();
    let request = sandbox.signed(&Method::POST, super::support::TOKEN_PATH, media_type, &body, &key_id, &SESSION_KEY);
    assert_eq!(sandbox.send(request).await.oauth_error(400), "unauthorized_client");
    assert_eq!(sandbox.last_clause(), "policy");
}

#[tokio::test]
async fn rejects_signed_request_that_is_sent_twice() {
    let sandbox = Sandbox::new();
    let fields = [
        ("grant_type", EXCHANGE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "urn:opc:idm:__myscopes__"),
    ];
    assert_eq!(sandbox.signed_token(&fields).await.status, 200);
    assert_eq!(sandbox.signed_token(&fields).await.oauth_error(401), "invalid_client");
    assert_eq!(sandbox.last_clause(), "replay");
    sandbox.world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(sandbox.signed_token(&fields).await.status, 200, "another date is another request");
}

#[tokio::test]
async fn rejects_wrong_client_secret() {
    let sandbox = Sandbox::new();
    let mut exchange = Exchange::upst();
    for client in [(CLIENT.0, "wrong"), (CLIENT.0, ""), ("unknown", CLIENT.1)] {
        exchange.client = client;
        assert_eq!(exchange.refused(&sandbox).await, is("invalid_client", "client"));
    }
    let answer = sandbox.token_raw(None, &Exchange::upst().body()).await;
    assert_eq!(answer.oauth_error(401), "invalid_client");
    assert_eq!(answer.body["error_description"], json!("Client authentication failed."));
}

#[tokio::test]
async fn accepts_the_client_in_the_form_and_rejects_it_in_two_places() {
    let sandbox = Sandbox::new();
    let body = Exchange::upst().with("client_id", CLIENT.0).with("client_secret", CLIENT.1).body();
    assert_eq!(sandbox.token_raw(None, &body).await.status, 200);
    assert_eq!(sandbox.token_raw(Some(CLIENT), &body).await.oauth_error(400), "invalid_request");
}

#[tokio::test]
async fn rejects_inactive_app() {
    let sandbox = Sandbox::new();
    let path = format!("/admin/v1/Apps?filter=name+eq+%22{}%22", CLIENT.0);
    let app = sandbox.admin(Method::GET, &path, None).await.ok(200);
    let id = app["Resources"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:AppStatusChanger"], "active": false});
    sandbox.admin(Method::PUT, &format!("/admin/v1/AppStatusChanger/{id}"), Some(body)).await.ok(200);
    assert_eq!(Exchange::upst().refused(&sandbox).await, is("invalid_client", "client"));
}

#[tokio::test]
async fn rejects_client_that_the_trust_does_not_list() {
    let sandbox = Sandbox::new();
    let mut exchange = Exchange::upst();
    exchange.client = (seed::domain::ADMIN_CLIENT_ID, seed::domain::ADMIN_CLIENT_SECRET);
    assert_eq!(exchange.refused(&sandbox).await, is("unauthorized_client", "client"));
}

#[tokio::test]
async fn rejects_public_key_that_is_not_one_line_of_base64() {
    let sandbox = Sandbox::new();
    let plain = public_key();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{plain}\n-----END PUBLIC KEY-----\n");
    let url_safe = plain.replace('+', "-").replace('/', "_");
    let cut = plain[..plain.len() - 8].to_owned();
    // What is left of a key whose plus signs were not escaped.
    let damaged = plain.replacen('+', " ", 1);
    assert_ne!(damaged, plain, "the test key must have a plus sign");
    for key in [pem, url_safe, cut, damaged, format!("{plain}\n"), "x".to_owned()] {
        let refused = Exchange::upst().with("public_key", key).refused(&sandbox).await;
        assert_eq!(refused, is("invalid_request", "request"));
    }
    let unescaped = Exchange::upst().body().replace("%2B", "+");
    assert_eq!(sandbox.token_raw(Some(CLIENT), &unescaped).await.oauth_error(400), "invalid_request");
}

#[tokio::test]
async fn rejects_public_key_that_is_not_rsa() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use carnet_jose::{Algorithm, SigningKey};

    let sandbox = Sandbox::new();
    let curve = STANDARD.encode(SigningKey::generate(Algorithm::Es256).unwrap().public_spki());
    assert_eq!(Exchange::upst().with("public_key", curve).refused(&sandbox).await, is("invalid_request", "request"));
}

#[tokio::test]
async fn rejects_request_without_one_of_its_parameters() {
    let sandbox = Sandbox::new();
    for name in ["grant_type", "requested_token_type", "subject_token_type", "subject_token", "public_key"] {
        assert_eq!(Exchange::upst().without(name).refused(&sandbox).await, is("invalid_request", "request"), "{name}");
    }
}

#[tokio::test]
async fn rejects_types_that_are_not_known() {
    let sandbox = Sandbox::new();
    for (name, value, error) in [
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", "tls_client_auth", "unsupported_grant_type"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt", "invalid_request"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt", "invalid_request"),
        ("subject_token_type", "saml", "invalid_request"),
    ] {
        assert_eq!(Exchange::upst().with(name, value).refused(&sandbox).await.0, error, "{value}");
    }
}

#[tokio::test]
async fn rejects_repeated_parameter_and_other_media_types() {
    let sandbox = Sandbox::new();
    let twice = format!("{}&public_key={}", Exchange::upst().body(), "a");
    assert_eq!(sandbox.token_raw(Some(CLIENT), &twice).await.oauth_error(400), "invalid_request");

    let request = http::Request::post(super::support::TOKEN_PATH).header("content-type", "application/json");
    let answer = sandbox.send(request.body(axum::body::Body::from("{}")).unwrap()).await;
    assert_eq!(answer.oauth_error(400), "invalid_request");

    let large =
        http::Request::post(super::support::TOKEN_PATH).header("content-type", "application/x-www-form-urlencoded");
    let answer = sandbox.send(large.body(axum::body::Body::from("a".repeat(2 << 20))).unwrap()).await;
    assert_eq!(answer.oauth_error(413), "invalid_request");
}

#[tokio::test]
async fn rejects_issuer_that_differs_by_a_slash() {
    let sandbox = Sandbox::new();
    let token = github_token(&GITHUB_KEY, &json!({"iss": "https://token.actions.githubusercontent.com/"}));
    assert_eq!(Exchange::upst().with("subject_token", token).refused(&sandbox).await, is("invalid_grant", "issuer"));
}

#[tokio::test]
async fn rejects_inactive_trust() {
    let sandbox = Sandbox::new();
    let operations = json!([{"op": "replace", "path": "active", "value": false}]);
    patch_trust(&sandbox, "https://gitlab.com", operations).await;
    assert_eq!(Exchange::rpst().refused(&sandbox).await, is("invalid_grant", "trust"));
}

/// The signature with its first character changed.
fn tampered(signature: &str) -> String {
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{first}{}", &signature[1..])
}

#[tokio::test]
async fn rejects_tokens_that_do_not_verify() {
    let sandbox = Sandbox::new();
    let now = sandbox.now();
    let valid = github_token(&GITHUB_KEY, &json!({}));
    let (start, signature) = valid.rsplit_once('.').unwrap();
    for (token, clause) in [
        (github_token(&OTHER_KEY, &json!({})), "signature"),
        (format!("{start}.{}", tampered(signature)), "signature"),
        (github_token(&GITHUB_KEY, &json!({"exp": now - 61})), "expired"),
        (github_token(&GITHUB_KEY, &json!({"nbf": now + 120})), "not-yet"),
        (github_token(&GITHUB_KEY, &json!({"aud": "https://sts.amazonaws.com"})), "audience"),
        (github_token(&GITHUB_KEY, &json!({"sub": "repo:carnet-sandbox/other:ref:refs/heads/main"})), "subject"),
        (github_token(&GITHUB_KEY, &json!({"repository_owner_id": "66600000"})), "claim-validation"),
        ("not.a.jwt".to_owned(), "form"),
    ] {
        let refused = Exchange::upst().with("subject_token", token).refused(&sandbox).await;
        assert_eq!(refused, is("invalid_grant", clause));
    }
    assert!(Exchange::upst().token(&sandbox).await.contains_key("sub"), "and nothing of that stuck");
}

#[tokio::test]
async fn rejects_resource_requests_that_do_not_fit_the_trust() {
    let sandbox = Sandbox::new();
    for (exchange, clause) in [
        (Exchange::rpst().without("res_type"), "resource"),
        (Exchange::rpst().with("res_type", "githubworkload"), "resource"),
        (Exchange::rpst().with("rpst_exp", "43201"), "lifetime"),
        (Exchange::rpst().with("rpst_exp", "20m"), "lifetime"),
        (Exchange::rpst().with("requested_token_type", "urn:oci:token-type:oci-upst"), "token-type"),
        (Exchange::upst().with("requested_token_type", "urn:oci:token-type:oci-rpst"), "token-type"),
    ] {
        assert_eq!(exchange.refused(&sandbox).await, is("invalid_request", clause));
    }
}

#[tokio::test]
async fn an_unknown_key_is_fetched_at_once_and_a_dead_endpoint_refuses() {
    let sandbox = Sandbox::new();
    let jwks = "https://token.actions.githubusercontent.com/.well-known/jwks";
    let rotated = carnet_jose::SigningKey::generate(carnet_jose::Algorithm::Rs256).unwrap().with_kid("github-2");
    let exchange = Exchange::upst().with("subject_token", github_token(&rotated, &json!({})));
    assert_eq!(exchange.refused(&sandbox).await, is("invalid_grant", "key"));
    sandbox.issuers.publish(jwks, &[&rotated]);
    assert!(exchange.token(&sandbox).await.contains_key("sub"));
    assert_eq!(Exchange::upst().refused(&sandbox).await, is("invalid_grant", "key"), "the old key is gone");

    let operations = json!([{"op": "replace", "path": "publicKeyEndpoint", "value": "https://nobody.example/jwks"}]);
    patch_trust(&sandbox, "https://token.actions.githubusercontent.com", operations).await;
    assert_eq!(exchange.refused(&sandbox).await, is("invalid_grant", "key"));
}

#[tokio::test]
async fn a_session_lives_no_longer_than_the_setting_and_the_token() {
    let sandbox = Sandbox::new();
    let life = |token: &serde_json::Map<String, Value>| token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
    let long = github_token(&GITHUB_KEY, &json!({"exp": sandbox.now() + 86_400}));
    // The seeded trust tolerates 60 seconds of skew.
    assert_eq!(life(&Exchange::upst().token(&sandbox).await), 300);
    assert_eq!(life(&Exchange::upst().with("subject_token", long.clone()).token(&sandbox).await), 3_600);
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "iamUpstSessionExpiry", "value": 15}],
    });
    sandbox.admin(Method::PATCH, "/admin/v1/Settings/Settings", Some(body)).await.ok(200);
    assert_eq!(life(&Exchange::upst().with("subject_token", long).token(&sandbox).await), 900);
}

#[tokio::test]
async fn under_the_fault_expired_the_token_has_already_ended() {
    let sandbox = Sandbox::new();
    let fault =
        Fault { kind: FaultKind::Expired, service: "oci-domain".to_owned(), path: String::new(), times: Some(1) };
    sandbox.world.faults.add(fault);
    let token = Exchange::upst().token(&sandbox).await;
    assert!(token["exp"].as_i64().unwrap() < sandbox.now());
    assert!(Exchange::upst().token(&sandbox).await["exp"].as_i64().unwrap() > sandbox.now());
}
