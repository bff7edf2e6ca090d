//! Proofs for an ACME authority in the handshake.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use axum::{Router, routing::get as on_get};
use carnet_core::{Clock as _, HttpSend as _, SystemClock};
use carnet_jose::{Algorithm, SigningKey};
use carnet_net::{ChallengeSource, ClientCertificates, TlsCertificate, TlsServerConfig};
use carnet_x509::{Authority, Certificate, acme_certificate, pem_to_der};
use jiff::SignedDuration;

use crate::support::{authority, client, get, leaf, listen};

const NAME: &str = "oidc.example.org";

fn usual(authority: &Authority) -> TlsCertificate {
    let issued = authority.issue(&leaf(&["localhost", NAME], &[])).unwrap();
    TlsCertificate::from_der(&[issued.certificate], &issued.private_key).unwrap()
}

fn proof() -> TlsCertificate {
    let (now, hour) = (SystemClock.now(), SignedDuration::from_hours(1));
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let der = acme_certificate(NAME, &[7; 32], Arc::clone(&key), now - hour, now + hour).unwrap();
    TlsCertificate::acme_proof(der, &key.to_pkcs8().unwrap()).unwrap()
}

/// A server with its own certificate, and a proof for one name.
async fn server(authority: &Authority) -> u16 {
    let (usual, proof) = (usual(authority), proof());
    let challenges: ChallengeSource = Arc::new(move |name| (name == NAME).then(|| proof.clone()));
    let config = TlsServerConfig::new(Arc::new(move || Some(usual.clone())), ClientCertificates::None).unwrap();
    let router = Router::new().route("/", on_get(|| async { "hello" }));
    let (address, _stop) = listen(router, Some(Arc::new(config.with_challenges(challenges)))).await;
    address.port()
}

/// What OpenSSL sees that offers these protocols and asks for this name: the leaf, if any, and all it says. `wait`: it leaves when
/// the server ends the connection, and not when its own input ends.
async fn handshake(port: u16, name: Option<&str>, offer: &str, wait: bool) -> (Option<Certificate>, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-alpn", offer]);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    if wait {
        command.arg("-ign_eof");
    }
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let leaf = pem_to_der(text.as_bytes()).ok().and_then(|found| Certificate::from_der(found.first()?).ok());
    (leaf, text)
}

#[tokio::test]
async fn a_client_that_offers_the_protocol_alone_is_shown_the_proof_and_the_connection_ends() {
    let port = server(&authority()).await;
    for name in [NAME, "OIDC.example.ORG"] {
        let (leaf, text) = handshake(port, Some(name), "acme-tls/1", true).await;
        assert_eq!(leaf.unwrap().dns_names(), [NAME]);
        assert!(text.contains("ALPN protocol: acme-tls/1"), "{text}");
        // OpenSSL was told to wait for the end of the connection and not of its input: it comes from the server.
        assert!(text.contains("closed"), "{text}");
    }
}

#[tokio::test]
async fn rejects_the_protocol_for_a_name_without_a_proof() {
    let port = server(&authority()).await;
    for name in [Some("other.example.org"), Some("localhost"), None] {
        let (leaf, text) = handshake(port, name, "acme-tls/1", false).await;
        assert!(leaf.is_none() && text.contains("no application protocol"), "{name:?}: {text}");
    }
}

#[tokio::test]
async fn rejects_to_show_the_proof_to_who_offers_more() {
    let authority = authority();
    let port = server(&authority).await;
    for offer in ["acme-tls/1,http/1.1", "http/1.1,acme-tls/1"] {
        let (leaf, text) = handshake(port, Some(NAME), offer, false).await;
        assert_eq!(leaf.unwrap().dns_names(), ["localhost", NAME], "{offer}");
        assert!(text.contains("ALPN protocol: http/1.1"), "{text}");
    }
    let (leaf, text) = handshake(port, Some(NAME), "acme-tls/1,other", false).await;
    assert!(leaf.is_none() && text.contains("no application protocol"), "{text}");
    let (leaf, text) = handshake(port, Some(NAME), "acme-tls/2", false).await;
    assert!(leaf.is_none() && text.contains("no application protocol"), "{text}");
}

#[tokio::test]
async fn other_clients_notice_nothing() {
    let authority = authority();
    let port = server(&authority).await;
    let mut request = get(&format!("https://localhost:{port}/"));
    request.ca_pem = Some(authority.certificate_pem().into());
    assert_eq!(client().send(request).await.unwrap().text(), Some("hello"));
}
