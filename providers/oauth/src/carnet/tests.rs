use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{ErrorKind, Material, Request, ScriptedHttp, chain};
use carnet_jose::Algorithm;
use carnet_x509::{Authority as Signer, Certificate, CertificateRequest, LeafProfile};
use futures_util::FutureExt;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, World, exchange, exchange_for, field, mistakes, secret, subject, token, with, world};

const URL: &str = "https://authority.example";
const ID: &str = "spiffe://example.org/app";

fn section(issue: &str) -> Value {
    json!({ "url": URL, "audience": "api", "issue": issue })
}

fn document() -> String {
    json!({"issuer": URL, "token_endpoint": format!("{URL}/oauth2/token")}).to_string()
}

fn answering(answer: &Value) -> World {
    world(ScriptedHttp::default().answer(200, document()).answer(200, answer.to_string()))
}

fn answer(kind: &str, token: &str) -> Value {
    let token_type = if kind == ACCESS_TOKEN { "Bearer" } else { "N_A" };
    json!({"access_token": token, "issued_token_type": kind, "token_type": token_type, "expires_in": 300})
}

fn svid_of(subject: &str, audience: &str) -> String {
    token(&json!({"sub": subject, "aud": [audience], "exp": NOW + 600})).expose().to_owned()
}

fn asked(world: &World) -> Request {
    let mut requests = world.http.requests();
    assert_eq!(requests.remove(0).url.as_str(), format!("{URL}/.well-known/oauth-authorization-server"));
    let request = requests.remove(0);
    assert_eq!(request.url.as_str(), format!("{URL}/oauth2/token"));
    assert_eq!(field(&request, "grant_type").as_deref(), Some(TOKEN_EXCHANGE));
    request
}

#[test]
fn an_access_token_is_asked_for_its_audience() {
    let world = answering(&answer(ACCESS_TOKEN, "opaque"));
    let made = exchange::<Carnet>(&section("access-token"), &world).unwrap();
    assert_eq!((secret(&made), made.expires_at.unwrap().as_second()), ("opaque", NOW + 300));
    assert_eq!((made.facts["issuer"].as_str(), made.facts["audience"].as_str()), (URL, "api"));
    let request = asked(&world);
    assert_eq!(field(&request, "audience").as_deref(), Some("api"));
    assert_eq!(field(&request, "requested_token_type").as_deref(), Some(ACCESS_TOKEN));
    assert_eq!(field(&request, "subject_token_type").as_deref(), Some(JWT));
    assert_eq!(field(&request, "csr"), None);
}

#[test]
fn a_jwt_svid_is_asked_for_the_audience_of_the_next_step() {
    let world = answering(&answer(JWT, &svid_of(ID, "next")));
    let section = json!({"url": URL, "issue": "jwt-svid", "subject_token_type": "jwt-svid"});
    let made = exchange_for::<Carnet>(&section, &world, &subject(), Some("next")).unwrap();
    assert_eq!((made.kind(), made.facts["principal"].as_str()), (Kind::Jwt, ID));
    assert_eq!(made.expires_at.unwrap().as_second(), NOW + 300);
    let request = asked(&world);
    assert_eq!(field(&request, "audience").as_deref(), Some("next"));
    assert_eq!(field(&request, "requested_token_type").as_deref(), Some(JWT));
    assert_eq!(field(&request, "subject_token_type").as_deref(), Some("urn:carnet:token-type:jwt-svid"));
}

/// The login that was shown as a subject token of this type.
fn login(request: &Request, kind: &str) -> Value {
    assert_eq!(field(request, "subject_token_type"), Some(format!("urn:carnet:token-type:{kind}")));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(field(request, "subject_token").unwrap()).unwrap()).unwrap()
}

#[test]
fn an_api_key_of_oci_signs_for_the_authority_and_the_rule() {
    let key = carnet_jose::SigningKey::generate(Algorithm::Rs256).unwrap();
    let credential = Credential::new(Material::OciApiKey(carnet_core::OciApiKey {
        tenancy: "ocid1.tenancy.oc1..aaaa".to_owned(),
        user: "ocid1.user.oc1..uuuu".to_owned(),
        fingerprint: key.oci_fingerprint(),
        private_key: key.to_pkcs8().unwrap(),
        region: Some("us-ashburn-1".to_owned()),
    }));
    for (rule, audience) in [(None, URL.to_owned()), (Some("deploy"), format!("{URL}#deploy"))] {
        let world = answering(&answer(ACCESS_TOKEN, "opaque"));
        let section = with(section("access-token"), "rule", rule.map_or(Value::Null, Value::from));
        exchange_for::<Carnet>(&section, &world, &credential, None).unwrap();
        let login = login(&asked(&world), "oci-request");
        assert_eq!(login["user"], "ocid1.user.oc1..uuuu");
        assert_eq!(login["headers"]["host"], "identity.us-ashburn-1.oraclecloud.com");
        assert_eq!(login["headers"]["x-carnet-audience"], audience);
        let authorization = login["headers"]["authorization"].as_str().unwrap();
        let signed = r#"headers="date (request-target) host x-carnet-audience x-carnet-nonce""#;
        assert!(authorization.contains(signed), "{authorization}");
    }
}

#[test]
fn keys_of_aws_sign_for_the_authority() {
    let credential = Credential::new(Material::AwsKeys(carnet_core::AwsKeys {
        access_key_id: "AKIAEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret"),
        session_token: None,
    }));
    let world = answering(&answer(ACCESS_TOKEN, "opaque"));
    let section = with(section("access-token"), "region", "eu-central-1");
    let error = exchange_for::<Carnet>(&section, &world, &credential, None).unwrap_err();
    assert_eq!((error.kind(), error.hints()), (ErrorKind::Configuration, vec!["set `account`"]));
    let section = with(section, "account", "123456789012");
    exchange_for::<Carnet>(&section, &world, &credential, None).unwrap();
    let login = login(&asked(&world), "aws-request");
    assert_eq!((&login["account"], &login["headers"]["x-carnet-audience"]), (&json!("123456789012"), &json!(URL)));
    assert_eq!(login["headers"]["host"], "sts.eu-central-1.amazonaws.com");
}

#[test]
fn rejects_a_jwt_svid_for_nobody() {
    let world = world(ScriptedHttp::default());
    let error = exchange::<Carnet>(&json!({"url": URL, "issue": "jwt-svid"}), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(world.http.requests().is_empty());
}

#[test]
fn rejects_svids_bent_in_one_place() {
    for (answer, kind, says) in [
        (answer(JWT, &svid_of("app", "api")), ErrorKind::Unreachable, "is not a SPIFFE ID"),
        (answer(JWT, &svid_of(ID, "other")), ErrorKind::Unreachable, "does not name the audience api"),
        (answer(JWT, "opaque"), ErrorKind::Unreachable, "it is not a JWT"),
        (answer(ACCESS_TOKEN, &svid_of(ID, "api")), ErrorKind::Unreachable, "`issued_token_type` is"),
        (with(answer(JWT, &svid_of(ID, "api")), "token_type", "mac"), ErrorKind::Unreachable, "`token_type` is mac"),
        (with(answer(JWT, &svid_of(ID, "api")), "expires_in", -1), ErrorKind::Expired, "life is -1 s"),
    ] {
        let error = exchange::<Carnet>(&section("jwt-svid"), &answering(&answer)).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(chain(&error).join(": ").contains(says), "{says}: {error:?}");
    }
}

#[test]
fn a_refusal_of_the_authority_is_told_with_its_words() {
    let body = json!({"error": "invalid_grant", "error_description": "the subject token is refused (request 7)"});
    let world = world(ScriptedHttp::default().answer(200, document()).answer(400, body.to_string()));
    let error = exchange::<Carnet>(&section("access-token"), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("subject-token")));
    assert_eq!(
        chain(&error),
        [
            "get an access token from the authority https://authority.example",
            "invalid_grant: the subject token is refused (request 7)"
        ]
    );
}

#[test]
fn the_token_shown_is_asked_for_the_authority() {
    let audience = |section: Value| serde_json::from_value::<Carnet>(section).unwrap().build().unwrap().audience();
    assert_eq!(audience(json!({ "url": URL })).as_deref(), Some(URL));
    assert_eq!(audience(json!({"url": URL, "subject_audience": "x"})).as_deref(), Some("x"));
}

#[test]
fn rejects_each_mistake_at_its_field() {
    for (field, value, says) in [
        ("url", "http://authority.example", "is not https, and tokens are sent there"),
        ("url", "https://authority.example?x", "has a query"),
        ("audience", "", "is empty"),
        ("subject_audience", "", "is empty"),
    ] {
        let mistake = mistakes::<Carnet>(&with(json!({ "url": URL }), field, value)).remove(0);
        assert_eq!((mistake.field.as_str(), mistake.message.as_str()), (field, says));
    }
}

/// An authority that signs whatever key it is sent, as the test says.
struct Signing {
    root: Signer,
    profile: LeafProfile,
}

fn signing() -> Signing {
    let time = |seconds: i64| Timestamp::from_second(NOW + seconds).unwrap();
    let root = Signer::root("Root", Algorithm::Es256, time(-60), time(86_400)).unwrap();
    let profile = LeafProfile {
        subject: Vec::new(),
        dns: Vec::new(),
        ip: Vec::new(),
        uri: vec![ID.to_owned()],
        server: true,
        client: true,
        not_before: time(-10),
        not_after: time(600),
        key: Algorithm::Es256,
    };
    Signing { root, profile }
}

/// What `x509::Request` makes of the answer that `answer` gives to its request.
fn signed(answer: impl Fn(&[u8]) -> String) -> Result<Credential, Error> {
    let request = x509::Request::make().unwrap();
    let csr = URL_SAFE_NO_PAD.decode(request.csr()).unwrap();
    let body = json!({"access_token": answer(&csr), "issued_token_type": X509_SVID, "token_type": "N_A"});
    let world = answering(&body);
    let exchange = serde_json::from_value::<Carnet>(section("x509-svid")).unwrap();
    let (proof, credential) = (Proof::default(), subject());
    let call = Call {
        what: "get a certificate",
        endpoint: exchange.url.parse().unwrap(),
        grant: Vec::new(),
        asked: Asked::default(),
        proof: &proof,
        credential: &credential,
    };
    // The first answer is the document's.
    drop(world.context.http.send(Request::get(URL.parse().unwrap())).now_or_never());
    let answered = call.send(&world.context).now_or_never().unwrap().unwrap();
    request.complete(&answered, world.context.now())
}

#[test]
fn a_certificate_comes_with_the_key_that_was_made_here() {
    let Signing { root, profile } = signing();
    let made = signed(|csr| {
        assert!(CertificateRequest::from_der(csr).unwrap().subject().is_empty());
        carnet_x509::der_to_pem(&root.sign_csr(csr, &profile).unwrap()) + &root.certificate_pem()
    })
    .unwrap();
    assert_eq!((made.kind(), made.facts["subject"].as_str()), (Kind::X509, ID));
    assert_eq!(made.expires_at.unwrap().as_second(), NOW + 600);
    let Material::X509(identity) = &made.material else { panic!("{made:?}") };
    assert_eq!(identity.chain.len(), 2);
    let key = carnet_jose::SigningKey::from_pkcs8(Algorithm::Es256, &identity.private_key).unwrap();
    assert_eq!(Certificate::from_der(&identity.chain[0]).unwrap().spki(), key.public_spki());
}

#[test]
fn rejects_certificates_bent_in_one_place() {
    let other_key = |_: &[u8]| {
        let Signing { root, profile } = signing();
        root.issue(&profile).unwrap().certificate_pem()
    };
    let error = signed(other_key).unwrap_err();
    assert!(error.to_string().ends_with("the first certificate is for another key"), "{error:?}");
    let bent = |bend: fn(&mut LeafProfile)| {
        let Signing { root, mut profile } = signing();
        bend(&mut profile);
        signed(|csr| carnet_x509::der_to_pem(&root.sign_csr(csr, &profile).unwrap())).unwrap_err()
    };
    let error = bent(|profile| profile.uri.push("spiffe://example.org/other".to_owned()));
    assert!(error.to_string().ends_with("does not name exactly one URI"), "{error:?}");
    let error = bent(|profile| profile.uri = vec!["https://example.org/app".to_owned()]);
    assert!(error.to_string().ends_with("not that of a workload with a SPIFFE ID"), "{error:?}");
    let error = bent(|profile| profile.not_after = Timestamp::from_second(NOW).unwrap());
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
    let error = signed(|_| "no PEM".to_owned()).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("answer")));
    let error = signed(|_| signing().root.certificate_pem().repeat(17)).unwrap_err();
    assert!(chain(&error).join(": ").contains("17 certificates, more than 16"), "{error:?}");
}

#[test]
fn the_request_for_a_certificate_is_sent() {
    let world = answering(&answer(X509_SVID, "no PEM"));
    exchange::<Carnet>(&json!({"url": URL, "issue": "x509-svid"}), &world).unwrap_err();
    let request = asked(&world);
    assert_eq!(field(&request, "requested_token_type").as_deref(), Some("urn:carnet:token-type:x509-svid"));
    assert_eq!(field(&request, "audience"), None, "a certificate needs none");
    let csr = URL_SAFE_NO_PAD.decode(field(&request, "csr").unwrap()).unwrap();
    CertificateRequest::from_der(&csr).unwrap();
}

proptest! {
    #[test]
    fn a_chain_never_panics(pem in proptest::collection::vec(any::<u8>(), 0..200), inner in ".{0,80}") {
        drop(parse_chain(&pem));
        let framed = format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
        if let Ok(chain) = parse_chain(framed.as_bytes()) {
            prop_assert!(!chain.is_empty() && chain.len() <= 16);
        }
    }
}
