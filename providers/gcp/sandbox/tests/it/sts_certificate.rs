//! Certificates as subject tokens.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_gcp_sandbox::seed;
use carnet_jose::Algorithm;
use carnet_sandbox_kit::ShownCertificates;
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{NOW, Reply, Sandbox};

const MTLS: &str = "urn:ietf:params:oauth:token-type:mtls";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(NOW).unwrap() + SignedDuration::from_hours(hours)
}

fn audience() -> String {
    seed::audience(seed::ORACLE).replace("providers/oracle", "providers/mesh")
}

struct Mesh {
    sandbox: Sandbox,
    root: Authority,
}

impl Mesh {
    /// A sandbox with a provider for certificates of a new authority.
    async fn new() -> Self {
        let mesh = Self {
            sandbox: Sandbox::new(),
            root: Authority::root("root", Algorithm::Es256, at(-24), at(24 * 365)).unwrap(),
        };
        let create = "/v1/projects/carnet-sandbox/locations/global/workloadIdentityPools/oracle/providers\
                      ?workloadIdentityPoolProviderId=mesh";
        let body = json!({
            "attributeMapping": { "google.subject": "assertion.san.uri" },
            "x509": { "trustStore": { "trustAnchors": [{ "pemCertificate": mesh.root.certificate_pem() }] } },
        });
        mesh.sandbox.iam("POST", create, body).await.ok();
        mesh
    }

    fn svid(&self, until_hours: i64) -> Vec<u8> {
        let profile = LeafProfile {
            subject: Vec::new(),
            dns: Vec::new(),
            ip: Vec::new(),
            uri: vec!["spiffe://example.org/cart".to_owned()],
            server: true,
            client: true,
            not_before: at(-2),
            not_after: at(until_hours),
            key: Algorithm::Es256,
        };
        self.root.issue(&profile).unwrap().certificate
    }

    async fn exchange(&self, chain: Value, shown: Option<&[u8]>) -> Reply {
        self.exchange_at("sts.mtls.googleapis.com", chain, shown).await
    }

    async fn exchange_at(&self, host: &str, chain: Value, shown: Option<&[u8]>) -> Reply {
        let mut fields = Sandbox::exchange_fields(&chain.to_string());
        fields[1].1 = audience();
        MTLS.clone_into(&mut fields[5].1);
        let shown = shown.map(|leaf| ShownCertificates(Arc::new(vec![leaf.to_vec()])));
        self.sandbox.exchange_showing(&fields, host, shown).await
    }
}

fn chain(leaf: &[u8]) -> Value {
    json!([STANDARD.encode(leaf)])
}

#[track_caller]
fn refused(reply: &Reply, text: &str) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    assert!(body["error_description"].as_str().unwrap().contains(text), "{body}");
}

#[tokio::test]
async fn an_svid_becomes_a_principal() {
    let mesh = Mesh::new().await;
    let svid = mesh.svid(1);
    mesh.exchange(chain(&svid), Some(&svid)).await.ok();
    let decisions = mesh.sandbox.world.decisions.since(0);
    let grant = decisions.last().unwrap().decision.grant().unwrap();
    assert!(grant.principal.ends_with("/subject/spiffe://example.org/cart"), "{}", grant.principal);
}

#[tokio::test]
async fn rejects_leaf_that_tls_has_not_shown() {
    let mesh = Mesh::new().await;
    let (svid, other) = (mesh.svid(1), mesh.svid(1));
    for shown in [None, Some(other.as_slice())] {
        refused(&mesh.exchange(chain(&svid), shown).await, "not the client certificate of the mTLS connection");
    }
}

#[tokio::test]
async fn rejects_certificates_where_google_does_not_ask_for_them() {
    let mesh = Mesh::new().await;
    let svid = mesh.svid(1);
    for host in ["sts.googleapis.com", "sts.us-east1.rep.googleapis.com", "STS.googleapis.com:443"] {
        let reply = mesh.exchange_at(host, chain(&svid), Some(&svid)).await;
        refused(&reply, "not the client certificate of the mTLS connection");
    }
    mesh.exchange_at("127.0.0.1:7101", chain(&svid), Some(&svid)).await.ok();
}

#[tokio::test]
async fn rejects_what_is_no_chain() {
    let mesh = Mesh::new().await;
    let svid = mesh.svid(1);
    refused(&mesh.exchange(json!([]), Some(&svid)).await, "Unable to parse the certificate chain.");
}

#[tokio::test]
async fn rejects_authority_that_is_not_in_the_trust_store() {
    let (mesh, other) = (Mesh::new().await, Mesh::new().await);
    let svid = other.svid(1);
    refused(&mesh.exchange(chain(&svid), Some(&svid)).await, "does not lead to a trust anchor");
}

#[tokio::test]
async fn rejects_certificates_that_are_over_by_the_sandboxs_clock() {
    let mesh = Mesh::new().await;
    let svid = mesh.svid(1);
    mesh.sandbox.advance(SignedDuration::from_hours(2));
    refused(&mesh.exchange(chain(&svid), Some(&svid)).await, "expired or is not yet valid");
}

#[tokio::test]
async fn rejects_leaf_for_more_than_390_days() {
    let mesh = Mesh::new().await;
    let svid = mesh.svid(391 * 24);
    refused(&mesh.exchange(chain(&svid), Some(&svid)).await, "exceeds 390 days");
}
