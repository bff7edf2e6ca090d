//! The three managed identity endpoints.

use std::path::Path;

use carnet_azure_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind, ServiceUrls, Urls};
use serde_json::{Value, json};

use crate::support::{NOW, Reply, STORAGE, Sandbox, claims};

const IMDS: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com";
const APP_SERVICE: &str = "/msi/token?api-version=2019-08-01&resource=https://storage.azure.com";
const ARC: &str = "/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https://storage.azure.com";
const METADATA: (&str, &str) = ("metadata", "true");
const HEADER: (&str, &str) = ("x-identity-header", seed::IDENTITY_HEADER);

async fn get(service: &str, uri: &str, headers: &[(&str, &str)]) -> Reply {
    Sandbox::new().send(service, "GET", uri, headers, "").await
}

#[tokio::test]
async fn the_machine_has_an_identity_of_its_own() {
    let reply = get("azure-imds", IMDS, &[METADATA]).await;
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    let body = reply.is(200);
    assert_eq!(body["client_id"], seed::MACHINE_CLIENT);
    for (name, expected) in [
        ("expires_in", "86399".to_owned()),
        ("ext_expires_in", "86399".to_owned()),
        ("expires_on", (NOW + 86_400).to_string()),
        ("not_before", (NOW - 300).to_string()),
        ("resource", STORAGE.to_owned()),
        ("token_type", "Bearer".to_owned()),
    ] {
        assert_eq!(body[name], expected, "numbers are texts: {name}");
    }
    let claims = claims(body["access_token"].as_str().unwrap());
    assert_eq!((&claims["oid"], &claims["aud"]), (&json!(seed::MACHINE_PRINCIPAL), &json!(STORAGE)));
    assert!(claims["xms_mirid"].as_str().unwrap().ends_with("/virtualMachines/carnet-builder"));
}

#[tokio::test]
async fn a_user_assigned_identity_is_named_in_three_ways() {
    for selector in [
        format!("client_id={}", seed::IDENTITY_CLIENT),
        format!("object_id={}", seed::IDENTITY_PRINCIPAL),
        format!("msi_res_id={}", seed::identity()),
    ] {
        let body = get("azure-imds", &format!("{IMDS}&{selector}"), &[METADATA]).await.is(200);
        assert_eq!(body["client_id"], seed::IDENTITY_CLIENT, "{selector}");
    }
    let body = get("azure-app-service", &format!("{APP_SERVICE}&mi_res_id={}", seed::identity()), &[HEADER]).await;
    assert_eq!(body.is(200)["client_id"], seed::IDENTITY_CLIENT);
}

#[tokio::test]
async fn the_metadata_service_refuses_in_its_own_words() {
    let oauth = |reply: Reply, status: u16, error: &str| {
        let body = reply.is(status);
        assert_eq!(body["error"], error, "{body}");
        body["error_description"].as_str().unwrap().to_owned()
    };
    let text = oauth(get("azure-imds", IMDS, &[]).await, 400, "bad_request_102");
    assert_eq!(text, "Required metadata header not specified");
    // What libraries send to find out whether somebody is there.
    oauth(get("azure-imds", "/metadata/identity/oauth2/token", &[]).await, 400, "bad_request_102");
    oauth(get("azure-imds", IMDS, &[METADATA, ("x-forwarded-for", "10.0.0.1")]).await, 400, "bad_request_103");
    let unknown = format!("{IMDS}&client_id={}", seed::APPLICATION);
    assert_eq!(oauth(get("azure-imds", &unknown, &[METADATA]).await, 400, "invalid_request"), "Identity not found");
    let two = format!("{IMDS}&client_id={}&object_id={}", seed::IDENTITY_CLIENT, seed::IDENTITY_PRINCIPAL);
    oauth(get("azure-imds", &two, &[METADATA]).await, 400, "invalid_request");
    let without = IMDS.split('&').next().unwrap();
    oauth(get("azure-imds", without, &[METADATA]).await, 400, "invalid_request");
    let resource = IMDS.replace("storage.azure.com", "unknown.example");
    let text = oauth(get("azure-imds", &resource, &[METADATA]).await, 400, "invalid_resource");
    assert!(text.starts_with("AADSTS500011: "), "{text}");
    oauth(get("azure-imds", "/metadata/other", &[METADATA]).await, 404, "not_found");
    let sandbox = Sandbox::new();
    oauth(sandbox.send("azure-imds", "POST", IMDS, &[METADATA], "").await, 405, "method_not_allowed");
    for version in ["", "api-version=x&", "api-version=2017-09-01&"] {
        let uri = IMDS.replace("api-version=2018-02-01&", version);
        let body = get("azure-imds", &uri, &[METADATA]).await.is(400);
        assert!(body["newest-versions"].is_array(), "{body}");
    }
}

#[tokio::test]
async fn a_proxy_says_that_there_is_no_metadata_service() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "metadata_unreachable": true })).await;
    for headers in [[].as_slice(), &[METADATA]] {
        let reply = sandbox.send("azure-imds", "GET", IMDS, headers, "").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (403, "text/plain; charset=utf-8"));
        assert!(reply.text().contains("unreachable"), "{}", reply.text());
    }
    sandbox.send("azure-app-service", "GET", APP_SERVICE, &[HEADER], "").await.is(200);
    sandbox.behave(json!({})).await;
    sandbox.send("azure-imds", "GET", IMDS, &[METADATA], "").await.is(200);
}

#[tokio::test]
async fn the_machine_says_where_it_is() {
    let body = get("azure-imds", "/metadata/instance?api-version=2021-02-01", &[METADATA]).await.is(200);
    assert_eq!(body["compute"]["subscriptionId"], seed::SUBSCRIPTION);
}

#[tokio::test]
async fn the_fault_expired_gives_tokens_that_are_over() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("azure-imds"));
    let body = sandbox.send("azure-imds", "GET", IMDS, &[METADATA], "").await.is(200);
    assert_eq!((&body["expires_in"], &body["expires_on"]), (&json!("0"), &json!(NOW.to_string())));
}

#[tokio::test]
async fn the_endpoint_of_app_service_wants_its_header() {
    let body = get("azure-app-service", APP_SERVICE, &[HEADER]).await.is(200);
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "client_id", "expires_on", "resource", "token_type"]);
    assert_eq!(body["expires_on"], (NOW + 86_400).to_string());
    for (uri, headers, status) in [
        (APP_SERVICE.to_owned(), vec![], 401),
        (APP_SERVICE.to_owned(), vec![("x-identity-header", "x")], 401),
        (APP_SERVICE.replace("2019-08-01", "2017-09-01"), vec![HEADER], 400),
        ("/msi/token?api-version=2019-08-01".to_owned(), vec![HEADER], 400),
        (format!("{APP_SERVICE}&client_id=x"), vec![HEADER], 400),
        (APP_SERVICE.replace("storage.azure.com", "unknown.example"), vec![HEADER], 400),
        ("/other".to_owned(), vec![HEADER], 404),
    ] {
        let body = get("azure-app-service", &uri, &headers).await.is(status);
        assert_eq!(body["statusCode"], status, "{uri}");
        assert!(body["message"].is_string());
    }
}

#[tokio::test]
async fn the_agent_of_arc_wants_to_see_its_file() {
    let sandbox = Sandbox::new();
    let files = sandbox.emulator.files(&Urls::new(), Path::new("/nowhere")).unwrap();
    let (path, content) = &files[0];
    let name = path.file_name().unwrap().to_str().unwrap();
    let challenge = sandbox.send("azure-arc", "GET", ARC, &[METADATA], "").await;
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge.header("www-authenticate"), format!("Basic realm=/var/opt/azcmagent/tokens/{name}"));
    let proof = format!("Basic {}", std::str::from_utf8(content).unwrap());
    let uri = format!("{ARC}&client_id={}", seed::IDENTITY_CLIENT);
    let headers = [METADATA, ("authorization", proof.as_str())];
    let body = sandbox.send("azure-arc", "GET", &uri, &headers, "").await.is(200);
    assert_eq!((&body["client_id"], &body["expires_in"]), (&json!(seed::IDENTITY_CLIENT), &json!("86399")));
    let uri = format!("{ARC}&object_id={}", seed::IDENTITY_PRINCIPAL);
    let body = sandbox.send("azure-arc", "GET", &uri, &headers, "").await.is(200);
    assert_eq!(body["object_id"], seed::IDENTITY_PRINCIPAL);
    let unknown = format!("{ARC}&client_id={}", seed::APPLICATION);
    assert_eq!(sandbox.send("azure-arc", "GET", &unknown, &headers, "").await.is(400)["error"], "invalid_request");
}

#[tokio::test]
async fn the_agent_of_arc_refuses_whatever_is_bent_in_one_place() {
    let wrong = ("authorization", "Basic eA==");
    for (uri, headers, status) in [
        (ARC.to_owned(), vec![METADATA, wrong], 401),
        (ARC.to_owned(), vec![], 403),
        (ARC.replace("2020-06-01", "2001-01-01"), vec![METADATA], 400),
        (ARC.split('&').next().unwrap().to_owned(), vec![METADATA], 400),
        ("/metadata/other".to_owned(), vec![METADATA], 404),
    ] {
        assert_eq!(get("azure-arc", &uri, &headers).await.status, status, "{uri}");
    }
}

#[test]
fn the_environment_points_clients_at_the_services() {
    let sandbox = Sandbox::new();
    let urls = |port: u16| ServiceUrls {
        plain: format!("http://127.0.0.1:{port}/").parse().unwrap(),
        tls: format!("https://127.0.0.1:{}/", port + 1).parse().unwrap(),
    };
    let urls = Urls::from([("azure-entra", urls(7001)), ("azure-imds", urls(7003))]);
    let environment: serde_json::Map<String, Value> = sandbox
        .emulator
        .environment(&urls, Path::new("/tmp"))
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    let expected = json!({
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:7002",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:7003",
    });
    assert_eq!(Value::Object(environment), expected);
}
