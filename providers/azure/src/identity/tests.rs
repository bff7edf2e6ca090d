use carnet_core::{Credential, ErrorKind, HttpErrorKind, ScriptedHttp};
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CLIENT, ISSUER, NOW, TENANT, World, form, forms, subject_token, token, world};

const STORAGE: &str = "https://storage.azure.com";
const ANSWER: &str = r#"{"access_token":"a.b.c","client_id":"11111111-0000-0000-0000-000000000001","expires_in":"86399","expires_on":"1795348799","resource":"https://storage.azure.com","token_type":"Bearer"}"#;
const APP: &[(&str, &str)] = &[("IDENTITY_ENDPOINT", "http://127.0.0.1:8081/msi/token"), ("IDENTITY_HEADER", "proof")];
const ARC: &[(&str, &str)] =
    &[("IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token"), ("IMDS_ENDPOINT", "http://x")];
const AKS: &[(&str, &str)] =
    &[("AZURE_FEDERATED_TOKEN_FILE", "/token"), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_TENANT_ID", TENANT)];

fn find(section: Value, world: &World) -> Result<Found, Error> {
    let source = serde_json::from_value::<AzureIdentity>(section).unwrap().build().unwrap();
    source.find(&world.context, &Want::default()).now_or_never().expect("nothing here waits")
}

fn credential(found: Result<Found, Error>) -> Credential {
    match found.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("{reason}"),
    }
}

fn access() -> Value {
    json!({ "resource": STORAGE })
}

#[test]
fn the_metadata_service_is_probed_and_asked() {
    let world = world(ScriptedHttp::default().answer(400, "{}").answer(200, ANSWER), &[]);
    let made = credential(find(access(), &world));
    assert_eq!((made.kind(), made.facts["principal"].as_str()), (Kind::AccessToken, CLIENT));
    assert_eq!(made.expires_at.unwrap().as_second(), 1_795_348_799);
    let requests = world.http.requests();
    assert!(!requests[0].headers.contains_key("metadata"));
    assert_eq!(requests[1].headers["metadata"], "true");
    assert_eq!(requests[1].url.host_str(), Some("169.254.169.254"));
    assert!(requests[1].url.query_pairs().any(|pair| pair == ("resource".into(), STORAGE.into())));
}

#[test]
fn no_metadata_service_is_not_here() {
    for http in [ScriptedHttp::default().fail(HttpErrorKind::Timeout), ScriptedHttp::default().answer(200, "")] {
        assert!(matches!(find(access(), &world(http, &[])).unwrap(), Found::NotHere(_)));
    }
}

#[test]
fn a_proxy_that_cannot_reach_the_metadata_service_is_none() {
    let named = json!({ "resource": STORAGE, "place": "imds" });
    let text = "connecting to 169.254.169.254:80: connect: network is unreachable";
    for body in [text.to_owned(), json!({ "message": text }).to_string()] {
        let found = find(named.clone(), &world(ScriptedHttp::default().answer(403, body.clone()), &[]));
        assert!(matches!(found.unwrap(), Found::NotHere(_)), "{body}");
        let error = find(named.clone(), &world(ScriptedHttp::default().answer(400, body), &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    let error = find(named, &world(ScriptedHttp::default().answer(403, "no"), &[])).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("403")));
}

#[test]
fn an_app_shows_its_header() {
    let world = world(ScriptedHttp::default().answer(200, ANSWER), APP);
    credential(find(access(), &world));
    assert_eq!(world.http.requests()[0].headers["x-identity-header"], "proof");
}

#[test]
fn rejects_refusals_of_the_endpoint() {
    for (status, body, kind) in [
        (400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#, ErrorKind::Refused),
        (400, r#"{"statusCode":400,"message":"no"}"#, ErrorKind::Refused),
        (410, "", ErrorKind::Unreachable),
        (429, "", ErrorKind::Unreachable),
        (200, "{}", ErrorKind::Unreachable),
    ] {
        let error = find(access(), &world(ScriptedHttp::default().answer(status, body), APP)).unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
    }
}

#[test]
fn each_refusal_of_the_endpoint_has_its_clause() {
    for (status, body, clause) in [
        (400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#, "client"),
        (400, r#"{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found"}"#, "client"),
        (400, r#"{"error":"invalid_resource","error_description":"AADSTS500011: no"}"#, "resource"),
        (400, r#"{"statusCode":400,"message":"ExceptionMessage: AADSTS500011: no"}"#, "resource"),
        (401, r#"{"statusCode":401,"message":"no"}"#, "identity-header"),
        (400, r#"{"error":"bad_request_103","error_description":"no"}"#, "request"),
    ] {
        let error = find(access(), &world(ScriptedHttp::default().answer(status, body), APP)).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some(clause)), "{body}: {error:?}");
        assert!(!error.hints().is_empty(), "{body}");
    }
}

#[test]
fn arc_is_shown_the_key_file() {
    const REALM: &[(&str, &str)] = &[("www-authenticate", "Basic realm=/elsewhere/k.key")];
    let world = world(ScriptedHttp::default().answer_with(401, REALM, "").answer(200, ANSWER), ARC);
    world.files.put("/var/opt/azcmagent/tokens/k.key", "proof");
    credential(find(access(), &world));
    assert_eq!(world.http.requests()[1].headers["authorization"], "Basic proof");
}

#[test]
fn no_refusal_repeats_the_proof() {
    const PROOF: &str = "5d41402abc4b2a76b9719d911017c592-7f3e";
    const REALM: &[(&str, &str)] = &[("www-authenticate", "Basic realm=/elsewhere/k.key")];
    for form in forms(PROOF) {
        for field in ["error", "error_description", "message"] {
            for status in [400, 401, 403] {
                let body = json!({ field: form }).to_string();
                let app = [APP[0], ("IDENTITY_HEADER", PROOF)];
                let app = world(ScriptedHttp::default().answer(status, body.clone()), &app);
                let http = ScriptedHttp::default().answer_with(401, REALM, "").answer(status, body);
                let arc = world(http, ARC);
                arc.files.put("/var/opt/azcmagent/tokens/k.key", PROOF);
                for world in [app, arc] {
                    let error = find(access(), &world).unwrap_err();
                    let told = format!("{error:?} {:?}", error.provider_code());
                    assert!(!told.contains("9719d9110"), "{field}: {told}");
                    assert_eq!(error.provider_code(), Some(status.to_string().as_str()), "{field}");
                }
            }
        }
    }
}

#[test]
fn a_code_that_does_not_look_like_one_is_not_shown() {
    for code in ["two words".to_owned(), "x".repeat(65)] {
        let http = ScriptedHttp::default().answer(400, json!({ "error": code }).to_string());
        assert_eq!(find(access(), &world(http, APP)).unwrap_err().provider_code(), Some("400"));
    }
}

#[test]
fn rejects_arc_that_does_not_ask_for_proof() {
    let error = find(access(), &world(ScriptedHttp::default().answer(200, ANSWER), ARC)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn a_pod_redeems_its_token_file() {
    let answer = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"a.b.c"}"#;
    let world = world(ScriptedHttp::default().answer(200, answer), AKS);
    world.files.put("/token", format!("{}\n", subject_token().expose()));
    credential(find(access(), &world));
    let fields = form(&world.http.requests()[0]);
    assert!(fields.contains(&("client_assertion".to_owned(), subject_token().expose().to_owned())));
}

#[test]
fn a_pod_gives_its_token_file_as_it_is() {
    let world = world(ScriptedHttp::default(), AKS);
    world.files.put("/token", subject_token().expose());
    assert_eq!(credential(find(json!({ "token": "assertion" }), &world)).facts["issuer"], ISSUER);
}

#[test]
fn rejects_token_of_a_binding_without_its_proxy() {
    let world = world(ScriptedHttp::default(), AKS);
    let bound = json!({ "iss": ISSUER, "sub": "s", "aud": ["api://AKSIdentityBinding"], "exp": NOW + 300 });
    world.files.put("/token", token(&bound).expose());
    assert_eq!(find(access(), &world).unwrap_err().failed_clause(), Some("audience"));
}

#[test]
fn a_pod_with_a_binding_asks_the_proxy_under_its_own_name_and_authority() {
    let answer = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"a.b.c"}"#;
    let variables = [
        AKS,
        &[
            ("AZURE_KUBERNETES_TOKEN_PROXY", "https://10.0.0.1:443"),
            ("AZURE_KUBERNETES_SNI_NAME", "binding.ests.aks"),
            ("AZURE_KUBERNETES_CA_FILE", "/ca.pem"),
        ],
    ]
    .concat();
    let world = world(ScriptedHttp::default().answer(200, answer), &variables);
    let bound = json!({ "iss": ISSUER, "sub": "s", "aud": ["api://AKSIdentityBinding"], "exp": NOW + 300 });
    world.files.put("/token", token(&bound).expose());
    world.files.put("/ca.pem", "CA");
    credential(find(access(), &world));
    let request = world.http.requests().remove(0);
    assert_eq!((request.url.host_str(), request.server_name.as_deref()), (Some("10.0.0.1"), Some("binding.ests.aks")));
    assert_eq!(request.ca_pem.as_deref(), Some(b"CA".as_slice()));
}

#[test]
fn rejects_sections_bent_in_one_place() {
    for (section, field) in [
        (json!({}), "resource"),
        (json!({ "resource": "https://a/.default" }), "resource"),
        (json!({ "token": "assertion", "resource": STORAGE }), "resource"),
        (json!({ "token": "assertion", "place": "imds" }), "place"),
        (json!({ "resource": STORAGE, "client_id": "app" }), "client_id"),
    ] {
        let mistakes = serde_json::from_value::<AzureIdentity>(section).unwrap().build().unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].field.as_str()), (1, field));
    }
}
