//! The token endpoint, when it gives.

use carnet_azure_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey};
use carnet_sandbox_kit::{Fault, FaultKind};
use carnet_trust::Decision;
use serde_json::{Value, json};

use crate::support::{ARM, NOW, STORAGE, Sandbox, claims, sign, with};

#[tokio::test]
async fn a_job_becomes_the_application() {
    let sandbox = Sandbox::new();
    let reply = sandbox.exchange(&sandbox.job(json!({}))).await;
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store, no-cache");
    let body = reply.is(200);
    assert_eq!(body["token_type"], "Bearer");
    let life = body["expires_in"].as_i64().unwrap();
    assert!((3599..=5399).contains(&life), "{life}");
    assert_eq!(body["ext_expires_in"], life);
    let claims = claims(body["access_token"].as_str().unwrap());
    for (name, expected) in [
        ("aud", STORAGE),
        ("iss", "https://sts.windows.net/c0ffee00-0000-4000-8000-00000000a001/"),
        ("appid", seed::APPLICATION),
        ("appidacr", "2"),
        ("idtyp", "app"),
        ("oid", seed::APPLICATION_PRINCIPAL),
        ("sub", seed::APPLICATION_PRINCIPAL),
        ("tid", seed::TENANT),
        ("ver", "1.0"),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_eq!(claims["exp"], NOW + life + 1);
    let decisions = sandbox.world.decisions.since(0);
    let Decision::Allow(grant) = &decisions[0].decision else { panic!("{decisions:?}") };
    assert_eq!(grant.attributes["credential"], "github-main");
}

#[tokio::test]
async fn the_tenant_may_be_named_by_its_domain() {
    let sandbox = Sandbox::new();
    sandbox.exchange_with(seed::DOMAIN, &Sandbox::fields(&sandbox.job(json!({})))).await.is(200);
}

#[tokio::test]
async fn the_same_job_becomes_a_managed_identity() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    assert_eq!(claims(&token)["oid"], seed::IDENTITY_PRINCIPAL);
}

#[tokio::test]
async fn the_first_endpoint_writes_numbers_as_text() {
    let sandbox = Sandbox::new();
    let mut fields = Sandbox::fields(&sandbox.job(json!({})));
    fields.retain(|(name, _)| *name != "scope");
    fields.push(("resource", format!("{ARM}/")));
    let body = sandbox.post_form(&format!("/{}/oauth2/token", seed::TENANT), &fields).await.is(200);
    assert_eq!(body["resource"], format!("{ARM}/"));
    assert_eq!(body["not_before"], NOW.to_string());
    let end: i64 = body["expires_on"].as_str().unwrap().parse().unwrap();
    let left: i64 = body["expires_in"].as_str().unwrap().parse().unwrap();
    assert_eq!(end, NOW + left + 1);
    assert_eq!(claims(body["access_token"].as_str().unwrap())["aud"], format!("{ARM}/"));
}

#[tokio::test]
async fn an_application_chooses_the_form_of_tokens_for_it() {
    let sandbox = Sandbox::new();
    let scope = format!("api://{}/.default", seed::APPLICATION);
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", &scope);
    let body = sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    let claims = claims(body["access_token"].as_str().unwrap());
    assert_eq!((&claims["aud"], &claims["ver"]), (&json!(seed::APPLICATION), &json!("2.0")));
    assert_eq!((&claims["iss"], &claims["azp"]), (&json!(seed::own_issuer()), &json!(seed::APPLICATION)));
}

#[tokio::test]
async fn an_expression_lets_a_whole_group_in() {
    let sandbox = Sandbox::new();
    let gitlab = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("gitlab-1");
    sandbox.publish(seed::GITLAB_ISSUER, &[&gitlab]);
    let token = |subject: &str| {
        let claims = json!({ "iss": seed::GITLAB_ISSUER, "sub": subject, "aud": "api://AzureADTokenExchange",
            "iat": NOW, "exp": NOW + 300 });
        sign(&gitlab, &claims)
    };
    sandbox.exchange(&token(seed::GITLAB_SUBJECT)).await.is(200);
    let other = seed::GITLAB_SUBJECT.replace("carnet-sandbox", "stranger");
    sandbox.exchange(&token(&other)).await.aadsts(401, "invalid_client", 700_213);
}

#[tokio::test]
async fn the_machine_becomes_the_application_that_trusts_it() {
    let sandbox = Sandbox::new();
    let keys = format!("/{}/discovery/v2.0/keys", seed::TENANT);
    let keys = sandbox.send("azure-entra", "GET", &keys, &[], "").await.is(200);
    sandbox.serve(&seed::own_issuer(), &keys);
    let own = sandbox.machine("api://AzureADTokenExchange").await;
    assert_eq!(claims(&own)["sub"], seed::MACHINE_PRINCIPAL);
    sandbox.exchange(&own).await.is(200);
    // A managed identity trusts no other.
    let fields = with(Sandbox::fields(&own), "client_id", seed::IDENTITY_CLIENT);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(400, "invalid_request", 700_222);
}

#[tokio::test]
async fn rejects_an_applications_own_token_as_proof_of_another() {
    let sandbox = Sandbox::new();
    let keys = format!("/{}/discovery/v2.0/keys", seed::TENANT);
    let keys = sandbox.send("azure-entra", "GET", &keys, &[], "").await.is(200);
    sandbox.serve(&seed::own_issuer(), &keys);
    let made = sandbox.graph("POST", "/v1.0/applications", json!({ "displayName": "second" })).await.is(201);
    let second = made["appId"].as_str().unwrap();
    sandbox.graph("POST", "/v1.0/servicePrincipals", json!({ "appId": second })).await.is(201);
    let credentials = format!("/v1.0/applications(appId='{second}')/federatedIdentityCredentials");
    for (name, subject) in [("first", seed::APPLICATION_PRINCIPAL), ("machine", seed::MACHINE_PRINCIPAL)] {
        let body = json!({ "name": name, "issuer": seed::own_issuer(), "subject": subject,
            "audiences": ["api://AzureADTokenExchange"] });
        sandbox.graph("POST", &credentials, body).await.is(201);
    }
    let scope = "api://AzureADTokenExchange/.default";
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", scope);
    let own = sandbox.exchange_with(seed::TENANT, &fields).await.is(200)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&own)["sub"], seed::APPLICATION_PRINCIPAL);
    let fields = with(Sandbox::fields(&own), "client_id", second);
    let text = sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(400, "invalid_request", 700_222);
    assert!(text.contains("AAD-issued tokens may not be used"), "{text}");
    // The machine's token is proof for the same application.
    let machine = sandbox.machine("api://AzureADTokenExchange").await;
    let fields = with(Sandbox::fields(&machine), "client_id", second);
    sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
}

#[tokio::test]
async fn a_client_that_can_handle_challenges_says_so_and_the_token_repeats_it() {
    let sandbox = Sandbox::new();
    let capability = r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#;
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "claims", capability);
    let body = sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    assert_eq!(claims(body["access_token"].as_str().unwrap())["xms_cc"], json!(["CP1"]));
}

#[tokio::test]
async fn the_callers_id_comes_back() {
    let sandbox = Sandbox::new();
    let id = "0c0c0000-0000-4000-8000-000000000000";
    let uri = format!("/{}/oauth2/v2.0/token", seed::TENANT);
    let reply = sandbox.send("azure-entra", "POST", &uri, &[("client-request-id", id)], "").await;
    assert_eq!(reply.json()["correlation_id"], id);
    let reply = sandbox.send("azure-entra", "POST", &uri, &[("client-request-id", "no id\u{9}")], "").await;
    assert_eq!(reply.json()["correlation_id"], reply.json()["trace_id"]);
}

#[tokio::test]
async fn the_fault_expired_gives_tokens_that_are_over() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("azure-entra").times(1));
    let body = sandbox.exchange(&sandbox.job(json!({}))).await.is(200);
    assert_eq!(body["expires_in"], 0);
    let token = body["access_token"].as_str().unwrap();
    sandbox.blob("GET", "/?comp=list", token, &[], "").await.xml(401, "InvalidAuthenticationInfo");
    assert_ne!(sandbox.exchange(&sandbox.job(json!({}))).await.is(200)["expires_in"], 0);
}

#[tokio::test]
async fn a_change_takes_its_time_to_act() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "propagation_seconds": 120 })).await;
    let path = format!("{}/federatedIdentityCredentials/pull-requests", seed::identity());
    let subject = "repo:carnet-sandbox/app:pull_request";
    let properties =
        json!({ "issuer": seed::GITHUB_ISSUER, "subject": subject, "audiences": ["api://AzureADTokenExchange"] });
    sandbox.arm("PUT", &path, json!({ "properties": properties })).await.is(201);
    let exchange = |token: String| {
        let fields = with(Sandbox::fields(&token), "client_id", seed::IDENTITY_CLIENT);
        let sandbox = &sandbox;
        async move { sandbox.exchange_with(seed::TENANT, &fields).await }
    };
    exchange(sandbox.job(json!({ "sub": subject }))).await.aadsts(401, "invalid_client", 700_213);
    exchange(sandbox.job(json!({}))).await.is(200);
    sandbox.advance(jiff::SignedDuration::from_secs(120));
    exchange(sandbox.job(json!({ "sub": subject }))).await.is(200);
}

#[tokio::test]
async fn what_is_deleted_is_trusted_no_more() {
    let sandbox = Sandbox::new();
    let path = format!("{}/federatedIdentityCredentials/github-main", seed::identity());
    assert_eq!(sandbox.arm("DELETE", &path, Value::Null).await.is(200), Value::Null);
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "client_id", seed::IDENTITY_CLIENT);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(401, "invalid_client", 70_025);
}
