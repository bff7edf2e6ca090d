//! Providers for AWS accounts and for certificates.

use carnet_jose::Algorithm;
use carnet_x509::Authority;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox};

const PROVIDERS: &str = "/v1/projects/carnet-sandbox/locations/global/workloadIdentityPools/oracle/providers";

fn pem() -> String {
    let now = Timestamp::from_second(NOW).unwrap();
    let root = Authority::root("root", Algorithm::Es256, now, now + SignedDuration::from_hours(1)).unwrap();
    root.certificate_pem()
}

fn x509(store: &Value) -> Value {
    json!({ "x509": { "trustStore": store } })
}

fn anchors(pem: &str) -> Value {
    json!({ "trustAnchors": [{ "pemCertificate": pem }] })
}

async fn create(sandbox: &Sandbox, body: Value) -> crate::support::Reply {
    sandbox.iam("POST", &format!("{PROVIDERS}?workloadIdentityPoolProviderId=other"), body).await
}

async fn get(sandbox: &Sandbox) -> Value {
    sandbox.iam("GET", &format!("{PROVIDERS}/other"), Value::Null).await.ok()
}

#[tokio::test]
async fn a_provider_for_an_account_is_made_and_changed() {
    let sandbox = Sandbox::new();
    create(&sandbox, json!({ "aws": { "accountId": "210987654321" } })).await.ok();
    let made = get(&sandbox).await;
    assert_eq!(made["aws"], json!({ "accountId": "210987654321" }));
    assert_eq!((made.get("oidc"), made.get("x509")), (None, None));
    let patch = format!("{PROVIDERS}/other?updateMask=aws.accountId");
    sandbox.iam("PATCH", &patch, json!({ "aws": { "accountId": "123456789012" } })).await.ok();
    assert_eq!(get(&sandbox).await["aws"], json!({ "accountId": "123456789012" }));
}

#[tokio::test]
async fn a_provider_for_certificates_is_made_and_changed() {
    let sandbox = Sandbox::new();
    let (one, other) = (pem(), pem());
    create(&sandbox, x509(&anchors(&one))).await.ok();
    assert_eq!(get(&sandbox).await["x509"]["trustStore"], anchors(&one));
    let patch = format!("{PROVIDERS}/other?updateMask=x509.trust_store");
    let mut both = anchors(&other);
    both["intermediateCas"] = json!([{ "pemCertificate": one }]);
    sandbox.iam("PATCH", &patch, x509(&both)).await.ok();
    assert_eq!(get(&sandbox).await["x509"]["trustStore"], both);
}

#[tokio::test]
async fn rejects_none_and_two_of_what_a_provider_can_trust() {
    let sandbox = Sandbox::new();
    create(&sandbox, json!({ "attributeMapping": { "google.subject": "assertion.sub" } }))
        .await
        .refused(400, "INVALID_ARGUMENT");
    let mut both = x509(&anchors(&pem()));
    both["aws"] = json!({ "accountId": "210987654321" });
    let error = create(&sandbox, both).await.refused(400, "INVALID_ARGUMENT");
    assert_eq!(error["error"]["message"], "a provider has exactly one of `aws`, `oidc` and `x509`");
    create(&sandbox, json!({ "aws": { "accountId": "210987654321" } })).await.ok();
    let patch = format!("{PROVIDERS}/other?updateMask=oidc");
    let oidc = json!({ "oidc": { "issuerUri": "https://issuer.example" } });
    sandbox.iam("PATCH", &patch, oidc).await.refused(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn rejects_fields_and_values_that_google_rejects() {
    let sandbox = Sandbox::new();
    let mut unknown = anchors(&pem());
    unknown["roots"] = json!([]);
    for body in [
        json!({ "aws": { "accountId": "1" } }),
        json!({ "aws": { "accountId": 210_987_654_321_i64 } }),
        json!({ "aws": { "account": "210987654321" } }),
        x509(&json!({})),
        x509(&json!({ "trustAnchors": {} })),
        x509(&json!({ "trustAnchors": [{ "pemCertificate": "x" }] })),
        x509(&json!({ "trustAnchors": [{ "pem": pem() }] })),
        x509(&json!({ "trustAnchors": (0..4).map(|_| json!({ "pemCertificate": pem() })).collect::<Vec<_>>() })),
        x509(&unknown),
        json!({ "x509": { "trustStores": {} } }),
    ] {
        create(&sandbox, body.clone()).await.refused(400, "INVALID_ARGUMENT");
    }
    let shared = x509(&json!({ "trustDefaultSharedCa": true }));
    create(&sandbox, shared).await.refused(501, "UNIMPLEMENTED");
}
