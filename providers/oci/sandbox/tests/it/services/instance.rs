//! Instance metadata and what an instance gets for its certificate.

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_core::Clock;
use carnet_jose::Algorithm;
use carnet_oci_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind};
use carnet_x509::{Authority, Certificate, LeafProfile};
use http::{Method, Request};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{
    Answer, Cloud, Draft, GENERAL, SESSION, STRANGER, Signer, WITHOUT_HOST, claims, colons, federation, session,
};

fn unauthenticated() -> (u16, String) {
    (401, "NotAuthenticated".to_owned())
}

#[tokio::test]
async fn the_metadata_says_where_the_instance_is() {
    let cloud = Cloud::shared().await;
    for (path, expected) in [
        ("instance/region", "iad"),
        ("instance/canonicalRegionName", "us-ashburn-1"),
        ("instance/id", seed::INSTANCE),
        ("instance/compartmentId", seed::COMPARTMENT),
    ] {
        assert_eq!(cloud.metadata(path).await.text(), expected, "{path}");
    }
    let region = cloud.metadata("instance/regionInfo").await.ok();
    assert_eq!(
        region,
        json!({"realmKey": "oc1", "realmDomainComponent": "oraclecloud.com", "regionKey": "IAD", "regionIdentifier": "us-ashburn-1"})
    );
    let instance = cloud.metadata("instance/").await.ok();
    assert_eq!(instance["shape"], "VM.Standard.E5.Flex");
    assert_eq!(cloud.metadata("vnics/").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(cloud.metadata("instance/nothing").await.status, 404);
}

#[tokio::test]
async fn the_metadata_refuses_all_but_the_instance_itself() {
    let cloud = Cloud::shared().await;
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        cloud.send("oci-imds", request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    let oracle = ("authorization", "Bearer Oracle");
    assert_eq!(ask("/opc/v2/instance/id", &[oracle]).await, 200);
    assert_eq!(ask("/opc/v2/instance/id", &[]).await, 403);
    assert_eq!(ask("/opc/v2/instance/id", &[("authorization", "Bearer oracle")]).await, 403);
    for forwarded in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
        assert_eq!(ask("/opc/v2/instance/id", &[oracle, (forwarded, "x")]).await, 403, "{forwarded}");
    }
    assert_eq!(ask("/opc/v1/instance/id", &[oracle]).await, 404);
    assert_eq!(ask("/opc/v1/instance/id", &[]).await, 404);
    assert_eq!(ask("/opc/v2instance/id", &[oracle]).await, 404);
    assert_eq!(ask("/", &[oracle]).await, 404);
}

#[tokio::test]
async fn certificate_and_key_pair_and_are_replaced_together() {
    let cloud = Cloud::new();
    let (before, intermediate, signer) = cloud.leaf().await;
    let certificate = Certificate::from_der(&before).unwrap();
    assert_eq!(certificate.spki(), signer.key.public_spki());
    let subject = certificate.subject_values();
    for expected in [format!("opc-tenant:{}", seed::TENANCY), format!("opc-instance:{}", seed::INSTANCE)] {
        assert!(subject.contains(&expected), "{subject:?}");
    }
    cloud.emulator.rotate_keys("oci-imds");
    let (after, same, signer) = cloud.leaf().await;
    assert_ne!(before, after);
    assert_eq!(intermediate, same);
    assert_eq!(Certificate::from_der(&after).unwrap().spki(), signer.key.public_spki());
    cloud.advance(SignedDuration::from_hours(6));
    assert_ne!(cloud.leaf().await.0, after, "a certificate is replaced before it ends");
}

/// A good federation request, to be bent.
struct Federation {
    certificate: Vec<u8>,
    signer: Signer,
    draft: Draft,
    body: Value,
}

impl Federation {
    async fn new(cloud: &Cloud) -> Self {
        let (certificate, intermediate, signer) = cloud.leaf().await;
        let draft = cloud.draft("oci-auth", Method::POST, "/v1/x509").signed(WITHOUT_HOST);
        let body = federation(&certificate, &intermediate);
        Self { certificate, signer, draft, body }
    }

    async fn send(mut self, cloud: &Cloud) -> Answer {
        self.draft.body = serde_json::to_vec(&self.body).unwrap();
        cloud.send("oci-auth", self.draft.sign(&self.signer)).await
    }
}

#[tokio::test]
async fn every_sdk_gets_a_token_for_the_certificate() {
    let cloud = Cloud::shared().await;
    let go = Federation::new(&cloud).await;
    let sha1 = colons(&Certificate::from_der(&go.certificate).unwrap().sha1());
    let key_ids = [
        (go.signer.key_id.clone(), WITHOUT_HOST),
        (format!("{}/fed-x509/{}", seed::TENANCY, sha1.to_uppercase()), WITHOUT_HOST),
        (
            format!("{}/fed-x509/{sha1}", seed::TENANCY),
            "date (request-target) host content-type content-length x-content-sha256",
        ),
    ];
    for (key_id, signed) in key_ids {
        let mut request = Federation::new(&cloud).await;
        request.signer.key_id.clone_from(&key_id);
        request.draft = request.draft.signed(signed);
        request.body["purpose"] = json!("DEFAULT");
        let answer = request.send(&cloud).await;
        let token = claims(&session(&answer.ok()));
        assert_eq!(token["fprint"].as_str().unwrap(), key_id.rsplit('/').next().unwrap());
    }
}

#[tokio::test]
async fn the_token_has_the_claims_of_public_samples() {
    let cloud = Cloud::shared().await;
    let signer = cloud.instance().await;
    let token = claims(&signer);
    for (name, expected) in [
        ("sub", seed::INSTANCE),
        ("iss", "authService.oracle.com"),
        ("aud", "oci"),
        ("ptype", "instance"),
        ("ttype", "x509"),
        ("opc-certtype", "instance"),
        ("opc-compartment", seed::COMPARTMENT),
        ("opc-tenant", seed::TENANCY),
        ("tenant", seed::TENANCY),
    ] {
        assert_eq!(token[name], expected, "{name}");
    }
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 1200);
    let jwk: Value = serde_json::from_str(token["jwk"].as_str().unwrap()).unwrap();
    assert_eq!(jwk["n"], serde_json::to_value(SESSION.public_jwk()).unwrap()["n"]);
    assert_eq!((jwk["use"].as_str(), jwk["alg"].as_str()), (Some("sig"), Some("RS256")));
}

#[tokio::test]
async fn rejects_federation_requests_bent_in_one_place() {
    let cloud = Cloud::shared().await;
    let other_tenancy = seed::TENANCY.replace("0001", "0002");
    let bends: Vec<(&str, Bend)> = vec![
        ("signature", Box::new(|request| request.signer.key = STRANGER.clone())),
        (
            "fingerprint",
            Box::new(|request| request.signer.key_id = request.signer.key_id.replace(':', ":0")[..200].to_owned()),
        ),
        (
            "tenancy",
            Box::new(move |request| {
                request.signer.key_id = request.signer.key_id.replace(seed::TENANCY, &other_tenancy);
            }),
        ),
        (
            "key",
            Box::new(|request| {
                request.signer.key_id = request.signer.key_id.replace("fed-x509-sha256", "ocid1.user.oc1..u");
            }),
        ),
        ("chain", Box::new(|request| request.body["intermediateCertificates"] = json!([]))),
        ("signed-headers", Box::new(|request| request.draft = request.draft.clone().signed(GENERAL))),
        ("chain", Box::new(foreign_leaf)),
    ];
    for (clause, bend) in bends {
        let mut request = Federation::new(&cloud).await;
        bend(&mut request);
        assert_eq!(request.send(&cloud).await.error(), unauthenticated(), "{clause}");
        assert_eq!(cloud.last_clause(), clause);
    }
}

/// Changes one thing about a good request.
type Bend = Box<dyn Fn(&mut Federation)>;

/// The same subject, from another authority.
fn foreign_leaf(request: &mut Federation) {
    let own = Certificate::from_der(&request.certificate).unwrap();
    let (from, until) = (own.not_before(), own.not_after());
    let root = Authority::root("PKISVC Identity Root", Algorithm::Es256, from, until).unwrap();
    let issued = root
        .issue_for_key(
            &LeafProfile {
                subject: vec![
                    ("CN", seed::INSTANCE.to_owned()),
                    ("OU", format!("opc-instance:{}", seed::INSTANCE)),
                    ("OU", format!("opc-compartment:{}", seed::COMPARTMENT)),
                    ("OU", format!("opc-tenant:{}", seed::TENANCY)),
                ],
                dns: Vec::new(),
                ip: Vec::new(),
                uri: Vec::new(),
                server: false,
                client: false,
                not_before: from,
                not_after: until,
                key: Algorithm::Rs256,
            },
            &STRANGER.public_spki(),
        )
        .unwrap();
    request.body["certificate"] = json!(STANDARD.encode(&issued));
    request.body["intermediateCertificates"] = json!([STANDARD.encode(root.certificate())]);
    request.signer.key = STRANGER.clone();
    let fingerprint = colons(&carnet_jose::sha256(&issued));
    request.signer.key_id = format!("{}/fed-x509-sha256/{fingerprint}", seed::TENANCY);
}

#[tokio::test]
async fn rejects_an_expired_certificate() {
    let cloud = Cloud::new();
    let mut request = Federation::new(&cloud).await;
    cloud.advance(SignedDuration::from_hours(7));
    request.draft.date = cloud.clock.now();
    assert_eq!(request.send(&cloud).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "expired");
}

#[tokio::test]
async fn rejects_a_key_of_another_certificate_during_rotation() {
    let cloud = Cloud::new();
    let mut request = Federation::new(&cloud).await;
    cloud.emulator.rotate_keys("oci-imds");
    request.signer.key = cloud.leaf().await.2.key;
    assert_eq!(request.send(&cloud).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "signature");
}

#[tokio::test]
async fn rejects_bodies_that_are_no_federation_request() {
    let cloud = Cloud::shared().await;
    for (bend, code) in [
        (json!({"certificate": "-----BEGIN CERTIFICATE-----"}), "InvalidParameter"),
        (json!({"publicKey": "AAAA"}), "InvalidParameter"),
        (json!({"certificate": 7}), "InvalidParameter"),
    ] {
        let mut request = Federation::new(&cloud).await;
        request.body.as_object_mut().unwrap().extend(bend.as_object().unwrap().clone());
        assert_eq!(request.send(&cloud).await.error(), (400, code.to_owned()), "{bend}");
    }
    let request = Federation::new(&cloud).await;
    let mut draft = request.draft.clone();
    draft.body = b"{".to_vec();
    let answer = cloud.send("oci-auth", draft.sign(&request.signer)).await;
    assert_eq!(answer.error(), (400, "CannotParseRequest".to_owned()));
}

#[tokio::test]
async fn an_instance_may_do_what_its_dynamic_group_may() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    let buckets = format!("/n/{}/b?compartmentId={}", seed::NAMESPACE, seed::COMPARTMENT);
    let listed = cloud.get(&instance, "oci-objectstorage", &buckets).await.ok();
    assert_eq!(listed[0]["name"], seed::BUCKET);
    assert_eq!(cloud.get(&instance, "oci-objectstorage", "/n").await.ok(), json!(seed::NAMESPACE));
    let compartments = format!("/20160918/compartments?compartmentId={}&compartmentIdInSubtree=true", seed::TENANCY);
    let listed = cloud.get(&instance, "oci-identity", &compartments).await.ok();
    assert_eq!(listed[0]["id"], seed::COMPARTMENT, "every instance may list compartments");
    let users = format!("/20160918/users?compartmentId={}", seed::TENANCY);
    let denied = (404, "NotAuthorizedOrNotFound".to_owned());
    assert_eq!(cloud.get(&instance, "oci-identity", &users).await.error(), denied);
    assert_eq!(cloud.last_clause(), "policy");
    let vcns = format!("/20160918/vcns?compartmentId={}", seed::COMPARTMENT);
    assert_eq!(cloud.get(&instance, "oci-core", &vcns).await.error(), denied);
    assert_eq!(cloud.get(&cloud.admin(), "oci-core", &vcns).await.ok()[0]["id"], seed::VCN);
}

#[tokio::test]
async fn rejects_a_session_token_bent_in_one_place() {
    let cloud = Cloud::new();
    let good = cloud.instance().await;
    let ask = async |signer: &Signer| cloud.get(signer, "oci-objectstorage", "/n").await;
    assert_eq!(ask(&good).await.status, 200);
    let stranger = Signer { key: STRANGER.clone(), ..good.clone() };
    assert_eq!(ask(&stranger).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "signature");
    let cut = Signer { key_id: good.key_id[..good.key_id.len() - 4].to_owned(), ..good.clone() };
    assert_eq!(ask(&cut).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "token");
    cloud.advance(SignedDuration::from_secs(1201));
    assert_eq!(ask(&good).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "expired");
}

#[tokio::test]
async fn faults_of_the_auth_service_show_in_its_tokens() {
    let cloud = Cloud::new();
    let before = cloud.instance().await;
    cloud.emulator.rotate_keys("oci-auth");
    assert_eq!(cloud.get(&before, "oci-objectstorage", "/n").await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "token");
    let after = cloud.instance().await;
    assert_eq!(cloud.get(&after, "oci-objectstorage", "/n").await.status, 200);

    cloud.world.faults.add(Fault::new(FaultKind::Expired).service("oci-auth").times(1));
    let expired = cloud.instance().await;
    assert_eq!(cloud.get(&expired, "oci-objectstorage", "/n").await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "expired");

    cloud.world.faults.add(Fault::new(FaultKind::Skew).service("oci-objectstorage"));
    assert_eq!(cloud.get(&after, "oci-objectstorage", "/n").await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "date");
}

#[tokio::test]
async fn rejects_a_signed_request_that_is_replayed_after_five_minutes() {
    let cloud = Cloud::new();
    let draft = cloud.draft("oci-objectstorage", Method::GET, "/n");
    let admin = cloud.admin();
    assert_eq!(cloud.send("oci-objectstorage", draft.sign(&admin)).await.status, 200);
    cloud.advance(SignedDuration::from_mins(4));
    assert_eq!(cloud.send("oci-objectstorage", draft.sign(&admin)).await.status, 200);
    cloud.advance(SignedDuration::from_secs(61));
    assert_eq!(cloud.send("oci-objectstorage", draft.sign(&admin)).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "date");
}

#[tokio::test]
async fn rejects_requests_that_miss_the_host_outside_of_the_auth_service() {
    let cloud = Cloud::shared().await;
    let draft = cloud.draft("oci-identity", Method::GET, "/20160918/regions").signed("date (request-target)");
    assert_eq!(cloud.send("oci-identity", draft.sign(&cloud.admin())).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "signed-headers");
}
