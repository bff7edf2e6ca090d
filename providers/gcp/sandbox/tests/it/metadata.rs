//! The metadata server.

use carnet_gcp_sandbox::seed;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_sandbox_kit::{ServiceUrls, Urls};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, NOW, Reply, Sandbox};

const ROOT: &str = "/computeMetadata/v1";

async fn get(sandbox: &Sandbox, path: &str) -> Reply {
    let uri = format!("{ROOT}{path}");
    sandbox.send("gcp-metadata", Method::GET, &uri, &[("metadata-flavor", "Google")], "").await
}

#[tokio::test]
async fn the_ping_needs_no_header_and_the_rest_does() {
    let sandbox = Sandbox::new();
    let ping = sandbox.send("gcp-metadata", Method::GET, "/", &[], "").await;
    assert_eq!((ping.status.as_u16(), ping.header("metadata-flavor")), (200, "Google"));
    assert_eq!(ping.text(), "0.1/\ncomputeMetadata/\n");
    let uri = format!("{ROOT}/project/project-id");
    let without = sandbox.send("gcp-metadata", Method::GET, &uri, &[], "").await;
    assert_eq!((without.status.as_u16(), without.header("metadata-flavor")), (403, "Google"));
    assert!(without.text().contains("Missing required header \"Metadata-Flavor\": \"Google\""));
    assert!(without.header("content-type").starts_with("text/html"));
    let headers = [("metadata-flavor", "Google"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(sandbox.send("gcp-metadata", Method::GET, &uri, &headers, "").await.status, 403);
}

#[tokio::test]
async fn values_are_text_with_an_etag() {
    let sandbox = Sandbox::new();
    for (path, expected) in [
        ("/project/project-id", seed::PROJECT),
        ("/project/numeric-project-id", seed::PROJECT_NUMBER),
        ("/universe/universe-domain", "googleapis.com"),
        ("/universe/universe_domain", "googleapis.com"),
        ("/instance/zone", "projects/123456789012/zones/us-central1-a"),
        ("/instance/service-accounts/default/email", seed::BUILDER),
    ] {
        let reply = get(&sandbox, path).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, expected), "{path}");
        assert_eq!(reply.header("content-type"), "application/text");
        assert_eq!(reply.header("metadata-flavor"), "Google");
        assert_eq!(reply.header("server"), "Metadata Server for VM");
        assert!(!reply.header("etag").is_empty());
    }
    assert_eq!(get(&sandbox, "/instance/nothing").await.status, 404);
    assert_eq!(get(&sandbox, "/project/project-id/").await.status, 404);
    let quoted = get(&sandbox, "/project/project-id?alt=json").await;
    assert_eq!(quoted.json(), json!(seed::PROJECT));
}

#[tokio::test]
async fn directories_list_redirect_and_recurse() {
    let sandbox = Sandbox::new();
    let accounts = get(&sandbox, "/instance/service-accounts/").await;
    assert_eq!(accounts.text(), format!("{}/\ndefault/\n", seed::BUILDER));
    let redirect = get(&sandbox, "/instance/service-accounts?alt=text").await;
    let place = format!("{ROOT}/instance/service-accounts/?alt=text");
    assert_eq!((redirect.status.as_u16(), redirect.header("location")), (301, place.as_str()));
    let account = get(&sandbox, "/instance/service-accounts/default/?recursive=true").await;
    assert_eq!(account.header("content-type"), "application/json");
    assert_eq!(account.json(), json!({ "aliases": ["default"], "email": seed::BUILDER, "scopes": [CLOUD_PLATFORM] }));
    let project = get(&sandbox, "/project/?recursive=true").await.json();
    assert_eq!(project["numericProjectId"], 123_456_789_012_u64);
    let flat = get(&sandbox, "/project/?recursive=true&alt=text").await;
    assert!(flat.text().contains("project-id carnet-sandbox\n"));
}

#[tokio::test]
async fn the_machines_token_is_kept_until_five_minutes_before_its_end() {
    let sandbox = Sandbox::new();
    let uri = format!("/instance/service-accounts/default/token?scopes={CLOUD_PLATFORM},{CLOUD_PLATFORM}");
    let first = get(&sandbox, &uri).await;
    assert_eq!(first.header("content-type"), "application/json");
    let first = first.json();
    assert_eq!((&first["expires_in"], &first["token_type"]), (&json!(3600), &json!("Bearer")));
    sandbox.advance(SignedDuration::from_mins(54));
    let again = get(&sandbox, &uri).await.json();
    assert_eq!((&again["access_token"], &again["expires_in"]), (&first["access_token"], &json!(360)));
    sandbox.advance(SignedDuration::from_mins(1));
    let other = get(&sandbox, &uri).await.json();
    assert_ne!(other["access_token"], first["access_token"]);
    assert_eq!(get(&sandbox, "/instance/service-accounts/other/token").await.status, 404);
}

#[tokio::test]
async fn identity_tokens_verify_and_say_where_they_come_from() {
    let sandbox = Sandbox::new();
    let uri = "/instance/service-accounts/default/identity";
    let empty = get(&sandbox, uri).await;
    assert_eq!((empty.status.as_u16(), empty.text()), (400, "non-empty audience parameter required"));
    let full = get(&sandbox, &format!("{uri}?audience=https://x.example&format=full")).await;
    let jwt = UnverifiedJwt::parse(full.text()).unwrap();
    let keys = sandbox.send("gcp-certs", Method::GET, "/oauth2/v3/certs", &[], "").await;
    let rules = Rules {
        issuer: Some("https://accounts.google.com"),
        audiences: Some(&["https://x.example"]),
        algorithms: &[Algorithm::Rs256],
        leeway: SignedDuration::ZERO,
        require_expiry: true,
        max_lifetime: Some(SignedDuration::from_hours(1)),
        types: &["JWT"],
    };
    let now = Timestamp::from_second(NOW).unwrap();
    let verified = verify_jwt(&jwt, &KeySet::from_json(&keys.body).unwrap(), &rules, now).unwrap();
    let claims = &verified.claims().0;
    assert_eq!(claims["google"]["compute_engine"]["project_id"], seed::PROJECT);
    assert_eq!(claims["email"], seed::BUILDER);
    let standard = get(&sandbox, &format!("{uri}?audience=x")).await;
    let standard = UnverifiedJwt::parse(standard.text()).unwrap();
    assert!(standard.unverified_claims().get("google").is_none());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_change_ends_with_the_callers_patience() {
    let sandbox = Sandbox::new();
    let etag = get(&sandbox, "/project/project-id").await.header("etag").to_owned();
    let begun = tokio::time::Instant::now();
    let other = get(&sandbox, "/project/project-id?wait_for_change=true&last_etag=0&timeout_sec=7").await;
    assert_eq!((other.status.as_u16(), begun.elapsed().as_secs()), (200, 0), "it has changed since");
    let uri = format!("/project/project-id?wait_for_change=true&last_etag={etag}&timeout_sec=7");
    assert_eq!(get(&sandbox, &uri).await.text(), seed::PROJECT);
    assert_eq!(begun.elapsed().as_secs(), 7);
}

#[test]
fn the_environment_points_clients_at_the_server() {
    let sandbox = Sandbox::new();
    let urls = |port: u16| ServiceUrls {
        plain: format!("http://127.0.0.1:{port}/").parse().unwrap(),
        tls: format!("https://127.0.0.1:{}/", port + 1).parse().unwrap(),
    };
    let urls = Urls::from([("gcp-metadata", urls(7001)), ("gcp-storage", urls(7003))]);
    let environment: Value = sandbox
        .emulator
        .environment(&urls, std::path::Path::new("/tmp"))
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    insta::assert_json_snapshot!(environment, @r#"
    {
      "API_ENDPOINT_OVERRIDE": "http://127.0.0.1:7003",
      "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://127.0.0.1:7003/",
      "CLOUDSDK_CORE_PROJECT": "carnet-sandbox",
      "GCE_METADATA_HOST": "127.0.0.1:7001",
      "GCE_METADATA_IP": "127.0.0.1:7001",
      "GCE_METADATA_ROOT": "127.0.0.1:7001",
      "GOOGLE_CLOUD_PROJECT": "carnet-sandbox"
    }
    "#);
}
