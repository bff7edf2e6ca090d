use std::sync::OnceLock;

use carnet_core::{ErrorKind, FixedClock, Material, chain};
use carnet_jose::Algorithm;
use carnet_x509::{Authority, Issued, LeafProfile};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::testing::{self, Script, Step, TENANCY, answer, with};

/// A root with two leaves of the tenancy, the second with a tenancy of its own, and one without any.
struct Certificates {
    root: String,
    leaves: Vec<Issued>,
}

fn certificates() -> &'static Certificates {
    static ALL: OnceLock<Certificates> = OnceLock::new();
    ALL.get_or_init(|| {
        let (from, to) =
            (testing::now() - SignedDuration::from_hours(1), testing::now() + SignedDuration::from_hours(1));
        let root = Authority::root("test", Algorithm::Es256, from, to).unwrap();
        let leaves =
            ["opc-tenant:ocid1.tenancy.oc1..aaaatenancy", "opc-identity:ocid1.tenancy.oc1..other", "opc-certtype:x"]
                .map(|unit| leaf(&root, unit, from, to));
        Certificates { root: root.certificate_pem(), leaves: leaves.into() }
    })
}

fn leaf(root: &Authority, unit: &str, not_before: Timestamp, not_after: Timestamp) -> Issued {
    root.issue(&LeafProfile {
        subject: vec![
            ("CN", "ocid1.instance.oc1.iad.aaaa".to_owned()),
            ("OU", "opc-certtype:instance".to_owned()),
            ("OU", unit.to_owned()),
        ],
        dns: Vec::new(),
        ip: Vec::new(),
        uri: Vec::new(),
        server: false,
        client: true,
        not_before,
        not_after,
        key: Algorithm::Rs256,
    })
    .unwrap()
}

fn certificate(at: usize) -> Certificate {
    Certificate::from_der(&certificates().leaves[at].certificate).unwrap()
}

fn key_pem(at: usize) -> String {
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &certificates().leaves[at].private_key).unwrap();
    testing::pem(&key)
}

/// Metadata documents: the certificate of one leaf with the key of another.
fn metadata(script: Script, cert: usize, key: usize) -> Script {
    script
        .on("cert.pem", answer(200, &certificate(cert).to_pem()))
        .on("key.pem", answer(200, &key_pem(key)))
        .on("intermediate.pem", answer(200, &certificates().root))
}

fn at(region: &str) -> Script {
    metadata(Script::default(), 0, 0).on("instance/region", answer(200, region))
}

fn token(extra: serde_json::Value) -> Step {
    let token = testing::session_token(extra);
    answer(200, &json!({"token": token.expose()}).to_string())
}

fn context(script: &Script, variables: &[(&str, &str)]) -> Context {
    with(script.context(), variables, &[("/key.pem", &testing::pem(&testing::key()))])
}

fn source(metadata_url: Option<&str>, auth_url: Option<&str>) -> Instance {
    let config = InstanceConfig {
        metadata_url: metadata_url.map(str::to_owned),
        auth_url: auth_url.map(str::to_owned),
        session_key: Some(SessionKeyConfig { file: Some("/key.pem".into()), ..SessionKeyConfig::default() }),
    };
    config.checked().unwrap()
}

async fn find(source: &Instance, context: &Context) -> Result<Found, Error> {
    source.find(context, &Want::default()).await
}

async fn credential(script: &Script) -> Credential {
    match find(&source(None, None), &context(script, &[])).await.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("not here: {reason}"),
    }
}

async fn error(script: &Script) -> Error {
    find(&source(None, None), &context(script, &[])).await.unwrap_err()
}

#[tokio::test]
async fn the_certificate_is_traded_for_a_session_as_the_go_sdk_does_it() {
    let script = at("iad\n").on("/v1/x509", token(json!({})));
    let credential = credential(&script).await;
    let Material::OciSession(session) = &credential.material else { panic!("another kind") };
    assert_eq!(session.region.as_deref(), Some("us-ashburn-1"));
    assert_eq!(session.tenancy.as_deref(), Some(TENANCY));
    assert_eq!(session.private_key, testing::key().to_pkcs8().unwrap());
    assert_eq!(credential.expires_at, Some(testing::now() + SignedDuration::from_mins(20)));

    for request in &script.requests()[..4] {
        assert!(request.url.as_str().starts_with("http://169.254.169.254/opc/v2/"));
        assert_eq!(request.headers["authorization"], "Bearer Oracle");
        assert_eq!(request.destination, carnet_core::Destination::Metadata);
        assert!(request.headers.keys().all(|name| !name.as_str().contains("forwarded")));
    }

    let request = script.request("/v1/x509");
    assert_eq!(request.url.as_str(), "https://auth.us-ashburn-1.oraclecloud.com/v1/x509");
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let root = Certificate::from_pem(certificates().root.as_bytes()).unwrap();
    assert_eq!(
        body,
        json!({
            "certificate": STANDARD.encode(certificate(0).der()),
            "publicKey": STANDARD.encode(testing::key().public_spki()),
            "intermediateCertificates": [STANDARD.encode(root.der())],
            "fingerprintAlgorithm": "SHA256",
        })
    );
    let fingerprint: Vec<_> = certificate(0).sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    let header = request.headers["authorization"].to_str().unwrap();
    assert!(header.starts_with(&format!(
        "Signature version=\"1\",headers=\"date (request-target) content-length content-type x-content-sha256\",\
         keyId=\"{TENANCY}/fed-x509-sha256/{}\",algorithm=\"rsa-sha256\",signature=\"",
        fingerprint.join(":")
    )));
}

#[tokio::test]
async fn other_endpoints_come_from_configuration_or_the_variables_of_the_sdks() {
    let variables = [
        ("OCI_METADATA_BASE_URL", "http://127.0.0.1:1/opc/v2"),
        ("OCI_SDK_AUTH_CLIENT_REGION_URL", "http://127.0.0.1:2"),
    ];
    let hosts = |script: &Script| {
        let mut ports: Vec<_> = script.requests().iter().map(|request| request.url.port().unwrap()).collect();
        ports.dedup();
        ports
    };
    let script = at("iad").on("/v1/x509", token(json!({})));
    find(&source(None, None), &context(&script, &variables)).await.unwrap();
    assert_eq!(hosts(&script), [1, 2]);
    let script = at("iad").on("/v1/x509", token(json!({})));
    let configured = source(Some("http://127.0.0.1:3/opc/v2/"), Some("http://127.0.0.1:4/v1/x509"));
    find(&configured, &context(&script, &variables)).await.unwrap();
    assert_eq!(hosts(&script), [3, 4]);
    assert_eq!(script.request("x509").url.path(), "/v1/x509");
}

#[tokio::test]
async fn a_region_that_nobody_knows_describes_itself() {
    let info = r#"{"realmKey":"oc77","realmDomainComponent":"oraclecloud77.com","regionKey":"XYZ","regionIdentifier":"xx-example-1"}"#;
    let script = at("xx-example-1").on("instance/regionInfo", answer(200, info)).on("/v1/x509", token(json!({})));
    credential(&script).await;
    assert_eq!(script.request("x509").url.host_str(), Some("auth.xx-example-1.oraclecloud77.com"));
}

#[tokio::test]
async fn rejects_a_region_that_is_none_by_the_address_that_gave_it() {
    let page = at("<html>sign in</html>");
    let error = error(&page).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let place = "http://169.254.169.254/opc/v2/instance/region";
    assert_eq!(error.to_string(), format!("read the region from the metadata service at {place}"));
    assert!(!page.paths().iter().any(|path| path.ends_with("regionInfo")), "nothing more is asked there");

    let info =
        r#"{"realmKey":"oc77","realmDomainComponent":"a/b","regionKey":"XYZ","regionIdentifier":"xx-example-1"}"#;
    let script = at("xx-example-1").on("instance/regionInfo", answer(200, info));
    let error = self::error(&script).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), format!("read the region from the metadata service at {place}Info"));
}

#[tokio::test]
async fn where_there_is_no_metadata_service_the_reason_says_so() {
    for kind in [HttpErrorKind::Connect, HttpErrorKind::Timeout, HttpErrorKind::Protocol] {
        let script = Script::of([Step::Fail(kind), Step::Fail(kind), Step::Fail(kind), Step::Fail(kind)]);
        let Found::NotHere(reason) = find(&source(None, None), &context(&script, &[])).await.unwrap() else {
            panic!("found")
        };
        assert!(reason.starts_with("no metadata service at http://169.254.169.254/opc/v2"), "{reason}");
        assert!(script.requests().iter().all(|request| request.timeout.as_secs() <= 1), "the probe is fast");
    }
}

#[tokio::test]
async fn another_clouds_metadata_service_is_not_here_either() {
    for status in [401, 403, 404] {
        let script = Script::of([0; 4].map(|_| answer(status, "<html>")));
        let Found::NotHere(reason) = find(&source(None, None), &context(&script, &[])).await.unwrap() else {
            panic!("found")
        };
        assert!(reason.contains(&format!("HTTP {status}")), "{reason}");
    }
}

#[tokio::test]
async fn a_busy_metadata_service_is_unreachable_not_absent() {
    for status in [429, 503] {
        let script = Script::of([0; 4].map(|_| answer(status, "")));
        assert_eq!(error(&script).await.kind(), ErrorKind::Unreachable);
    }
    let script = Script::default()
        .on("cert.pem", answer(200, &certificate(0).to_pem()))
        .on("key.pem", answer(503, ""))
        .on("intermediate.pem", answer(200, &certificates().root))
        .on("instance/region", answer(200, "iad"));
    let error = error(&script).await;
    assert!(error.to_string().contains("identity/key.pem"), "{error}");
}

#[tokio::test]
async fn an_address_that_the_guard_refuses_is_a_mistake() {
    let script = Script::of([0; 4].map(|_| Step::Fail(HttpErrorKind::Blocked)));
    assert_eq!(error(&script).await.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn a_pair_caught_in_mid_rotation_is_read_once_more() {
    let script = metadata(at_with(1, 0), 1, 1).on("/v1/x509", token(json!({})));
    let credential = credential(&script).await;
    assert_eq!(credential.kind(), Kind::OciSession);
    let header = script.request("x509").headers["authorization"].to_str().unwrap().to_owned();
    assert!(header.contains("ocid1.tenancy.oc1..other/fed-x509-sha256/"), "the second pair was used");
    assert_eq!(script.paths().iter().filter(|path| path.ends_with("cert.pem")).count(), 2);
}

fn at_with(cert: usize, key: usize) -> Script {
    metadata(Script::default(), cert, key).on("instance/region", answer(200, "iad"))
}

#[tokio::test]
async fn refuses_certificate_and_key_that_do_not_belong_together_twice() {
    let script = metadata(at_with(1, 0), 0, 1);
    let error = error(&script).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("key")));
    assert!(!script.paths().iter().any(|path| path.ends_with("x509")), "nothing was sent");
}

#[tokio::test]
async fn refuses_a_tenancy_that_changed() {
    let script = at("iad").on("/v1/x509", token(json!({})));
    let source = source(None, None);
    find(&source, &context(&script, &[])).await.unwrap();
    let script = at_with(1, 1);
    let error = find(&source, &context(&script, &[])).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("tenancy")));
    assert!(!script.paths().iter().any(|path| path.ends_with("x509")), "nothing was sent");
}

#[tokio::test]
async fn refuses_a_certificate_that_names_no_tenancy() {
    assert_eq!(error(&at_with(2, 2)).await.failed_clause(), Some("tenancy"));
}

#[tokio::test]
async fn refuses_documents_that_are_not_what_they_should_be_without_quoting_them() {
    for (path, words) in [("cert.pem", "certificate"), ("key.pem", "key"), ("intermediate.pem", "intermediate")] {
        let mut script = Script::default().on(path, answer(200, "MARK-not-pem"));
        for (other, body) in [
            ("cert.pem", certificate(0).to_pem()),
            ("key.pem", key_pem(0)),
            ("intermediate.pem", certificates().root.clone()),
            ("instance/region", "iad".to_owned()),
        ] {
            if other != path {
                script = script.on(other, answer(200, &body));
            }
        }
        let error = error(&script).await;
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}{:?}", error.hints()).contains("MARK"));
    }
}

#[tokio::test]
async fn a_refusal_by_the_auth_service_keeps_code_and_clause() {
    let script = at("iad").on("/v1/x509", answer(401, r#"{"code":"NotAuthenticated","message":"eyJMARK.a.b"}"#));
    let error = error(&script).await;
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("NotAuthenticated")));
    assert_eq!(
        chain(&error)[0],
        "get a session token for this instance from https://auth.us-ashburn-1.oraclecloud.com"
    );
    assert!(!format!("{error:?}").contains("MARK"));
}

#[tokio::test]
async fn refuses_an_answer_without_a_token_or_with_a_bad_one() {
    for (answer, words) in [
        (answer(200, r#"{"access_token":"MARK"}"#), "is not the JSON expected"),
        (answer(200, "MARK"), "is not the JSON expected"),
        (answer(200, r#"{"token":"MARK"}"#), "read the instance's session token"),
        (token(json!({"exp": null})), "no exp"),
        (token(json!({"jwk": "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}"})), "another key"),
    ] {
        let error = error(&at("iad").on("/v1/x509", answer)).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("MARK"));
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let script = at("iad").on(
        "/v1/x509",
        testing::answer_with(401, r#"{"code":"NotAuthenticated"}"#, &[("date", "Sat, 21 Nov 2026 13:00:00 GMT")]),
    );
    let mut context = context(&script, &[]);
    context.clock = Arc::new(FixedClock::at(testing::now()));
    let error = find(&source(None, None), &context).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("date")));
}

#[test]
fn refuses_endpoints_that_are_not_urls() {
    let config = InstanceConfig {
        metadata_url: Some("169.254.169.254".to_owned()),
        auth_url: Some("http://auth.example".to_owned()),
        session_key: None,
    };
    let fields: Vec<_> = config.checked().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["metadata_url", "auth_url"]);
}

#[tokio::test]
async fn refuses_variables_that_are_not_urls_by_their_names() {
    for (name, script) in [("OCI_METADATA_BASE_URL", Script::default()), ("OCI_SDK_AUTH_CLIENT_REGION_URL", at("iad"))]
    {
        let error = find(&source(None, None), &context(&script, &[(name, "ftp://x")])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(name), "{error}");
    }
}
