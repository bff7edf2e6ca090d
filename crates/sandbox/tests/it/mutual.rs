//! Certificates that clients show.

use std::sync::Arc;

use carnet_core::{HttpSend, MapEnvironment, SecretBytes, X509Identity};
use carnet_jose::Algorithm;
use carnet_net::{Client, Settings};
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Stage, start};

/// Of an authority that nobody has heard of: what it is worth is for the service to say.
fn identity(uri: &str) -> Arc<X509Identity> {
    let (from, until) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
    let profile = LeafProfile {
        subject: Vec::new(),
        dns: Vec::new(),
        ip: Vec::new(),
        uri: vec![uri.to_owned()],
        server: false,
        client: true,
        not_before: from,
        not_after: until,
        key: Algorithm::Es256,
    };
    let issued = Authority::root("stranger", Algorithm::Es256, from, until).unwrap().issue(&profile).unwrap();
    let private_key = SecretBytes::new(issued.private_key.expose());
    Arc::new(X509Identity { chain: vec![issued.certificate], private_key, bundle: Vec::new() })
}

/// What the service sees of who comes to this URL, with the proxy or without.
async fn seen(stage: &Stage, proxied: bool, url: &str, identity: Option<&Arc<X509Identity>>) -> String {
    let proxy = stage.proxy_url().as_str();
    let environment = MapEnvironment::of(&[("https_proxy", proxy)]);
    let settings = if proxied { Settings::from_environment(&environment) } else { Settings::default() };
    let mut request = stage.request(url);
    request.identity = identity.cloned();
    Client::new(settings).send(request).await.unwrap().text().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_sees_what_tls_has_shown() {
    let stage = start().await;
    let own = stage.urls()["test-token"].tls.join("shown").unwrap();
    for (proxied, url) in [(false, own.as_str()), (true, "https://auth.us-ashburn-1.example.com/shown")] {
        for uri in ["spiffe://example.org/a", "spiffe://example.org/b"] {
            assert_eq!(seen(&stage, proxied, url, Some(&identity(uri))).await, uri);
        }
        assert_eq!(seen(&stage, proxied, url, None).await, "nobody", "a certificate is not needed");
    }
}

#[tokio::test]
async fn the_emulators_own_client_shows_its_certificate_as_well() {
    let stage = start().await;
    let request = stage.request("https://keys.example.com/shown");
    let shown = |request| async { stage.http().send(request).await.unwrap().text().unwrap().to_owned() };
    assert_eq!(shown(request.clone().identity(identity("spiffe://example.org/a"))).await, "spiffe://example.org/a");
    assert_eq!(shown(request).await, "nobody");
}
