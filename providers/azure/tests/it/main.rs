//! The client against the emulator: they share no wire code, so each reads the documents for itself.

#[cfg(test)]
mod cloud;

use carnet_azure::{AzureIdentity, Entra};
use carnet_azure_sandbox::seed;
use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
use carnet_core::{ErrorKind, Kind};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::{Cloud, refused};

const STORAGE: &str = "https://storage.azure.com";
const AUDIENCE: &str = "api://AzureADTokenExchange";

fn section(client: &str) -> Value {
    json!({ "tenant": seed::TENANT, "client_id": client, "resource": STORAGE })
}

fn job() -> MintRequest {
    MintRequest::new(Issuer::Github, AUDIENCE)
}

#[tokio::test]
async fn a_job_puts_and_lists_blobs_as_an_application() {
    let cloud = Cloud::new(&[]);
    let token = cloud.exchange::<Entra>(section(seed::APPLICATION), &cloud.subject(&job())).await.unwrap();
    assert_eq!(cloud.blob(Method::PUT, "/fresh?restype=container", "", &token).await.status, 201);
    assert_eq!(cloud.blob(Method::PUT, "/fresh/a.txt", "hello", &token).await.status, 201);
    let listed = cloud.blob(Method::GET, "/fresh?restype=container&comp=list", "", &token).await;
    assert!(listed.text().unwrap().contains("<Name>a.txt</Name>"), "{:?}", listed.text());
    assert_eq!(cloud.blob(Method::GET, "/fresh/a.txt", "", &token).await.text(), Some("hello"));
}

#[tokio::test]
async fn the_same_job_only_reads_as_a_managed_identity_that_only_reads() {
    let cloud = Cloud::new(&[]);
    let token = cloud.exchange::<Entra>(section(seed::IDENTITY_CLIENT), &cloud.subject(&job())).await.unwrap();
    let report = format!("/reports/{}", seed::BLOB.0);
    assert_eq!(cloud.blob(Method::GET, &report, "", &token).await.text(), Some(seed::BLOB.1));
    assert_eq!(cloud.blob(Method::PUT, &report, "other", &token).await.status, 403);
}

#[tokio::test]
async fn a_token_is_over_when_it_says_so() {
    let cloud = Cloud::new(&[]);
    let token = cloud.exchange::<Entra>(section(seed::APPLICATION), &cloud.subject(&job())).await.unwrap();
    let left = token.remaining(carnet_core::Clock::now(&*cloud.clock)).unwrap();
    cloud.clock.advance(left + SignedDuration::from_secs(1));
    assert_eq!(cloud.blob(Method::GET, "/?comp=list", "", &token).await.status, 401);
}

#[tokio::test]
async fn a_virtual_machine_has_a_token_and_so_has_an_app() {
    let app =
        [("IDENTITY_ENDPOINT", "http://azure-app-service.test/msi/token"), ("IDENTITY_HEADER", seed::IDENTITY_HEADER)];
    for variables in [&[][..], &app] {
        let cloud = Cloud::new(variables);
        let token = cloud.find::<AzureIdentity>(json!({ "resource": STORAGE }), None).await;
        assert_eq!(token.facts["principal"], seed::MACHINE_CLIENT);
        assert_eq!(cloud.blob(Method::GET, "/?comp=list", "", &token).await.status, 200);
        let reader = json!({ "resource": STORAGE, "client_id": seed::IDENTITY_CLIENT });
        let token = cloud.find::<AzureIdentity>(reader, None).await;
        assert_eq!(cloud.blob(Method::PUT, "/fresh?restype=container", "", &token).await.status, 403);
    }
}

#[tokio::test]
async fn a_virtual_machine_becomes_an_application() {
    let cloud = Cloud::new(&[]);
    let machine = cloud.find::<AzureIdentity>(json!({ "token": "identity" }), Some(AUDIENCE)).await;
    assert_eq!(machine.kind(), Kind::Jwt);
    let token = cloud.exchange::<Entra>(section(seed::APPLICATION), &machine).await.unwrap();
    assert_eq!(cloud.blob(Method::PUT, "/fresh?restype=container", "", &token).await.status, 201);
}

#[tokio::test]
async fn a_pod_redeems_its_token_file() {
    let cloud = Cloud::new(&[
        ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
        ("AZURE_CLIENT_ID", seed::APPLICATION),
        ("AZURE_TENANT_ID", seed::TENANT),
    ]);
    let carnet_core::Material::Jwt(token) = cloud.subject(&job()).material else { panic!("no JWT") };
    cloud.files.put("/token", token.expose());
    let token = cloud.find::<AzureIdentity>(json!({ "resource": STORAGE }), None).await;
    assert_eq!(cloud.blob(Method::GET, "/?comp=list", "", &token).await.status, 200);
}

#[tokio::test]
async fn rejects_each_token_that_is_bent_in_one_place() {
    for (request, kind, code, clause) in [
        (
            job().claim("iss", "https://token.actions.githubusercontent.com/"),
            ErrorKind::Refused,
            "AADSTS700211",
            "issuer",
        ),
        (job().claim("sub", "repo:attacker/app:ref:refs/heads/main"), ErrorKind::Refused, "AADSTS700213", "subject"),
        (
            job().claim("sub", "repo:Carnet-Sandbox/app:ref:refs/heads/main"),
            ErrorKind::Refused,
            "AADSTS7002138",
            "case",
        ),
        (MintRequest::new(Issuer::Github, "other"), ErrorKind::Refused, "AADSTS700212", "audience"),
        (job().flaw(Flaw::Expired), ErrorKind::Expired, "AADSTS700024", "expired"),
        (job().flaw(Flaw::NotYet), ErrorKind::Expired, "AADSTS700024", "not-yet"),
        (job().flaw(Flaw::WrongKey), ErrorKind::Refused, "AADSTS50027", "form"),
        (job().flaw(Flaw::UnknownKid), ErrorKind::Refused, "AADSTS7000272", "key"),
        (job().flaw(Flaw::NoKid), ErrorKind::Refused, "AADSTS5002723", "key-id"),
        (job().flaw(Flaw::Es256), ErrorKind::Refused, "AADSTS5002738", "algorithm"),
    ] {
        let error = refused(&request, section(seed::APPLICATION)).await;
        let seen = (error.kind(), error.provider_code(), error.failed_clause());
        assert_eq!(seen, (kind, Some(code), Some(clause)), "{request:?}: {error:?}");
    }
}

#[tokio::test]
async fn rejects_clients_that_trust_nobody_and_tokens_of_entra_for_identities() {
    let error = refused(&job(), section(seed::MACHINE_CLIENT)).await;
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("AADSTS70025"), Some("credential")), "{error:?}");
    let cloud = Cloud::new(&[]);
    let machine = cloud.find::<AzureIdentity>(json!({ "token": "identity" }), Some(AUDIENCE)).await;
    let error = cloud.exchange::<Entra>(section(seed::IDENTITY_CLIENT), &machine).await.unwrap_err();
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("AADSTS700222"), Some("own-issuer")), "{error:?}");
}

#[tokio::test]
async fn rejects_identities_and_resources_that_the_machine_does_not_have() {
    let app =
        [("IDENTITY_ENDPOINT", "http://azure-app-service.test/msi/token"), ("IDENTITY_HEADER", seed::IDENTITY_HEADER)];
    let other = [app[0], ("IDENTITY_HEADER", "another")];
    let good = json!({ "resource": STORAGE });
    for (variables, section, clause) in [
        (&[][..], json!({ "resource": STORAGE, "client_id": seed::APPLICATION }), "client"),
        (&[][..], json!({ "resource": "https://nobody.example" }), "resource"),
        (&app[..], json!({ "resource": STORAGE, "client_id": seed::APPLICATION }), "client"),
        (&app[..], json!({ "resource": "https://nobody.example" }), "resource"),
        (&other[..], good, "identity-header"),
    ] {
        let error = Cloud::new(variables).look::<AzureIdentity>(section.clone(), None).await.unwrap_err();
        let seen = (error.kind(), error.failed_clause());
        assert_eq!(seen, (ErrorKind::Refused, Some(clause)), "{section}: {error:?}");
        assert!(!error.hints().is_empty());
    }
}

#[tokio::test]
async fn rejects_client_tenant_and_resource_that_are_not_there() {
    let other = "c0ffee00-0000-4000-8000-0000000000ff";
    for (change, clause) in [
        (json!({ "client_id": other }), "client"),
        (json!({ "tenant": other }), "tenant"),
        (json!({ "resource": "https://nobody.example" }), "resource"),
    ] {
        let mut bent = section(seed::APPLICATION);
        bent.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = refused(&job(), bent).await;
        assert_eq!(error.failed_clause(), Some(clause), "{change}: {error:?}");
    }
}
