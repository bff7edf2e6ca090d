use carnet_core::{ErrorKind, Material};
use serde_json::Value;

use super::*;
use crate::testing::{self, Script, Step, TENANCY, key, now, other_key, pem, session_token, subject_token, with};

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const HOST: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
const WORKLOAD: &str = "ocid1.workload.oc1.nrt.ccgtvp5s4ca.mdawmdyynja4ztq3nwfmyjrkmtc5mdywmmqzzwjjzdrhy2i4";
const PATH: &str = "/resourcePrincipalSessionTokens";

fn members(extra: Value) -> serde_json::Map<String, Value> {
    let Value::Object(members) = extra else { panic!("members are an object") };
    members
}

/// The pod's token for the API server.
fn account_token(extra: Value) -> Secret {
    let mut claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local", "aud": ["https://kubernetes.default.svc.cluster.local"],
        "sub": "system:serviceaccount:example:admin",
    });
    claims.as_object_mut().unwrap().extend(members(extra));
    subject_token(claims)
}

fn workload_token(extra: Value) -> Secret {
    let mut claims = json!({"sub": WORKLOAD, "ptype": "workload", "tenant": null, "res_tenant": TENANCY});
    claims.as_object_mut().unwrap().extend(members(extra));
    session_token(claims)
}

/// As proxymux writes it, quotes and all.
fn body(token: &Secret) -> String {
    let answer = json!({"token": format!("ST${}", token.expose())}).to_string();
    format!("\"{}\"", STANDARD.encode(answer))
}

fn given(token: &Secret) -> Step {
    testing::answer(200, &body(token))
}

/// Asks, in a pod that has these variables and this token, with [`key`] as the session key.
async fn ask_with(
    config: Value,
    variables: &[(&str, &str)],
    token: Option<&Secret>,
    script: &Script,
) -> Result<Found, Error> {
    let key_pem = pem(&key());
    let mut files = vec![(CA, "PEM"), ("/key.pem", key_pem.as_str()), ("/other-ca", "OTHER")];
    files.extend(token.map(|token| (TOKEN, token.expose())));
    let context = with(script.context(), variables, &files);
    let mut whole = json!({"session_key": {"file": "/key.pem"}});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let source = serde_json::from_value::<OkeConfig>(whole).unwrap().build().unwrap();
    source.find(&context, &Want::default()).await
}

async fn ask_once(step: Step) -> Result<Credential, Error> {
    let result = ask_with(json!({}), &[HOST], Some(&account_token(json!({}))), &Script::of([step])).await;
    result.map(|found| match found {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("{reason}"),
    })
}

fn not_here(result: Result<Found, Error>) -> String {
    match result.unwrap() {
        Found::Credential(_) => panic!("something was found"),
        Found::NotHere(reason) => reason,
    }
}

#[tokio::test]
async fn a_pod_gets_a_session_without_any_variable_of_oracles() {
    let credential = ask_once(given(&workload_token(json!({})))).await.unwrap();
    assert_eq!(credential.facts["principal"], WORKLOAD);
    assert_eq!(credential.facts["principal-type"], "workload");
    assert_eq!(credential.facts["tenancy"], TENANCY);
    assert_eq!(credential.facts["region"], "ap-tokyo-1", "from the OCID");
    assert_eq!(credential.facts["service-account"], "system:serviceaccount:example:admin");
    assert_eq!(
        credential.expires_at,
        Some(now() + jiff::SignedDuration::from_mins(20)),
        "so that it is renewed in time"
    );
    let Material::OciSession(session) = &credential.material else { panic!("another kind") };
    assert!(!session.token.expose().starts_with("ST$"));
}

#[tokio::test]
async fn proxymux_is_asked_as_oracles_sdks_ask_it() {
    let script = Script::of([given(&workload_token(json!({})))]);
    let token = account_token(json!({}));
    ask_with(json!({}), &[HOST], Some(&token), &script).await.unwrap();
    let sent = script.request(PATH);
    assert_eq!(sent.url.as_str(), "https://10.96.0.1:12250/resourcePrincipalSessionTokens");
    assert_eq!(sent.headers["authorization"], format!("Bearer {}", token.expose()));
    assert_eq!(sent.ca_pem.as_deref(), Some(&b"PEM"[..]));
    let id: Vec<usize> = sent.headers["opc-request-id"].to_str().unwrap().split('/').map(str::len).collect();
    assert_eq!(id, [32, 32, 32]);
    let body: Value = serde_json::from_str(&script.body(PATH)).unwrap();
    assert_eq!(body, json!({"podKey": STANDARD.encode(key().public_spki())}));
}

#[tokio::test]
async fn the_key_is_written_in_either_way() {
    let script = Script::of([given(&workload_token(json!({})))]);
    ask_with(json!({"pod_key": "pem"}), &[HOST], Some(&account_token(json!({}))), &script).await.unwrap();
    let body: Value = serde_json::from_str(&script.body(PATH)).unwrap();
    assert_eq!(body["podKey"], key().public_pem().unwrap());
}

#[tokio::test]
async fn an_answer_without_quotes_is_read_too() {
    let plain = body(&workload_token(json!({}))).trim_matches('"').to_owned();
    assert_eq!(ask_once(testing::answer(200, &plain)).await.unwrap().facts["principal"], WORKLOAD);
}

#[tokio::test]
async fn the_places_can_be_named() {
    let token = account_token(json!({}));
    for (config, variables, url, ca) in [
        (json!({}), vec![HOST, ("KUBERNETES_SERVICE_PORT_PROXYMUX", "4443")], "https://10.96.0.1:4443", "PEM"),
        (json!({}), vec![("KUBERNETES_SERVICE_HOST", "fd00::1")], "https://[fd00::1]:12250", "PEM"),
        (
            json!({}),
            vec![HOST, ("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", "/other-ca")],
            "https://10.96.0.1:12250",
            "OTHER",
        ),
        (
            json!({"url": "https://proxymux.example", "ca_file": "/other-ca"}),
            vec![],
            "https://proxymux.example",
            "OTHER",
        ),
    ] {
        let script = Script::of([given(&workload_token(json!({})))]);
        ask_with(config, &variables, Some(&token), &script).await.unwrap();
        let sent = script.request(PATH);
        assert_eq!(sent.url.as_str(), format!("{url}{PATH}"));
        assert_eq!(sent.ca_pem.as_deref(), Some(ca.as_bytes()));
    }
}

#[tokio::test]
async fn a_region_that_is_named_goes_before_that_of_the_ocid() {
    let region = async |config: Value, variables: &[(&str, &str)], token: Secret| {
        let script = Script::of([given(&token)]);
        let found = ask_with(config, variables, Some(&account_token(json!({}))), &script).await.unwrap();
        let Found::Credential(credential) = found else { panic!("nothing was found") };
        credential.facts.get("region").cloned()
    };
    let token = || workload_token(json!({}));
    let variables = [HOST, ("OCI_RESOURCE_PRINCIPAL_REGION", "fra")];
    assert_eq!(region(json!({"region": "phx"}), &variables, token()).await.as_deref(), Some("us-phoenix-1"));
    assert_eq!(region(json!({}), &variables, token()).await.as_deref(), Some("eu-frankfurt-1"));
    let odd = workload_token(json!({"sub": "ocid1.workload.oc1..aaaa"}));
    assert_eq!(region(json!({}), &[HOST], odd).await, None);
}

#[tokio::test]
async fn the_token_is_read_again_at_each_use() {
    let script = Script::of([given(&workload_token(json!({}))), given(&workload_token(json!({})))]);
    let files = Arc::new(carnet_core::MemoryFiles::default());
    files.put(CA, "PEM");
    files.put("/key.pem", pem(&key()));
    let context = with(script.context(), &[HOST], &[]);
    let context = Context { files: Arc::<carnet_core::MemoryFiles>::clone(&files), ..context };
    let config = json!({"session_key": {"file": "/key.pem"}});
    let source = serde_json::from_value::<OkeConfig>(config).unwrap().build().unwrap();
    for jti in ["one", "two"] {
        files.put(TOKEN, format!("{}\n", account_token(json!({"jti": jti})).expose()));
        source.find(&context, &Want::default()).await.unwrap();
    }
    let shown: Vec<_> = script.requests().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_ne!(shown.first(), shown.last());
}

#[tokio::test]
async fn elsewhere_there_is_none() {
    let result = ask_with(json!({}), &[], None, &Script::default()).await;
    assert!(not_here(result).contains("KUBERNETES_SERVICE_HOST is not set"));
    let result = ask_with(json!({}), &[HOST], None, &Script::default()).await;
    assert!(not_here(result).contains("does not exist"));
    for kind in [HttpErrorKind::Connect, HttpErrorKind::Timeout] {
        let script = Script::of([Step::Fail(kind)]);
        let result = ask_with(json!({}), &[HOST], Some(&account_token(json!({}))), &script).await;
        assert!(not_here(result).contains("no cluster of OKE"), "{kind:?}");
    }
}

#[tokio::test]
async fn in_a_cluster_of_another_cloud_nobody_waits() {
    for issuer in [
        "https://oidc.eks.eu-west-1.amazonaws.com/id/C0FFEE",
        "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
        "https://westeurope.oic.prod-aks.azure.com/c0ffee00-0000-4000-8000-00000000a001/id/",
    ] {
        let token = account_token(json!({"iss": issuer}));
        let script = Script::default();
        assert!(not_here(ask_with(json!({}), &[HOST], Some(&token), &script).await).contains(issuer));
        let script = Script::of([given(&workload_token(json!({})))]);
        let named = json!({"url": "https://proxymux.example"});
        ask_with(named, &[HOST], Some(&token), &script).await.unwrap();
    }
}

#[tokio::test]
async fn rejects_silence_where_somebody_said_that_this_is_oke() {
    let token = account_token(json!({}));
    for (config, variable) in [
        (json!({"url": "https://proxymux.example"}), HOST),
        (json!({"token_file": TOKEN}), HOST),
        (json!({}), ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2")),
        (json!({}), ("KUBERNETES_SERVICE_PORT_PROXYMUX", "12250")),
    ] {
        let script = Script::of([Step::Fail(HttpErrorKind::Connect)]);
        let error = ask_with(config, &[HOST, variable], Some(&token), &script).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{variable:?}");
    }
}

#[tokio::test]
async fn rejects_a_server_that_is_not_of_the_cluster() {
    let error = ask_once(Step::Fail(HttpErrorKind::Tls)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hints().join(" ").contains("ca.crt"));
}

#[tokio::test]
async fn rejects_each_answer_that_is_no_success() {
    for (status, kind, clause) in [
        (403, ErrorKind::Policy, Some("cluster-type")),
        (401, ErrorKind::Refused, Some("token")),
        (400, ErrorKind::Refused, Some("request")),
        (302, ErrorKind::Unreachable, None),
        (429, ErrorKind::Unreachable, None),
        (500, ErrorKind::Unreachable, None),
    ] {
        let error = ask_once(testing::answer(status, r#"{"code":"C","message":"m"}"#)).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{status}");
        assert_eq!(error.provider_code(), Some("C"));
        assert!(!error.hints().is_empty());
    }
}

#[tokio::test]
async fn no_error_quotes_the_service_accounts_token() {
    let token = account_token(json!({}));
    let quoting = json!({"code": "C", "message": format!("bad token {}", token.expose())}).to_string();
    let error = ask_once(testing::answer(401, &quoting)).await.unwrap_err();
    assert!(!carnet_core::chain(&error).join(" ").contains(token.expose()), "{error:?}");
}

#[tokio::test]
async fn rejects_answers_that_are_not_proxymuxs() {
    for body in [
        "",
        "\"",
        "{}",
        "MARK",
        "\"TUFSSw==\"",
        &format!("\"{}\"", STANDARD.encode("{}")),
        &format!("\"{}\"", STANDARD.encode(r#"{"token": 7}"#)),
        &format!("\"{}\"", STANDARD.encode(r#"{"token": "ST$MARK"}"#)),
    ] {
        let error = ask_once(testing::answer(200, body)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{body}");
        assert!(!carnet_core::chain(&error).join(" ").contains("MARK"));
    }
}

#[tokio::test]
async fn rejects_a_session_that_is_not_ours_or_over() {
    let jwk = serde_json::to_string(&other_key().public_jwk()).unwrap();
    let error = ask_once(given(&workload_token(json!({"jwk": jwk})))).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("key"));
    let error = ask_once(given(&workload_token(json!({"exp": now().as_second()})))).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("expired"));
}

#[tokio::test]
async fn rejects_a_service_accounts_token_that_proxymux_would_refuse() {
    for (token, kind, clause) in [
        (account_token(json!({"exp": null})), ErrorKind::Configuration, Some("claim")),
        (account_token(json!({"exp": now().as_second()})), ErrorKind::Expired, Some("expired")),
        (Secret::new("MARK"), ErrorKind::Configuration, None),
        (Secret::new("two words"), ErrorKind::Configuration, None),
    ] {
        let script = Script::default();
        let error = ask_with(json!({}), &[HOST], Some(&token), &script).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, clause));
        assert!(!format!("{error:?}").contains("MARK"));
        assert!(script.requests().is_empty(), "nothing is sent");
    }
}

#[tokio::test]
async fn rejects_an_address_that_is_none() {
    for variables in [
        [HOST, ("KUBERNETES_SERVICE_PORT_PROXYMUX", "https")],
        [("KUBERNETES_SERVICE_HOST", "a/b"), ("X", "x")],
        [("KUBERNETES_SERVICE_HOST", "user@a"), ("X", "x")],
    ] {
        let result = ask_with(json!({}), &variables, Some(&account_token(json!({}))), &Script::default()).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Configuration, "{variables:?}");
    }
}

#[tokio::test]
async fn rejects_a_file_of_authorities_that_is_not_there() {
    let variables = [HOST, ("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", "/absent")];
    let result = ask_with(json!({}), &variables, Some(&account_token(json!({}))), &Script::default()).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("/absent"));
}

proptest::proptest! {
    #[test]
    fn no_answer_breaks_the_reader(body: Vec<u8>, inner in "\\PC{0,64}") {
        let _ = parse_answer(&body);
        let _ = parse_answer(format!("\"{}\"", STANDARD.encode(&inner)).as_bytes());
        let token = Secret::new(inner.clone());
        let answer = format!("\"{}\"", STANDARD.encode(json!({"token": inner}).to_string()));
        let read = parse_answer(answer.as_bytes()).unwrap();
        proptest::prop_assert_eq!(read.expose(), token.expose());
    }
}

#[test]
fn rejects_fields_that_cannot_be_meant() {
    for (config, field) in [
        (json!({"url": "http://proxymux.example"}), "url"),
        (json!({"region": "a b"}), "region"),
        (json!({"token_file": ""}), "token_file"),
        (json!({"ca_file": ""}), "ca_file"),
        (json!({"session_key": {"make_if_missing": true}}), "session_key.make_if_missing"),
    ] {
        let built = serde_json::from_value::<OkeConfig>(config).unwrap().build();
        let fields: Vec<String> = built.unwrap_err().into_iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, [field]);
    }
}
