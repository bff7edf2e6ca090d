//! What a reload, as the signal asks for it, has a running authority take.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{HttpSend as _, NewFile, Request, replace_files};
use carnet_jose::{Algorithm, SigningKey};
use carnet_net::{Client, Settings as Network};
use carnet_spiffe::{TrustDomain, authority_profile, svid_profile};
use carnet_x509::Authority as Signer;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::timeout;

use super::world::{World, context};

/// Shorter than what the authority takes to look at files of itself, so that only a reload can be what was seen.
const SOON: Duration = Duration::from_secs(20);

/// Good for longer than anybody runs these tests: clients look at the real clock.
fn life() -> (Timestamp, Timestamp) {
    let years = SignedDuration::from_hours(20 * 365 * 24);
    (context().now() - years, context().now() + years)
}

fn signer() -> Signer {
    let domain: TrustDomain = "web.example".parse().unwrap();
    let (from, until) = life();
    let profile = authority_profile(&domain, vec![("O", "test".to_owned())], None, from, until);
    Signer::self_signed(&profile, SigningKey::generate(Algorithm::Es256).unwrap().into()).unwrap()
}

/// Writes a certificate of loopback by this signer, and its key.
fn write(folder: &Path, signer: &Signer) {
    let (from, until) = life();
    let mut profile = svid_profile(&"spiffe://web.example/a".parse().unwrap(), &[], from, until);
    profile.uri.clear();
    profile.ip = vec!["127.0.0.1".parse().unwrap()];
    let issued = signer.issue(&profile).unwrap();
    let key = STANDARD.encode(issued.private_key.expose());
    let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
    let files = [("tls.crt", issued.certificate_pem()), ("tls.key", key)];
    replace_files(&files.map(|(name, text)| NewFile::new(folder.join(name), text))).unwrap();
}

/// Whether the listener shows a certificate of this signer now, to a client that has no connection yet.
async fn shows(world: &World, signer: &Signer) -> bool {
    let mut request = Request::get(format!("https://{}/keys", world.public).parse().unwrap());
    request.ca_pem = Some(signer.certificate_pem().into());
    Client::new(Network::default()).send(request).await.is_ok()
}

/// Asks until it is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, asking).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"));
}

#[tokio::test]
async fn a_reload_takes_the_certificate_from_its_files() {
    let (old, new) = (signer(), signer());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &old);
    let at = |name: &str| folder.path().join(name);
    let tls = json!({ "certificate": at("tls.crt"), "key": at("tls.key"), "look_seconds": 86_400 });
    let world = World::new(json!({ "tls": tls }), &[]).await;
    assert!(shows(&world, &old).await);
    write(folder.path(), &new);
    assert!(shows(&world, &old).await, "nobody has asked for it");
    world.ask_for_reload();
    until("the new certificate", async || shows(&world, &new).await).await;
    assert!(!shows(&world, &old).await);
    world.end().await;
}

#[tokio::test]
async fn a_reload_reads_rules_of_which_no_notification_tells() {
    let world = World::new(json!({}), &["192.0.2.0/24"]).await;
    assert_eq!(world.exchange("127.0.0.1", &[]).await.status, 400);
    world.allow(&["127.0.0.0/8"]);
    assert_eq!(world.exchange("127.0.0.1", &[]).await.status, 400, "nobody has asked for it");
    world.ask_for_reload();
    until("the new rule", async || world.exchange("127.0.0.1", &[]).await.status == 200).await;
    world.end().await;
}

#[tokio::test]
async fn rules_with_a_mistake_leave_the_old_ones_and_are_told() {
    let world = World::new(json!({ "diagnostics": "127.0.0.1:0" }), &["127.0.0.0/8"]).await;
    assert_eq!(world.exchange("127.0.0.1", &[]).await.status, 200);
    assert!(world.readiness().await.contains("rules: ok"));
    world.break_rules();
    world.ask_for_reload();
    until("the mistake", async || world.readiness().await.contains("rules: degraded: ")).await;
    assert_eq!(world.exchange("127.0.0.1", &[]).await.status, 200);
    world.allow(&["192.0.2.0/24"]);
    world.ask_for_reload();
    until("the next rule", async || world.exchange("127.0.0.1", &[]).await.status == 400).await;
    until("the end of the mistake", async || world.readiness().await.contains("rules: ok")).await;
    world.end().await;
}
