//! Roles Anywhere: set up by the API, asked with the client's signer, bent in one place.

use carnet_aws_sandbox::seed;
use carnet_core::X509Identity;
use carnet_jose::Algorithm;
use carnet_sigv4::{CertificateSigner, Scope};
use carnet_x509::{Authority, Certificate, Issued, LeafProfile};
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Call, Keys, Reply, Sandbox, builder};

struct World {
    sandbox: Sandbox,
    root: Authority,
    anchor: String,
    profile: String,
}

/// What is asked, and with which certificate.
struct Ask {
    role: &'static str,
    body: Value,
    leaf: LeafProfile,
    key: Algorithm,
    /// Bends the request after it was signed.
    bend: fn(&mut carnet_core::Request),
    region: &'static str,
}

async fn api(sandbox: &Sandbox, method: &'static str, uri: &str, body: &Value) -> Reply {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let call = Call::new("aws-roles-anywhere", "rolesanywhere", method, uri).body(text);
    sandbox.send(call.header("content-type", "application/json").sign(&builder())).await
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::new();
        let now = sandbox.world.now("tests");
        let root = Authority::root("Root", Algorithm::Es256, now, later(now, 24)).unwrap();
        let source = json!({ "sourceType": "CERTIFICATE_BUNDLE",
            "sourceData": { "x509CertificateData": root.certificate_pem() } });
        let anchor =
            api(&sandbox, "POST", "/trustanchors", &json!({ "name": "a", "enabled": true, "source": source })).await;
        assert_eq!(anchor.status, 201, "{}", anchor.text());
        let anchor = anchor.json()["trustAnchor"]["trustAnchorArn"].as_str().unwrap().to_owned();
        let profile =
            json!({ "name": "p", "enabled": true, "roleArns": [seed::CERTIFICATE_ROLE], "durationSeconds": 1800 });
        let profile = api(&sandbox, "POST", "/profiles", &profile).await.ok();
        let profile = profile.json()["profile"]["profileArn"].as_str().unwrap().to_owned();
        Self { sandbox, root, anchor, profile }
    }

    fn ask(&self) -> Ask {
        let now = self.sandbox.world.now("tests");
        let leaf = LeafProfile {
            subject: vec![("CN", "app".to_owned())],
            dns: Vec::new(),
            ip: Vec::new(),
            uri: vec!["spiffe://example.org/app".to_owned()],
            server: false,
            client: true,
            not_before: now,
            not_after: later(now, 1),
            key: Algorithm::Es256,
        };
        Ask {
            role: seed::CERTIFICATE_ROLE,
            body: json!({ "durationSeconds": 3600 }),
            leaf,
            key: Algorithm::Es256,
            bend: |_| {},
            region: seed::REGION,
        }
    }

    async fn send(&self, ask: &Ask) -> Reply {
        let leaf = LeafProfile { key: ask.key, ..ask.leaf.clone() };
        self.send_with(ask, &self.root.issue(&leaf).unwrap()).await
    }

    async fn send_with(&self, ask: &Ask, issued: &Issued) -> Reply {
        let identity = X509Identity {
            chain: vec![issued.certificate.clone()],
            private_key: issued.private_key.clone(),
            bundle: Vec::new(),
        };
        let serial = Certificate::from_der(&issued.certificate).unwrap().serial().to_vec();
        let signer = CertificateSigner::new(&identity, &serial).unwrap();
        let mut url: url::Url = format!("https://rolesanywhere.{}.amazonaws.com/sessions", ask.region).parse().unwrap();
        url.query_pairs_mut()
            .append_pair("profileArn", &self.profile)
            .append_pair("roleArn", ask.role)
            .append_pair("trustAnchorArn", &self.anchor);
        let scope = Scope { time: self.sandbox.world.now("tests"), region: ask.region, service: "rolesanywhere" };
        let mut sent = signer.sign(carnet_core::Request::post_json(url, &ask.body), &scope).unwrap();
        (ask.bend)(&mut sent);
        let target = sent.url.as_str().split_once(".com").unwrap().1;
        let mut message = Request::post(target);
        for (name, value) in &sent.headers {
            message = message.header(name, value);
        }
        let request = message.body(axum::body::Body::from(sent.body.clone())).unwrap();
        self.sandbox.send_raw("aws-roles-anywhere", request).await
    }
}

#[tokio::test]
async fn the_trust_policy_sees_the_request() {
    let world = World::new().await;
    for (network, status) in [("127.0.0.0/8", 201), ("203.0.113.0/24", 403)] {
        let trust = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
            "Principal": { "Service": "rolesanywhere.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": { "IpAddress": { "aws:SourceIp": network },
                "StringEquals": { "aws:RequestedRegion": seed::REGION } } } });
        let trust = trust.to_string();
        let fields =
            [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "certificate"), ("PolicyDocument", trust.as_str())];
        world.sandbox.iam(&fields).await.ok();
        assert_eq!(world.send(&world.ask()).await.status, status, "{network}");
    }
}

fn later(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

#[tokio::test]
async fn a_certificate_becomes_keys_that_work() {
    let world = World::new().await;
    for key in [Algorithm::Es256, Algorithm::Rs256] {
        let reply = world.send(&Ask { key, ..world.ask() }).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let body = reply.json();
        let set = &body["credentialSet"][0];
        // Bounded by the profile.
        assert_eq!(set["credentials"]["expiration"], "2026-11-21T12:30:00Z");
        assert_eq!(set["sourceIdentity"], "CN=app");
        assert!(
            body["subjectArn"]
                .as_str()
                .unwrap()
                .starts_with("arn:aws:rolesanywhere:eu-central-1:123456789012:subject/")
        );
        let text = |name: &str| set["credentials"][name].as_str().unwrap().to_owned();
        let keys = Keys { id: text("accessKeyId"), secret: text("secretAccessKey"), token: Some(text("sessionToken")) };
        world.sandbox.send(Call::new("aws-s3", "s3", "GET", "/").sign(&keys)).await.ok();
    }
}

#[tokio::test]
async fn rejects_certificate_of_another_authority() {
    let world = World::new().await;
    let now = world.sandbox.world.now("tests");
    let other = Authority::root("Root", Algorithm::Es256, now, later(now, 1)).unwrap();
    let ask = world.ask();
    world.send_with(&ask, &other.issue(&ask.leaf).unwrap()).await.refused_json(403, "AccessDeniedException");
}

#[tokio::test]
async fn rejects_certificates_bent_in_one_place() {
    let world = World::new().await;
    let now = world.sandbox.world.now("tests");
    let mut other_name = world.ask();
    other_name.leaf.uri = vec!["spiffe://example.org/other".to_owned()];
    let mut old = world.ask();
    old.leaf.not_before = later(now, -2);
    old.leaf.not_after = later(now, -1);
    let mut early = world.ask();
    early.leaf.not_before = later(now, 1);
    early.leaf.not_after = later(now, 2);
    for (ask, clause) in [(other_name, "policy"), (old, "chain"), (early, "chain")] {
        world.send(&ask).await.refused_json(403, "AccessDeniedException");
        let decisions = world.sandbox.world.decisions.since(0);
        assert_eq!(decisions.last().unwrap().decision.refusal().unwrap().clause, clause);
    }
}

#[tokio::test]
async fn rejects_the_certificate_of_the_authority_itself() {
    let world = World::new().await;
    let private_key = world.root.signing_key().to_pkcs8().unwrap();
    let own = Issued { certificate: world.root.certificate().to_vec(), private_key };
    world.send_with(&world.ask(), &own).await.refused_json(403, "AccessDeniedException");
    let decisions = world.sandbox.world.decisions.since(0);
    let refusal = decisions.last().unwrap().decision.refusal().unwrap().clone();
    assert_eq!((refusal.clause, refusal.seen.as_str()), ("chain", "the certificate of an authority"));
}

#[tokio::test]
async fn a_profile_may_demand_properties_of_the_instance() {
    let mut world = World::new().await;
    let profile = json!({ "name": "p", "enabled": true, "roleArns": [seed::CERTIFICATE_ROLE],
        "requireInstanceProperties": true });
    let made = api(&world.sandbox, "POST", "/profiles", &profile).await.ok().json();
    made["profile"]["profileArn"].as_str().unwrap().clone_into(&mut world.profile);
    world.send(&world.ask()).await.refused_json(400, "ValidationException");
    let asked = Ask { body: json!({ "instanceProperties": { "host": "a" } }), ..world.ask() };
    assert_eq!(world.send(&asked).await.status, 201);
}

/// A change of a signed request.
type Bend = fn(&mut carnet_core::Request);

#[tokio::test]
async fn rejects_requests_bent_after_signing() {
    let world = World::new().await;
    let bends: [(Bend, u16, &str); 6] = [
        (
            |request| request.body = bytes::Bytes::from_static(b"{\"durationSeconds\":900}"),
            403,
            "AccessDeniedException",
        ),
        (|request| drop(request.headers.remove("authorization")), 403, "AccessDeniedException"),
        (|request| drop(request.headers.remove("x-amz-x509")), 400, "ValidationException"),
        (|request| drop(request.headers.insert("x-amz-x509", "AAAA".parse().unwrap())), 400, "ValidationException"),
        (
            |request| drop(request.headers.insert("x-amz-date", "20261121T114000Z".parse().unwrap())),
            403,
            "AccessDeniedException",
        ),
        (
            |request| {
                let value =
                    request.headers["authorization"].to_str().unwrap().replacen("Credential=", "Credential=1", 1);
                request.headers.insert("authorization", value.parse().unwrap());
            },
            403,
            "AccessDeniedException",
        ),
    ];
    for (bend, status, code) in bends {
        world.send(&Ask { bend, ..world.ask() }).await.refused_json(status, code);
    }
}

#[tokio::test]
async fn rejects_names_lifetimes_roles_and_regions_outside_the_rules() {
    let world = World::new().await;
    let named = Ask { body: json!({ "roleSessionName": "mine" }), ..world.ask() };
    world.send(&named).await.refused_json(403, "AccessDeniedException");
    let number = Ask { body: json!({ "roleSessionName": 7 }), ..world.ask() };
    world.send(&number).await.refused_json(400, "ValidationException");
    let long = Ask { body: json!({ "durationSeconds": 43_201 }), ..world.ask() };
    world.send(&long).await.refused_json(400, "ValidationException");
    let role = Ask { role: seed::ROLE, ..world.ask() };
    world.send(&role).await.refused_json(403, "AccessDeniedException");
    let region = Ask { region: "eu-west-1", ..world.ask() };
    world.send(&region).await.refused_json(400, "ValidationException");
}

#[tokio::test]
async fn anchors_and_profiles_can_be_switched_off_and_deleted() {
    let world = World::new().await;
    let id = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
    for (path, arn) in [("trustanchor", &world.anchor), ("profile", &world.profile)] {
        let uri = format!("/{path}/{}", id(arn));
        assert!(!api(&world.sandbox, "POST", &format!("{uri}/disable"), &Value::Null).await.ok().text().is_empty());
        world.send(&world.ask()).await.refused_json(403, "AccessDeniedException");
        api(&world.sandbox, "POST", &format!("{uri}/enable"), &Value::Null).await.ok();
        world.send(&world.ask()).await.ok();
    }
    let list = api(&world.sandbox, "GET", "/profiles", &Value::Null).await.ok().json();
    assert_eq!(list["profiles"][0]["profileArn"], world.profile.as_str());
    api(&world.sandbox, "DELETE", &format!("/profile/{}", id(&world.profile)), &Value::Null).await.ok();
    world.send(&world.ask()).await.refused_json(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn rejects_anchors_and_profiles_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let now = sandbox.world.now("tests");
    let root = Authority::root("Root", Algorithm::Es256, now, later(now, 1)).unwrap();
    let leaf = World::new().await.ask().leaf;
    let leaf = root.issue(&leaf).unwrap().certificate_pem();
    let source =
        |pem: &str| json!({ "sourceType": "CERTIFICATE_BUNDLE", "sourceData": { "x509CertificateData": pem } });
    for body in [
        json!({ "name": "", "source": source(&root.certificate_pem()) }),
        json!({ "name": "a", "source": source("") }),
        json!({ "name": "a", "source": source(&leaf) }),
        json!({ "name": "a", "source": { "sourceType": "NONE" } }),
    ] {
        api(&sandbox, "POST", "/trustanchors", &body).await.refused_json(400, "ValidationException");
    }
    for body in [
        json!({ "name": "p", "roleArns": [] }),
        json!({ "name": "p", "roleArns": [seed::ROLE], "durationSeconds": 60 }),
        json!({ "name": "p", "roleArns": [seed::ROLE], "sessionPolicy": "{}" }),
    ] {
        api(&sandbox, "POST", "/profiles", &body).await.refused_json(400, "ValidationException");
    }
    let unsigned = Call::new("aws-roles-anywhere", "rolesanywhere", "GET", "/profiles");
    sandbox.send(unsigned).await.refused_json(403, "MissingAuthenticationTokenException");
}
