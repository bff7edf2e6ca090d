//! Every refusal of the token endpoint: one valid request, bent in one place.

use carnet_azure_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey};
use carnet_trust::Decision;
use serde_json::{Value, json};

use crate::support::{GITHUB, NOW, Reply, Sandbox, sign, with};

/// A job's token with this change.
async fn job(change: Value) -> Reply {
    let sandbox = Sandbox::new();
    sandbox.exchange(&sandbox.job(change)).await
}

/// A request with another value for one field.
async fn field(name: &'static str, value: &str) -> Reply {
    let sandbox = Sandbox::new();
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), name, value);
    sandbox.exchange_with(seed::TENANT, &fields).await
}

/// A tenant that behaves like this.
async fn behaving(behaviour: Value, change: Value) -> Reply {
    let sandbox = Sandbox::new();
    sandbox.behave(behaviour).await;
    sandbox.exchange(&sandbox.job(change)).await
}

/// A token with the claims of a job, signed like this, where the issuer has these keys.
async fn signed(key: &SigningKey, published: &[&SigningKey]) -> Reply {
    let sandbox = Sandbox::new();
    sandbox.publish(seed::GITHUB_ISSUER, published);
    let claims = json!({ "iss": seed::GITHUB_ISSUER, "sub": seed::GITHUB_SUBJECT,
        "aud": "api://AzureADTokenExchange", "iat": NOW, "exp": NOW + 300 });
    sandbox.exchange(&sign(key, &claims)).await
}

#[tokio::test]
async fn rejects_another_issuer() {
    let text = job(json!({ "iss": "https://issuer.example" })).await.aadsts(401, "invalid_client", 700_211);
    assert!(text.contains("presented assertion issuer 'https://issuer.example'"), "{text}");
    job(json!({ "iss": format!("{}/", seed::GITHUB_ISSUER) })).await.aadsts(401, "invalid_client", 700_211);
}

#[tokio::test]
async fn rejects_another_audience() {
    let text = job(json!({ "aud": "api://AKSIdentityBinding" })).await.aadsts(401, "invalid_client", 700_212);
    assert!(text.contains("presented assertion audience 'api://AKSIdentityBinding'"), "{text}");
}

#[tokio::test]
async fn rejects_another_subject() {
    let text = job(json!({ "sub": "repo:other/app" })).await.aadsts(401, "invalid_client", 700_213);
    assert!(text.contains("presented assertion subject 'repo:other/app'"), "{text}");
}

#[tokio::test]
async fn rejects_a_managed_identitys_subject_as_entra_writes_it_out() {
    let subject = "/eid1/c/pub/t/AAAA/a/BBBB/CCCC";
    job(json!({ "sub": subject })).await.aadsts(401, "invalid_client", 7_002_137);
}

#[tokio::test]
async fn rejects_what_differs_in_case_alone() {
    job(json!({ "sub": seed::GITHUB_SUBJECT.to_uppercase() })).await.aadsts(401, "invalid_client", 7_002_138);
}

#[tokio::test]
async fn the_old_code_stands_for_all_three() {
    for change in [json!({ "iss": "https://i.example" }), json!({ "sub": "s" }), json!({ "aud": "a" })] {
        let text = behaving(json!({ "old_codes": true }), change).await.aadsts(400, "invalid_request", 70_021);
        assert!(text.contains("Assertion Issuer: '") && text.contains("Assertion Audience: '"), "{text}");
    }
}

#[tokio::test]
async fn rejects_another_enterprise() {
    let behaviour = json!({ "github_enterprise": "carnet" });
    let text = behaving(behaviour.clone(), json!({ "enterprise": "x" })).await.aadsts(401, "invalid_client", 7_002_381);
    assert!(text.contains("with value 'carnet' but actual value is 'x'"), "{text}");
    behaving(behaviour, json!({ "enterprise": "carnet" })).await.is(200);
}

#[tokio::test]
async fn rejects_a_token_of_entra_itself() {
    let own = "https://login.microsoftonline.com/11111111-0000-4000-8000-000000000000/v2.0";
    job(json!({ "iss": own })).await.aadsts(400, "invalid_request", 700_222);
}

#[tokio::test]
async fn rejects_a_client_without_credentials() {
    field("client_id", seed::MACHINE_CLIENT).await.aadsts(401, "invalid_client", 70_025);
}

#[tokio::test]
async fn rejects_federation_where_the_tenant_forbids_it() {
    behaving(json!({ "federation_disabled": true }), json!({})).await.aadsts(401, "invalid_client", 700_223);
    let behaviour = json!({ "refused_issuers": [seed::GITHUB_ISSUER] });
    behaving(behaviour, json!({})).await.aadsts(401, "invalid_client", 700_238);
}

#[tokio::test]
async fn rejects_what_a_client_signed_about_itself() {
    job(json!({ "iss": seed::IDENTITY_CLIENT })).await.aadsts(401, "invalid_client", 700_021);
    job(json!({ "iss": seed::APPLICATION })).await.aadsts(401, "invalid_client", 700_027);
}

#[tokio::test]
async fn rejects_a_token_out_of_its_time() {
    let text = job(json!({ "exp": NOW - 61 })).await.aadsts(401, "invalid_client", 700_024);
    assert!(text.contains("Current time: 2026-11-21T12:00:00Z, assertion valid from"), "{text}");
    job(json!({ "nbf": NOW + 61 })).await.aadsts(401, "invalid_client", 700_024);
}

#[tokio::test]
async fn rejects_a_key_that_the_issuer_does_not_publish() {
    let other = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("github-2");
    let text = signed(&other, &[&GITHUB]).await.aadsts(401, "invalid_client", 7_000_272);
    assert!(text.contains("identifier 'github-2'"), "{text}");
    let issuer = format!("could not be found in the metadata of identity provider '{}'.", seed::GITHUB_ISSUER);
    assert!(text.contains(&issuer), "{text}");
}

#[tokio::test]
async fn rejects_a_signature_of_another_key() {
    let forged = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("github-1");
    signed(&forged, &[&GITHUB]).await.aadsts(400, "invalid_request", 50_027);
}

#[tokio::test]
async fn rejects_what_is_no_token() {
    for text in ["x", "a.b.c", "\"a.b.c\""] {
        field("client_assertion", text).await.aadsts(400, "invalid_request", 50_027);
    }
    // A line end at the end of a file goes along.
    let sandbox = Sandbox::new();
    let token = format!("{}\n", sandbox.job(json!({})));
    sandbox.exchange(&token).await.aadsts(400, "invalid_request", 50_027);
}

#[tokio::test]
async fn rejects_a_token_that_names_no_key() {
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    signed(&key, &[&key]).await.aadsts(400, "invalid_request", 5_002_723);
}

#[tokio::test]
async fn rejects_a_key_of_another_type_under_the_id() {
    let elliptic = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
    signed(&GITHUB, &[&elliptic]).await.aadsts(400, "invalid_request", 5_002_730);
}

#[tokio::test]
async fn rejects_what_is_not_rsa() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap().with_kid("k");
        let text = signed(&key, &[&key]).await.aadsts(400, "invalid_request", 5_002_738);
        assert!(text.contains(&format!("'{}' is not a supported signature algorithm", algorithm.name())), "{text}");
    }
}

#[tokio::test]
async fn rejects_when_the_issuer_does_not_answer() {
    for (behaviour, code) in [(json!({}), 50_166), (json!({ "old_codes": true }), 90_061)] {
        let sandbox = Sandbox::new();
        sandbox.behave(behaviour).await;
        sandbox.unpublish();
        let text = sandbox.exchange(&sandbox.job(json!({}))).await.aadsts(400, "invalid_request", code);
        assert!(text.contains("Request to External OIDC endpoint failed."), "{text}");
    }
}

#[tokio::test]
async fn rejects_a_token_without_a_required_claim() {
    for claim in ["iss", "sub", "aud", "exp"] {
        let sandbox = Sandbox::new();
        let mut claims = json!({ "iss": seed::GITHUB_ISSUER, "sub": seed::GITHUB_SUBJECT,
            "aud": "api://AzureADTokenExchange", "exp": NOW + 300 });
        claims.as_object_mut().unwrap().remove(claim);
        let text = sandbox.exchange(&sign(&GITHUB, &claims)).await.aadsts(400, "invalid_request", 90_014);
        assert!(text.contains(&format!("The required field '{claim}' is missing")), "{text}");
    }
}

#[tokio::test]
async fn rejects_an_unknown_client() {
    let id = "c0ffee00-0000-4000-8000-000000000000";
    let text = field("client_id", id).await.aadsts(400, "unauthorized_client", 700_016);
    assert!(
        text.contains(&format!("Application with identifier '{id}' was not found in the directory '{}'", seed::DOMAIN))
    );
}

#[tokio::test]
async fn rejects_an_application_without_a_service_principal() {
    let sandbox = Sandbox::new();
    let path = format!("/v1.0/servicePrincipals/{}", seed::APPLICATION_PRINCIPAL);
    sandbox.graph("DELETE", &path, Value::Null).await.is(204);
    sandbox.exchange(&sandbox.job(json!({}))).await.aadsts(400, "unauthorized_client", 700_016);
}

#[tokio::test]
async fn rejects_an_unknown_tenant() {
    let sandbox = Sandbox::new();
    let fields = Sandbox::fields(&sandbox.job(json!({})));
    for (tenant, code) in [
        ("c0ffee00-0000-4000-8000-000000000000", 90_002),
        ("other.example", 90_002),
        ("carnet", 900_023),
        ("common", 900_023),
    ] {
        sandbox.exchange_with(tenant, &fields).await.aadsts(400, "invalid_request", code);
    }
}

#[tokio::test]
async fn rejects_an_unknown_resource() {
    let text = field("scope", "https://unknown.example/.default").await.aadsts(400, "invalid_resource", 500_011);
    assert!(text.contains("The resource principal named https://unknown.example was not found"), "{text}");
}

#[tokio::test]
async fn rejects_a_scope_of_another_form() {
    field("scope", "https://a/.default https://b/.default").await.aadsts(400, "invalid_scope", 70_011);
    field("scope", "/.default").await.aadsts(400, "invalid_scope", 70_011);
    let text = field("scope", "https://storage.azure.com/user_impersonation").await;
    let text = text.aadsts(400, "invalid_scope", 1_002_012);
    assert!(text.contains("must have a scope value with /.default suffixed"), "{text}");
}

#[tokio::test]
async fn rejects_secrets_and_nothing() {
    let sandbox = Sandbox::new();
    let mut fields = Sandbox::fields("");
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(401, "invalid_client", 7_000_218);
    fields.push(("client_secret", "hidden".to_owned()));
    let text = sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(401, "invalid_client", 7_000_215);
    assert!(!text.contains("hidden"));
}

#[tokio::test]
async fn rejects_clients_that_conditional_access_blocks() {
    let reply = behaving(json!({ "blocked_clients": [seed::APPLICATION] }), json!({})).await;
    reply.aadsts(400, "invalid_grant", 53_003);
    assert_eq!(reply.json()["suberror"], "message_only");
}

#[tokio::test]
async fn rejects_requests_that_are_none() {
    field("grant_type", "password").await.aadsts(400, "unsupported_grant_type", 70_003);
    field("client_id", "").await.aadsts(400, "invalid_request", 900_144);
    let sandbox = Sandbox::new();
    let uri = format!("/{}/oauth2/v2.0/token", seed::TENANT);
    sandbox.send("azure-entra", "GET", &uri, &[], "").await.aadsts(400, "invalid_request", 900_561);
    assert_eq!(sandbox.send("azure-entra", "GET", "/nothing", &[], "").await.status, 404);
}

#[tokio::test]
async fn no_answer_and_no_decision_holds_the_token() {
    let sandbox = Sandbox::new();
    for change in [json!({ "iss": "https://i.example" }), json!({ "sub": "s" }), json!({ "exp": 1 })] {
        let token = sandbox.job(change);
        let reply = sandbox.exchange(&token).await;
        let signature = token.rsplit('.').next().unwrap();
        assert!(!reply.text().contains(signature));
    }
    let decisions = sandbox.world.decisions.since(0);
    assert!(decisions.iter().all(|decided| matches!(&decided.decision, Decision::Refuse(_))));
    assert_eq!(decisions.len(), 3);
}
