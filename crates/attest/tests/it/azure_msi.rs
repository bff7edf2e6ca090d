//! `azure-msi`: tokens of managed identities.

use std::sync::Arc;

use carnet_attest::{Attestors, Kind, Once};
use carnet_core::{Context, ScriptedHttp};
use serde_json::{Value, json};

use crate::support::*;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const PRINCIPAL: &str = "22222222-2222-4222-8222-222222222222";
const SUBSCRIPTION: &str = "33333333-3333-4333-8333-333333333333";

fn machine(subscription: &str) -> Value {
    let group = "resourcegroups/frontend/providers/Microsoft.Compute/virtualMachines/Blog";
    json!(format!("/subscriptions/{subscription}/{group}"))
}

fn claims() -> Value {
    json!({
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "aud": "api://carnet",
        "tid": TENANT,
        "oid": PRINCIPAL,
        "sub": PRINCIPAL,
        "idtyp": "app",
        "iat": now().as_second(),
        "nbf": now().as_second(),
        "exp": now().as_second() + 86_400,
        "xms_mirid": machine(SUBSCRIPTION),
    })
}

fn config() -> Value {
    json!({"azure_msi": {"audience": "api://carnet", "tenants": {TENANT: {"subscriptions": [SUBSCRIPTION]}}}})
}

fn azure(config: Value) -> (Arc<ScriptedHttp>, Attestors) {
    let http = Arc::new(ScriptedHttp::default().answer(200, jwks()));
    let context = Context { http: Arc::clone(&http) as _, ..world(Arc::default()) };
    (http, attestors(&context, config))
}

async fn refused(bend: impl FnOnce(&mut Value)) -> String {
    let (_, attestors) = azure(config());
    let mut claims = claims();
    bend(&mut claims);
    clause(&attestors, Kind::AzureMsi, &json!({"token": token(&claims)})).await
}

#[tokio::test]
async fn accepts_a_machine_of_an_allowed_subscription_for_the_first_time() {
    let (http, attestors) = azure(config());
    let attested = attestors.verify(Kind::AzureMsi, &json!({"token": token(&claims())}), &NONCE).await.unwrap();
    assert_eq!((attested.path, attested.once), (format!("azure-msi/{TENANT}/{PRINCIPAL}"), Once::FirstUse));
    let attested = attestors.verify(Kind::AzureMsi, &json!({"token": token(&claims())}), &NONCE).await.unwrap();
    let wanted = [
        format!("azure-msi:principal-id:{PRINCIPAL}"),
        "azure-msi:resource-group:frontend".to_owned(),
        format!("azure-msi:subscription-id:{SUBSCRIPTION}"),
        format!("azure-msi:tenant-id:{TENANT}"),
        "azure-msi:vm-name:frontend:blog".to_owned(),
    ];
    assert_eq!(texts(&attested), wanted);
    let asked: Vec<String> = http.requests().iter().map(|request| request.url.to_string()).collect();
    assert_eq!(asked, [format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys")]);
}

#[tokio::test]
async fn accepts_the_issuer_of_the_other_version_when_it_is_configured() {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let mut config = config();
    config["azure_msi"]["tenants"][TENANT]["issuer"] = json!(issuer);
    let (_, attestors) = azure(config);
    let mut claims = claims();
    claims["iss"] = json!(issuer);
    assert!(attestors.verify(Kind::AzureMsi, &json!({"token": token(&claims)}), &NONCE).await.is_ok());
}

#[tokio::test]
async fn rejects_a_token_of_another_issuer() {
    for issuer in ["https://sts.windows.net/44444444-4444-4444-8444-444444444444/", "https://sts.windows.net/"] {
        assert_eq!(refused(|claims| claims["iss"] = json!(issuer)).await, "issuer", "{issuer}");
    }
    let version_2 = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    assert_eq!(refused(|claims| claims["iss"] = json!(version_2)).await, "issuer");
}

#[tokio::test]
async fn rejects_a_token_of_another_tenant() {
    assert_eq!(refused(|claims| claims["tid"] = json!("other")).await, "tenant");
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("tid"))).await, "claims");
}

#[tokio::test]
async fn rejects_a_token_for_another_audience() {
    assert_eq!(refused(|claims| claims["aud"] = json!("https://management.azure.com/")).await, "audience");
}

#[tokio::test]
async fn rejects_a_token_that_has_expired_is_of_the_future_or_lives_too_long() {
    assert_eq!(refused(|claims| claims["exp"] = json!(now().as_second() - 301)).await, "expired");
    assert_eq!(refused(|claims| claims["nbf"] = json!(now().as_second() + 301)).await, "not-yet");
    assert_eq!(refused(|claims| claims["exp"] = json!(now().as_second() + 100_000)).await, "lifetime");
}

#[tokio::test]
async fn rejects_a_token_that_the_tenant_has_not_signed() {
    let (_, attestors) = azure(config());
    let good = token(&claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = token(&json!({"iss": "x"}));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = json!({"token": format!("{signed}.{signature}")});
    assert_eq!(clause(&attestors, Kind::AzureMsi, &forged).await, "signature");
}

#[tokio::test]
async fn rejects_a_token_without_principal_or_of_no_managed_identity() {
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("oid"))).await, "claims");
    // What a person or an application of the tenant gets.
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("xms_mirid"))).await, "claims");
    assert_eq!(refused(|claims| claims["oid"] = json!("a/b")).await, "form");
}

#[tokio::test]
async fn rejects_identities_that_are_not_one_machines_own() {
    let below = |rest: &str| json!(format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/frontend/providers/{rest}"));
    for identity in [
        below("Microsoft.ManagedIdentity/userAssignedIdentities/shared"),
        below("Microsoft.Compute/virtualMachineScaleSets/web"),
        below("Microsoft.Compute/virtualMachines/blog/extensions/x"),
        below("Microsoft.Compute/virtualMachines/"),
        below("Microsoft.Web/sites/blog"),
        json!(format!("/subscriptions/{SUBSCRIPTION}")),
    ] {
        assert_eq!(refused(|claims| claims["xms_mirid"] = identity.clone()).await, "identity", "{identity}");
    }
}

#[tokio::test]
async fn rejects_a_subscription_that_is_not_allowed() {
    let other = machine("55555555-5555-4555-8555-555555555555");
    assert_eq!(refused(|claims| claims["xms_mirid"] = other).await, "subscription");
}

#[tokio::test]
async fn rejects_a_configuration_that_stands_for_any_tenant_or_for_none() {
    let context = world(Arc::default());
    let with = |tenants: Value| json!({"azure_msi": {"audience": "api://carnet", "tenants": tenants}});
    assert_eq!(mistakes(&context, with(json!({}))), ["azure_msi.tenants"]);
    for tenant in ["common", "a/b", ""] {
        let tenants = json!({tenant: {"subscriptions": [SUBSCRIPTION]}});
        assert_eq!(mistakes(&context, with(tenants)), [format!("azure_msi.tenants.{tenant}")]);
    }
    let nobody = json!({TENANT: {"subscriptions": []}});
    assert_eq!(mistakes(&context, with(nobody)), [format!("azure_msi.tenants.{TENANT}.subscriptions")]);
}

#[tokio::test]
async fn the_agent_asks_the_metadata_service_for_the_resource() {
    let answer = json!({"access_token": "a.b.c", "expires_in": "86400", "token_type": "Bearer"});
    let http = Arc::new(ScriptedHttp::default().answer(200, answer.to_string()));
    let context = Context { http: Arc::clone(&http) as _, ..world(Arc::default()) };
    let evidence = gather(&context, json!({"azure-msi": {"resource": "api://carnet"}})).await.unwrap();
    assert_eq!(evidence, json!({"token": "a.b.c"}));
    let request = &http.requests()[0];
    let wanted =
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fcarnet";
    assert_eq!(request.url.as_str(), wanted);
    assert_eq!(request.headers.get("metadata").unwrap(), "true");
}
