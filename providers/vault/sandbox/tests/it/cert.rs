//! Logins with a certificate that is shown in TLS.

use carnet_jose::Algorithm;
use carnet_vault_sandbox::seed;
use carnet_x509::{Authority, LeafProfile, der_to_pem};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox};

const WORKLOAD: &str = "spiffe://demo.test/app";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(NOW + hours * 3600).unwrap()
}

struct Mesh {
    sandbox: Sandbox,
    root: Authority,
}

/// A server whose role `app` takes certificates of an authority, and these fields of the role.
async fn mesh(fields: Value) -> Mesh {
    let mesh = Mesh {
        sandbox: Sandbox::new(),
        root: Authority::root("root", Algorithm::Es256, at(-24), at(24 * 365)).unwrap(),
    };
    assert_eq!(mesh.sandbox.root("POST", "sys/auth/cert", json!({ "type": "cert" })).await.0, 204);
    let mut role =
        json!({ "certificate": mesh.root.certificate_pem(), "token_policies": seed::ROLE, "token_ttl": "1h" });
    role.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, body) = mesh.sandbox.root("POST", "auth/cert/certs/app", role).await;
    assert_eq!(status, 204, "{body}");
    mesh
}

fn profile() -> LeafProfile {
    LeafProfile {
        subject: vec![("OU", "team".to_owned()), ("CN", "app.demo.test".to_owned())],
        dns: vec!["app.demo.test".to_owned()],
        ip: Vec::new(),
        uri: vec![WORKLOAD.to_owned()],
        server: false,
        client: true,
        not_before: at(-1),
        not_after: at(1),
        key: Algorithm::Es256,
    }
}

impl Mesh {
    async fn login(&self, profile: &LeafProfile, name: &str) -> (u16, Value) {
        let leaf = self.root.issue(profile).unwrap().certificate;
        self.sandbox.shown(&[&leaf], "", "auth/cert/login", json!({ "name": name })).await
    }
}

#[track_caller]
fn refused((status, body): (u16, Value), text: &str) {
    assert_eq!((status, &body["errors"][0]), (400, &json!(text)), "{body}");
}

const NOBODY: &str = "invalid certificate or no client certificate supplied";
const OTHERS: &str = "no chain matching all constraints could be found for this login certificate";

#[tokio::test]
async fn a_certificate_of_the_authority_reads_a_secret() {
    let mesh = mesh(json!({ "allowed_uri_sans": "spiffe://demo.test/*" })).await;
    for name in ["", "app", "APP"] {
        let (status, body) = mesh.login(&profile(), name).await;
        assert_eq!((status, &body["auth"]["metadata"]["common_name"]), (200, &json!("app.demo.test")), "{body}");
        let token = body["auth"]["client_token"].as_str().unwrap();
        assert_eq!(mesh.sandbox.with(token, "GET", "secret/data/app/db", Value::Null).await.0, 200);
    }
}

#[tokio::test]
async fn a_chain_with_an_intermediate_logs_in_when_all_of_it_is_shown() {
    let mesh = mesh(json!({})).await;
    let between = mesh.root.intermediate("between", Algorithm::Es256, at(-2), at(24)).unwrap();
    let leaf = between.issue(&profile()).unwrap().certificate;
    let login = async |chain: &[&[u8]]| mesh.sandbox.shown(chain, "", "auth/cert/login", json!({})).await;
    assert_eq!(login(&[leaf.as_slice(), between.certificate()]).await.0, 200);
    refused(login(&[leaf.as_slice()]).await, NOBODY);
}

#[tokio::test]
async fn a_certificate_of_its_own_logs_in_alone() {
    let mesh = mesh(json!({})).await;
    let stranger = Authority::root("other", Algorithm::Es256, at(-24), at(24)).unwrap();
    let (own, other) = (stranger.issue(&profile()).unwrap(), stranger.issue(&profile()).unwrap());
    let role = json!({ "certificate": der_to_pem(&own.certificate), "token_policies": "app" });
    assert_eq!(mesh.sandbox.root("POST", "auth/cert/certs/one", role).await.0, 204);
    let login = async |leaf: &[u8]| mesh.sandbox.shown(&[leaf], "", "auth/cert/login", json!({})).await;
    let (status, body) = login(own.certificate.as_slice()).await;
    assert_eq!((status, &body["auth"]["metadata"]["cert_name"]), (200, &json!("one")), "{body}");
    refused(login(other.certificate.as_slice()).await, NOBODY);
    mesh.sandbox.clock.advance(SignedDuration::from_hours(2));
    refused(login(own.certificate.as_slice()).await, NOBODY);
}

#[tokio::test]
async fn rejects_certificates_that_no_role_trusts() {
    let mesh = mesh(json!({})).await;
    let login = json!({ "name": "app" });
    refused(mesh.sandbox.send("vault", "POST", "auth/cert/login", &[], login.clone()).await, NOBODY);
    refused(mesh.sandbox.shown(&[b"no certificate"], "", "auth/cert/login", login.clone()).await, NOBODY);
    let stranger = Authority::root("root", Algorithm::Es256, at(-24), at(24)).unwrap();
    let leaf = stranger.issue(&profile()).unwrap().certificate;
    refused(mesh.sandbox.shown(&[&leaf], "", "auth/cert/login", login).await, NOBODY);
    refused(mesh.login(&LeafProfile { not_after: at(-1), not_before: at(-2), ..profile() }, "app").await, NOBODY);
    refused(mesh.login(&LeafProfile { client: false, server: true, ..profile() }, "app").await, NOBODY);
    refused(mesh.login(&profile(), "none").await, NOBODY);
}

#[tokio::test]
async fn rejects_certificates_of_other_names() {
    for (field, pattern) in [
        ("allowed_names", "other*"),
        ("allowed_common_names", "demo.test"),
        ("allowed_dns_sans", "*.example"),
        ("allowed_uri_sans", "spiffe://demo.test/other"),
        ("allowed_organizational_units", "teams"),
    ] {
        refused(mesh(json!({ field: pattern })).await.login(&profile(), "").await, OTHERS);
    }
    let fields = json!({ "allowed_names": "app.*,x", "allowed_common_names": "app.demo.test",
        "allowed_dns_sans": ["*.demo.test"], "allowed_organizational_units": "team" });
    assert_eq!(mesh(fields).await.login(&profile(), "").await.0, 200);
}

#[tokio::test]
async fn rejects_certificate_without_a_common_name_and_login_from_elsewhere() {
    let nameless = LeafProfile { subject: Vec::new(), ..profile() };
    refused(mesh(json!({})).await.login(&nameless, "").await, "missing name in alias");
    let far = mesh(json!({ "token_bound_cidrs": "10.0.0.0/8" })).await;
    assert_eq!(far.login(&profile(), "").await.0, 403);
}

#[tokio::test]
async fn a_token_is_renewed_with_the_certificate_of_its_login() {
    let mesh = mesh(json!({})).await;
    let [own, other] = [(); 2].map(|()| mesh.root.issue(&profile()).unwrap().certificate);
    let (_, body) = mesh.sandbox.shown(&[&own], "", "auth/cert/login", json!({})).await;
    let token = body["auth"]["client_token"].as_str().unwrap();
    let path = "auth/token/renew-self";
    assert_eq!(mesh.sandbox.shown(&[&own], token, path, json!({})).await.0, 200);
    let text = "client identity during renewal not matching client identity used during login";
    refused(mesh.sandbox.shown(&[&other], token, path, json!({})).await, text);
    refused(mesh.sandbox.with(token, "POST", path, json!({})).await, "no client certificate found");
    assert_eq!(mesh.sandbox.root("POST", "auth/cert/config", json!({ "disable_binding": true })).await.0, 204);
    assert_eq!(mesh.sandbox.with(token, "POST", path, json!({})).await.0, 200);
}

#[tokio::test]
async fn rejects_roles_that_cannot_be_checked() {
    let mesh = mesh(json!({})).await;
    for (field, value) in [
        ("certificate", json!("none")),
        ("certificate", json!("")),
        ("allowed_email_sans", json!("a@b")),
        ("required_extensions", json!("1.2:x")),
        ("ocsp_enabled", json!(true)),
        ("allowed_names", json!(1)),
        ("token_ttl", json!("-1s")),
    ] {
        let (status, body) = mesh.sandbox.root("POST", "auth/cert/certs/app", json!({ field: value })).await;
        assert_eq!(status, 400, "{field}: {body}");
    }
    let (_, listed) = mesh.sandbox.root("LIST", "auth/cert/certs", Value::Null).await;
    assert_eq!(listed["data"]["keys"], json!(["app"]));
    assert_eq!(mesh.sandbox.root("DELETE", "auth/cert/certs/app", Value::Null).await.0, 204);
    assert_eq!(mesh.sandbox.root("GET", "auth/cert/certs/app", Value::Null).await.0, 404);
}
