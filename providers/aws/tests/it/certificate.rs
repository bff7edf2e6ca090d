//! Roles Anywhere: set up by its API, asked by the client.

use carnet_aws::AwsRolesAnywhere;
use carnet_aws_sandbox::seed;
use carnet_core::{Credential, Error, ErrorKind, Material, X509Identity};
use carnet_jose::Algorithm;
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::Cloud;

/// An authority that the account trusts, and a profile for it.
struct World {
    cloud: Cloud,
    root: Authority,
    section: Value,
}

fn after(now: Timestamp, hours: i64) -> Timestamp {
    now + SignedDuration::from_hours(hours)
}

fn root(name: &str, now: Timestamp) -> Authority {
    Authority::root(name, Algorithm::Es256, now, after(now, 24)).unwrap()
}

fn leaf(now: Timestamp) -> LeafProfile {
    LeafProfile {
        subject: vec![("CN", "app".to_owned())],
        dns: Vec::new(),
        ip: Vec::new(),
        uri: vec!["spiffe://example.org/app".to_owned()],
        server: false,
        client: true,
        not_before: now,
        not_after: after(now, 1),
        key: Algorithm::Es256,
    }
}

/// A certificate of this authority, with what leads from it to the root.
fn identity(authority: &Authority, leaf: &LeafProfile, chain: &[&Authority]) -> Credential {
    let issued = authority.issue(leaf).unwrap();
    let chain = chain.iter().map(|authority| authority.certificate().to_vec());
    Credential::new(Material::X509(X509Identity {
        chain: std::iter::once(issued.certificate).chain(chain).collect(),
        private_key: issued.private_key,
        bundle: Vec::new(),
    }))
}

impl World {
    async fn new(profile: &Value) -> Self {
        let cloud = Cloud::new(&[]);
        let root = root("Root", cloud.now());
        let source = json!({ "sourceType": "CERTIFICATE_BUNDLE",
            "sourceData": { "x509CertificateData": root.certificate_pem() } });
        let anchor = cloud.set_up("/trustanchors", &json!({ "name": "a", "enabled": true, "source": source })).await;
        let mut body = json!({ "name": "p", "enabled": true, "roleArns": [seed::CERTIFICATE_ROLE] });
        body.as_object_mut().unwrap().extend(profile.as_object().unwrap().clone());
        let profile = cloud.set_up("/profiles", &body).await;
        let section = json!({ "trust_anchor_arn": anchor["trustAnchor"]["trustAnchorArn"],
            "profile_arn": profile["profile"]["profileArn"], "role_arn": seed::CERTIFICATE_ROLE });
        Self { cloud, root, section }
    }

    async fn ask(&self, change: &Value, credential: &Credential) -> Result<Credential, Error> {
        let mut section = self.section.clone();
        section.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.cloud.exchange::<AwsRolesAnywhere>(section, credential).await
    }

    /// What the client makes of a refusal: kind, clause and code.
    async fn refused(&self, change: &Value, credential: &Credential) -> (ErrorKind, String, String) {
        let error = self.ask(change, credential).await.unwrap_err();
        assert!(!error.hints().is_empty(), "{error:?}");
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (error.kind(), text(error.failed_clause()), text(error.provider_code()))
    }
}

fn told(kind: ErrorKind, clause: &str, code: &str) -> (ErrorKind, String, String) {
    (kind, clause.to_owned(), code.to_owned())
}

#[tokio::test]
async fn a_certificate_is_a_role() {
    let world = World::new(&json!({ "durationSeconds": 1800 })).await;
    let now = world.cloud.now();
    for key in [Algorithm::Es256, Algorithm::Rs256] {
        let credential = identity(&world.root, &LeafProfile { key, ..leaf(now) }, &[]);
        let keys = world.ask(&json!({ "lifetime": "1h" }), &credential).await.unwrap();
        assert_eq!(world.cloud.buckets(&keys).await.0, 200);
        assert_eq!(keys.remaining(now), Some(SignedDuration::from_mins(30)), "the profile bounds it");
    }
}

#[tokio::test]
async fn a_certificate_of_an_intermediate_comes_with_its_chain() {
    let world = World::new(&json!({})).await;
    let now = world.cloud.now();
    let middle = world.root.intermediate("Middle", Algorithm::Es256, now, after(now, 12)).unwrap();
    let keys = world.ask(&json!({}), &identity(&middle, &leaf(now), &[&middle])).await.unwrap();
    assert_eq!(world.cloud.buckets(&keys).await.0, 200);
    let without = world.refused(&json!({}), &identity(&middle, &leaf(now), &[])).await;
    assert_eq!(without, told(ErrorKind::Refused, "chain", "AccessDeniedException"));
}

#[tokio::test]
async fn the_session_has_a_name_where_the_profile_takes_one() {
    let named = json!({ "session_name": "night-run" });
    let world = World::new(&json!({ "acceptRoleSessionName": true })).await;
    let credential = identity(&world.root, &leaf(world.cloud.now()), &[]);
    let keys = world.ask(&named, &credential).await.unwrap();
    assert!(keys.facts["principal"].ends_with("assumed-role/certificate/night-run"), "{:?}", keys.facts);
    let world = World::new(&json!({})).await;
    let credential = identity(&world.root, &leaf(world.cloud.now()), &[]);
    let refused = world.refused(&named, &credential).await;
    assert_eq!(refused, told(ErrorKind::Policy, "policy", "AccessDeniedException"));
}

#[tokio::test]
async fn rejects_certificates_bent_in_one_place() {
    let world = World::new(&json!({})).await;
    let now = world.cloud.now();
    let chain = told(ErrorKind::Refused, "chain", "AccessDeniedException");
    let stranger = identity(&root("Root", now), &leaf(now), &[]);
    assert_eq!(world.refused(&json!({}), &stranger).await, chain);
    let over = LeafProfile { not_before: after(now, -2), not_after: after(now, -1), ..leaf(now) };
    assert_eq!(world.refused(&json!({}), &identity(&world.root, &over, &[])).await, chain);
    let other = LeafProfile { uri: vec!["spiffe://example.org/other".to_owned()], ..leaf(now) };
    let refused = world.refused(&json!({}), &identity(&world.root, &other, &[])).await;
    assert_eq!(refused, told(ErrorKind::Policy, "policy", "AccessDeniedException"));
}

#[tokio::test]
async fn rejects_what_the_request_names_bent_in_one_place() {
    let world = World::new(&json!({})).await;
    let credential = identity(&world.root, &leaf(world.cloud.now()), &[]);
    let arn = |kind: &str| format!("arn:aws:rolesanywhere:{}:{}:{kind}/none", seed::REGION, seed::ACCOUNT);
    let missing = told(ErrorKind::Refused, "request", "ResourceNotFoundException");
    for (field, kind) in [("trust_anchor_arn", "trust-anchor"), ("profile_arn", "profile")] {
        assert_eq!(world.refused(&json!({ field: arn(kind) }), &credential).await, missing, "{field}");
    }
    let role = world.refused(&json!({ "role_arn": seed::ROLE }), &credential).await;
    assert_eq!(role, told(ErrorKind::Policy, "policy", "AccessDeniedException"));
}
