use carnet_core::{ErrorKind, HttpErrorKind, Material, MemoryFiles, Request, ScriptedHttp};
use carnet_jose::Claims;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::testing::{AUDIENCE, ISSUER, bent, claims, no_claim, now, place, token};

const POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const FLEET: &str = "/var/run/secrets/tokens/gcp-ksa/token";
const HOST: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");

/// The token that every pod has: for the API server, for a year, to be replaced within the hour.
fn default_claims() -> Claims {
    bent(|claims| {
        claims["aud"] = json!([ISSUER]);
        claims["exp"] = json!(now().as_second() + 31_536_000);
        claims["kubernetes.io"]["warnafter"] = json!(now().as_second() + 3607);
    })
}

fn written(claims: &Claims) -> String {
    format!("{}\n", token(claims).expose())
}

async fn find(
    config: Value,
    audience: Option<&str>,
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
    http: ScriptedHttp,
) -> (Result<Found, Error>, Vec<Request>) {
    let (context, http) = place(variables, files, http);
    let source = serde_json::from_value::<Kubernetes>(config).unwrap().build().unwrap();
    let want = Want { audience: audience.map(str::to_owned) };
    (source.find(&context, &want).await, http.requests())
}

fn found(result: Result<Found, Error>) -> Credential {
    match result.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("{reason}"),
    }
}

fn not_here(result: Result<Found, Error>) -> String {
    match result.unwrap() {
        Found::Credential(credential) => panic!("{credential:?}"),
        Found::NotHere(reason) => reason,
    }
}

fn issued(claims: &Claims) -> ScriptedHttp {
    let body = json!({"kind": "TokenRequest", "status": {"token": token(claims).expose(), "expirationTimestamp": "x"}});
    ScriptedHttp::default().answer(201, body.to_string())
}

#[tokio::test]
async fn elsewhere_there_is_none() {
    for way in ["auto", "projected", "request"] {
        let (result, _) = find(json!({"token": way}), Some(AUDIENCE), &[], &[], ScriptedHttp::default()).await;
        assert!(not_here(result).contains("KUBERNETES_SERVICE_HOST is not set"), "{way}");
    }
    let (result, _) = find(json!({"path": "/t"}), None, &[], &[], ScriptedHttp::default()).await;
    assert_eq!(not_here(result), "there is no file /t");
}

#[tokio::test]
async fn a_projected_token_for_the_audience_is_taken_as_it_is() {
    let file = written(&claims());
    let (result, requests) =
        find(json!({"path": "/t"}), Some(AUDIENCE), &[], &[("/t", &file)], ScriptedHttp::default()).await;
    let credential = found(result);
    let Material::Jwt(jwt) = &credential.material else { panic!("no JWT") };
    assert_eq!(jwt.expose(), file.trim());
    assert_eq!(credential.expires_at, Some(now() + SignedDuration::from_hours(1)));
    assert_eq!(credential.facts["principal"], "system:serviceaccount:example:admin");
    assert_eq!((credential.facts["pod"].as_str(), credential.facts["node"].as_str()), ("admin-0", "worker-1"));
    assert!(requests.is_empty());
}

#[tokio::test]
async fn a_token_that_the_kubelet_replaced_is_read_at_the_next_use() {
    let files = Arc::new(MemoryFiles::default());
    let (context, _) = place(&[], &[], ScriptedHttp::default());
    let context = Context { files: Arc::<MemoryFiles>::clone(&files), ..context };
    let source = serde_json::from_value::<Kubernetes>(json!({"path": "/t"})).unwrap().build().unwrap();
    for uid in ["p-1", "p-2"] {
        let claims = bent(|claims| claims["kubernetes.io"]["pod"]["uid"] = json!(uid));
        files.put("/t", written(&claims));
        let credential = found(source.find(&context, &Want::default()).await);
        let Material::Jwt(jwt) = &credential.material else { panic!("no JWT") };
        assert_eq!(files.get("/t").unwrap(), format!("{}\n", jwt.expose()).into_bytes());
    }
}

#[tokio::test]
async fn the_default_token_ends_when_the_kubelet_should_have_replaced_it() {
    let file = written(&default_claims());
    let (result, _) = find(json!({}), None, &[HOST], &[(POD, &file)], ScriptedHttp::default()).await;
    let soon = now() + SignedDuration::from_secs(3607);
    assert_eq!(found(result).expires_at, Some(soon));
    // A kubelet that is late: the token still counts, and says so itself.
    let late = bent(|claims| {
        *claims = Value::Object(default_claims().0);
        claims["kubernetes.io"]["warnafter"] = json!(now().as_second() - 1);
    });
    let file = written(&late);
    let (result, _) = find(json!({}), None, &[HOST], &[(POD, &file)], ScriptedHttp::default()).await;
    assert_eq!(found(result).expires_at, Some(now() + SignedDuration::from_secs(31_536_000)));
}

#[tokio::test]
async fn the_conventions_of_the_clouds_are_known() {
    let (own, other) = (written(&default_claims()), written(&claims()));
    for (variable, name) in [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "EKS (IAM roles for service accounts)"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "EKS (Pod Identity)"),
        ("AZURE_FEDERATED_TOKEN_FILE", "AKS (workload identity)"),
    ] {
        let files = [(POD, own.as_str()), ("/other", other.as_str())];
        let variables = [HOST, (variable, "/other")];
        let (result, _) = find(json!({}), Some(AUDIENCE), &variables, &files, ScriptedHttp::default()).await;
        assert_eq!(found(result).facts["place"], name);
        let (result, _) = find(json!({}), None, &variables, &files, ScriptedHttp::default()).await;
        assert_eq!(found(result).facts["place"], "Kubernetes", "without an audience the pod's own");
    }
    let files = [(POD, own.as_str()), (FLEET, other.as_str())];
    let (result, _) = find(json!({}), Some(AUDIENCE), &[HOST], &files, ScriptedHttp::default()).await;
    assert_eq!(found(result).facts["place"], "GKE (fleet workload identity)");
}

#[tokio::test]
async fn a_web_identity_that_is_no_service_accounts_is_passed_over() {
    let job = written(&bent(|claims| claims["sub"] = json!("repo:org/app:ref:refs/heads/main")));
    let variables = [HOST, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/job")];
    let (result, _) = find(json!({}), Some(AUDIENCE), &variables, &[("/job", &job)], ScriptedHttp::default()).await;
    assert!(not_here(result).contains("no token is projected"));
    let elsewhere = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/absent")];
    let (result, _) = find(json!({}), Some(AUDIENCE), &elsewhere, &[], ScriptedHttp::default()).await;
    assert!(not_here(result).contains("no pod"), "the file is nobody's business here");
}

#[tokio::test]
async fn rejects_a_file_that_a_variable_names_and_that_is_not_there() {
    let variables = [HOST, ("AZURE_FEDERATED_TOKEN_FILE", "/absent")];
    let (result, _) = find(json!({}), Some(AUDIENCE), &variables, &[], ScriptedHttp::default()).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("AZURE_FEDERATED_TOKEN_FILE"), "{error}");
}

#[tokio::test]
async fn rejects_a_projected_token_that_will_not_do() {
    let projected = json!({"token": "projected", "path": "/t"});
    for (claims, kind, clause) in [
        (default_claims(), ErrorKind::Configuration, "audience"),
        (bent(|claims| no_claim(claims, "/aud")), ErrorKind::Configuration, "audience"),
        (bent(|claims| claims["exp"] = json!(now().as_second())), ErrorKind::Expired, "expired"),
        (bent(|claims| no_claim(claims, "/kubernetes.io")), ErrorKind::Configuration, "claims"),
        (bent(|claims| claims["sub"] = json!("somebody")), ErrorKind::Configuration, "subject"),
    ] {
        let file = written(&claims);
        let (result, _) = find(projected.clone(), Some(AUDIENCE), &[], &[("/t", &file)], ScriptedHttp::default()).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)));
        assert!(!format!("{error:?}").contains(file.trim()));
    }
    for text in ["", "two words", "MARK"] {
        let (result, _) = find(projected.clone(), None, &[], &[("/t", text)], ScriptedHttp::default()).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!format!("{error:?}").contains("MARK"));
    }
}

#[tokio::test]
async fn another_audience_is_asked_of_the_api_server_and_bound_to_the_pod() {
    let own = written(&default_claims());
    let (result, requests) =
        find(json!({}), Some(AUDIENCE), &[HOST], &[(POD, &own), (CA, "PEM")], issued(&claims())).await;
    let credential = found(result);
    assert_eq!(credential.facts["place"], "Kubernetes (TokenRequest)");
    assert_eq!(credential.expires_at, Some(now() + SignedDuration::from_hours(1)));
    let sent = requests.first().unwrap();
    let url = "https://10.96.0.1/api/v1/namespaces/example/serviceaccounts/admin/token";
    assert_eq!((sent.url.as_str(), sent.ca_pem.as_deref()), (url, Some(&b"PEM"[..])));
    assert_eq!(sent.headers["authorization"], format!("Bearer {}", own.trim()));
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "admin-0", "uid": "p-1"});
    assert_eq!(body["spec"], json!({"audiences": [AUDIENCE], "expirationSeconds": 3600, "boundObjectRef": pod}));
}

#[tokio::test]
async fn the_token_of_another_account_is_not_bound_to_our_pod() {
    let own = written(&default_claims());
    let other = bent(|claims| {
        claims["sub"] = json!("system:serviceaccount:example:viewer");
        claims["kubernetes.io"]["serviceaccount"]["name"] = json!("viewer");
        no_claim(claims, "/kubernetes.io/pod");
    });
    let config = json!({"service_account": "example:viewer", "lifetime": 600, "audience": AUDIENCE});
    let (result, requests) = find(config, None, &[HOST], &[(POD, &own), (CA, "PEM")], issued(&other)).await;
    assert_eq!(found(result).facts["service-account"], "viewer");
    let sent = requests.first().unwrap();
    assert!(sent.url.path().ends_with("/serviceaccounts/viewer/token"));
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["spec"], json!({"audiences": [AUDIENCE], "expirationSeconds": 600}));
}

#[tokio::test]
async fn an_account_that_may_not_ask_has_no_such_token_here() {
    let own = written(&default_claims());
    let http = ScriptedHttp::default().answer(403, "{\"reason\": \"Forbidden\"}");
    let (result, _) = find(json!({}), Some(AUDIENCE), &[HOST], &[(POD, &own), (CA, "PEM")], http).await;
    let reason = not_here(result);
    assert!(reason.contains("serviceaccounts/token") && reason.contains(ISSUER), "{reason}");
}

async fn request(http: ScriptedHttp, own: &Claims) -> Error {
    let own = written(own);
    let config = json!({"token": "request"});
    let (result, _) = find(config, Some(AUDIENCE), &[HOST], &[(POD, &own), (CA, "PEM")], http).await;
    let error = result.unwrap_err();
    assert!(!format!("{error:?} {:?}", error.hints()).contains(own.trim()), "the token is shown");
    error
}

#[tokio::test]
async fn rejects_what_the_api_server_refuses_with_its_own_reason() {
    for (status, reason, kind, clause) in [
        (401, "Unauthorized", ErrorKind::Refused, Some("token")),
        (403, "Forbidden", ErrorKind::Policy, Some("rbac")),
        (404, "NotFound", ErrorKind::Refused, Some("not-found")),
        (409, "Conflict", ErrorKind::Refused, Some("conflict")),
        (410, "Gone", ErrorKind::Unreachable, None),
        (429, "TooManyRequests", ErrorKind::Unreachable, None),
    ] {
        let body = json!({"kind": "Status", "reason": reason, "message": "m", "code": status}).to_string();
        let error = request(ScriptedHttp::default().answer(status, body), &default_claims()).await;
        assert_eq!((error.kind(), error.failed_clause(), error.provider_code()), (kind, clause, Some(reason)));
        assert!(!error.hints().is_empty());
    }
}

#[tokio::test]
async fn an_api_server_that_is_away_or_slow_may_answer_later() {
    for kind in [HttpErrorKind::Connect, HttpErrorKind::Timeout, HttpErrorKind::Tls] {
        let error = request(ScriptedHttp::default().fail(kind), &default_claims()).await;
        assert!(error.is_retryable(), "{kind:?}");
    }
}

#[tokio::test]
async fn rejects_a_token_that_is_not_what_was_asked_for() {
    for (given, clause) in [
        (default_claims(), Some("audience")),
        (bent(|claims| claims["sub"] = json!("system:serviceaccount:example:viewer")), Some("subject")),
        (bent(|claims| claims["exp"] = json!(now().as_second())), Some("expired")),
    ] {
        assert_eq!(request(issued(&given), &default_claims()).await.failed_clause(), clause);
    }
    let no_token = json!({"status": {"token": "MARK"}}).to_string();
    let error = request(ScriptedHttp::default().answer(201, no_token), &default_claims()).await;
    assert!(!format!("{error:?}").contains("MARK"));
}

#[tokio::test]
async fn rejects_an_own_token_that_is_over_before_asking() {
    let over = bent(|claims| claims["exp"] = json!(now().as_second()));
    assert_eq!(request(ScriptedHttp::default(), &over).await.kind(), ErrorKind::Expired);
}

#[tokio::test]
async fn rejects_a_request_without_an_audience() {
    let own = written(&default_claims());
    let config = json!({"token": "request"});
    let (result, _) = find(config, None, &[HOST], &[(POD, &own), (CA, "PEM")], ScriptedHttp::default()).await;
    assert_eq!(result.unwrap_err().failed_clause(), Some("audience"));
}

fn mistakes(config: Value) -> Vec<String> {
    let built = serde_json::from_value::<Kubernetes>(config).unwrap().build();
    built.unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

#[test]
fn rejects_fields_that_cannot_be_meant() {
    for (config, field) in [
        (json!({"token": "projected", "lifetime": 900}), "lifetime"),
        (json!({"token": "projected", "service_account": "a:b"}), "service_account"),
        (json!({"token": "projected", "api": {}}), "api"),
        (json!({"token": "request", "path": "/t"}), "path"),
        (json!({"audience": " "}), "audience"),
        (json!({"path": ""}), "path"),
        (json!({"service_account": "admin"}), "service_account"),
        (json!({"service_account": "example:*"}), "service_account"),
        (json!({"lifetime": 599}), "lifetime"),
        (json!({"api": {"url": "http://10.0.0.1", "token_file": "/t"}}), "api.url"),
    ] {
        assert_eq!(mistakes(config.clone()), [field], "{config}");
    }
}
