//! `join-token` and `gcp`.

use std::sync::Arc;

use carnet_attest::{Attestors, Kind, Once, join_token};
use carnet_core::{Context, MemoryFiles, ScriptedHttp, hex};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn a_join_token_is_known_by_its_digest_and_not_by_itself() {
    let files = Arc::new(MemoryFiles::default());
    let context = world(Arc::<MemoryFiles>::clone(&files));
    let token = join_token::generate(&context);
    assert_ne!(token, join_token::generate(&context));
    files.put("/token", format!("{}\n", token.expose()));
    let evidence = gather(&context, json!({"join-token": {"file": "/token"}})).await.unwrap();
    let attested = attestors(&context, json!({})).verify(Kind::JoinToken, &evidence, &NONCE).await.unwrap();
    assert_eq!(attested.once, Once::JoinToken(join_token::hash(&token)));
    assert_eq!(attested.path, format!("join-token/{}", hex(&join_token::hash(&token)[..16])));
}

#[tokio::test]
async fn rejects_what_is_no_join_token() {
    let context = world(Arc::default());
    let attestors = attestors(&context, json!({}));
    for bad in [
        json!({}),
        json!({"token": 7}),
        json!({"token": "other"}),
        json!({"token": format!("carnet-join-{}", "0".repeat(300))}),
    ] {
        assert_eq!(clause(&attestors, Kind::JoinToken, &bad).await, "form", "{bad}");
    }
}

#[tokio::test]
async fn rejects_a_method_that_is_not_configured() {
    let context = world(Arc::default());
    let attestors = attestors(&context, json!({"join_token": false}));
    for kind in Kind::ALL {
        assert!(!attestors.offers(kind));
        assert_eq!(clause(&attestors, kind, &json!({})).await, "method");
    }
}

#[tokio::test]
async fn the_agent_says_where_the_token_is_missing() {
    let context = world(Arc::default());
    let error = gather(&context, json!({"join-token": {"file": "/none"}})).await.unwrap_err();
    assert!(error.to_string().contains("/none"));
}

const AUDIENCE: &str = "spiffe://example.org/carnet/authority";

fn claims() -> Value {
    json!({
        "iss": "https://accounts.google.com",
        "aud": format!("{AUDIENCE}/{}", hex(&NONCE)),
        "sub": "1000",
        "email": "sa@project-1.iam.gserviceaccount.com",
        "iat": now().as_second(),
        "exp": now().as_second() + 3600,
        "google": {"compute_engine": {
            "project_id": "project-1", "project_number": 7, "zone": "europe-west3-a", "instance_id": "42",
            "instance_name": "web-1", "instance_creation_timestamp": 1
        }},
    })
}

fn google(answers: usize) -> (Context, Attestors) {
    let http = (0..answers).fold(ScriptedHttp::default(), |http, _| http.answer(200, jwks()));
    let context = Context { http: Arc::new(http), ..world(Arc::default()) };
    let config = json!({"gcp": {"audience": AUDIENCE, "projects": ["project-1"], "jwks_url": "https://keys.example/"}});
    let attestors = attestors(&context, config);
    (context, attestors)
}

#[test]
fn rejects_keys_that_come_over_plain_http_from_another_machine() {
    let context = world(Arc::default());
    let cluster = |url: &str| json!({"audience": "a", "service_accounts": ["a:b"], "issuer": "i", "jwks_url": url});
    let all = |url: &str| {
        json!({
            "gcp": {"audience": AUDIENCE, "projects": ["project-1"], "jwks_url": url},
            "k8s": {"prod": cluster(url)},
            "azure_msi": {"audience": "a", "tenants": {"t": {"subscriptions": ["s"], "jwks_url": url}}},
        })
    };
    let fields = ["azure_msi.tenants.t.jwks_url", "gcp.jwks_url", "k8s.prod.jwks_url"];
    for url in ["http://keys.example/", "ftp://127.0.0.1/"] {
        let mut found = mistakes(&context, all(url));
        found.sort();
        assert_eq!(found, fields, "{url}");
    }
    for url in ["https://keys.example/", "http://127.0.0.1:8080/"] {
        attestors(&context, all(url));
    }
}

async fn refused(bend: impl FnOnce(&mut Value)) -> String {
    let (_, attestors) = google(1);
    let mut claims = claims();
    bend(&mut claims);
    clause(&attestors, Kind::Gcp, &json!({"token": token(&claims)})).await
}

#[tokio::test]
async fn accepts_a_google_instance_for_the_first_time() {
    let (_, attestors) = google(1);
    let evidence = json!({"token": token(&claims())});
    let attested = attestors.verify(Kind::Gcp, &evidence, &NONCE).await.unwrap();
    assert_eq!((attested.path.as_str(), attested.once), ("gcp/project-1/42", Once::FirstUse));
    let wanted = [
        "gcp:instance-id:42",
        "gcp:instance-name:web-1",
        "gcp:project-id:project-1",
        "gcp:sa:sa@project-1.iam.gserviceaccount.com",
        "gcp:zone:europe-west3-a",
    ];
    assert_eq!(texts(&attested), wanted);
}

#[tokio::test]
async fn rejects_a_token_for_another_nonce() {
    assert_eq!(refused(|claims| claims["aud"] = json!(format!("{AUDIENCE}/{}", hex(&[8; 32])))).await, "audience");
    assert_eq!(refused(|claims| claims["aud"] = json!(AUDIENCE)).await, "audience");
}

#[tokio::test]
async fn rejects_a_token_of_another_issuer() {
    assert_eq!(refused(|claims| claims["iss"] = json!("accounts.google.com")).await, "issuer");
}

#[tokio::test]
async fn rejects_a_token_that_has_expired_or_lives_too_long() {
    assert_eq!(refused(|claims| claims["exp"] = json!(now().as_second() - 60)).await, "expired");
    assert_eq!(refused(|claims| claims["exp"] = json!(now().as_second() + 9000)).await, "lifetime");
}

#[tokio::test]
async fn rejects_a_project_that_is_not_allowed() {
    assert_eq!(refused(|claims| claims["google"]["compute_engine"]["project_id"] = json!("p")).await, "project");
}

#[tokio::test]
async fn rejects_a_token_of_the_standard_format() {
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("google"))).await, "claims");
}

#[tokio::test]
async fn rejects_a_token_that_google_has_not_signed() {
    let (_, attestors) = google(1);
    let good = token(&claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = token(&json!({"iss": "x"}));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = json!({"token": format!("{signed}.{signature}")});
    assert_eq!(clause(&attestors, Kind::Gcp, &forged).await, "signature");
}

#[tokio::test]
async fn the_agent_asks_for_the_full_format_with_the_nonce_in_the_audience() {
    let http = Arc::new(ScriptedHttp::default().answer(200, "a.b.c\n"));
    let context = Context { http: Arc::<ScriptedHttp>::clone(&http), ..world(Arc::default()) };
    let evidence = gather(&context, json!({"gcp": {"audience": AUDIENCE}})).await.unwrap();
    assert_eq!(evidence, json!({"token": "a.b.c"}));
    let requests = http.requests();
    let sent = requests.first().unwrap();
    let query: Vec<(String, String)> = sent.url.query_pairs().into_owned().collect();
    assert_eq!(query[0], ("audience".to_owned(), format!("{AUDIENCE}/{}", hex(&NONCE))));
    assert_eq!(query[1], ("format".to_owned(), "full".to_owned()));
    assert_eq!(sent.headers.get("metadata-flavor").unwrap(), "Google");
    assert_eq!(sent.destination, carnet_core::Destination::Metadata);
}
