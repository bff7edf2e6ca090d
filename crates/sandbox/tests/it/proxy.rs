//! Real host names through the proxy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use carnet_core::HttpErrorKind;
use carnet_sandbox::{Host, Options, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{Stage, start, start_with};

/// Sends bytes to the proxy and reads until the text is there or the connection ends.
async fn converse(stream: &mut TcpStream, bytes: &str, until: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(until) {
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn dial(stage: &Stage) -> TcpStream {
    TcpStream::connect(("127.0.0.1", stage.proxy_url().port().unwrap())).await.unwrap()
}

#[tokio::test]
async fn https_under_a_real_name() {
    let stage = start().await;
    let answer = stage.proxied("https://auth.us-ashburn-1.example.com/v1/x%2Fy?z").await.unwrap();
    let text = answer.text().unwrap();
    assert!(text.starts_with("test-token GET /v1/x%2Fy?z auth.us-ashburn-1.example.com "), "{text}");
}

#[tokio::test]
async fn a_guest_answers_under_its_own_name_to_clients_and_emulators() {
    let router = axum::Router::new().route("/keys", axum::routing::get(|| async { "the guest's keys" }));
    let guest = Service::new("guest", [Host::Exact("issuer.demo.test")], router);
    let stage = start_with(Options { guests: vec![guest], ..Options::default() }).await;
    let answer = stage.proxied("https://issuer.demo.test/keys").await.unwrap();
    assert_eq!(answer.text(), Some("the guest's keys"));
    let url = "https://issuer.demo.test/keys".parse().unwrap();
    let answer = stage.http().send(carnet_core::Request::get(url)).await.unwrap();
    assert_eq!(answer.text(), Some("the guest's keys"));
    let other = "https://other.demo.test/keys".parse().unwrap();
    stage.http().send(carnet_core::Request::get(other)).await.unwrap_err();
}

#[tokio::test]
async fn http_under_a_real_name_in_absolute_form() {
    let stage = start().await;
    for (url, expected) in [
        ("http://169.254.169.254/opc/v2/instance/", "oci-imds GET /opc/v2/instance/ 169.254.169.254 "),
        ("http://[fd00:c1::a9fe:a9fe]/opc/v2/", "oci-imds GET /opc/v2/ [fd00:c1::a9fe:a9fe] "),
        ("http://169.254.169.254/computeMetadata/v1/", "gcp-metadata GET /computeMetadata/v1/ 169.254.169.254 "),
        ("http://metadata.google.internal/", "gcp-metadata GET / metadata.google.internal "),
    ] {
        let answer = stage.proxied(url).await.unwrap();
        assert!(answer.text().unwrap().starts_with(expected), "{url}: {:?}", answer.text());
    }
}

#[tokio::test]
async fn the_host_of_an_absolute_target_replaces_the_one_sent_along() {
    let stage = start().await;
    let mut stream = dial(&stage).await;
    let get = "GET http://169.254.169.254/opc/v2/ HTTP/1.1\r\nHost: somebody.else\r\n\r\n";
    let answer = converse(&mut stream, get, "Z").await;
    assert!(answer.contains("oci-imds GET /opc/v2/ 169.254.169.254 "), "{answer}");
}

#[tokio::test]
async fn the_host_of_an_absolute_target_is_named_without_its_user() {
    // RFC 9110, 7.2: `Host` is host and port, nothing else of the authority.
    let stage = start().await;
    for (authority, host) in [
        ("user:word@169.254.169.254", "169.254.169.254"),
        ("user@169.254.169.254:8080", "169.254.169.254:8080"),
        ("user:word@[fd00:c1::a9fe:a9fe]:8080", "[fd00:c1::a9fe:a9fe]:8080"),
    ] {
        let get = format!("GET http://{authority}/opc/v2/ HTTP/1.1\r\nHost: somebody.else\r\n\r\n");
        let answer = converse(&mut dial(&stage).await, &get, "Z").await;
        assert!(answer.contains(&format!("oci-imds GET /opc/v2/ {host} ")), "{authority}: {answer}");
    }
}

#[tokio::test]
async fn plain_http_inside_a_tunnel() {
    // As Node's google-auth-library does.
    let stage = start().await;
    let mut stream = dial(&stage).await;
    let connect = "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n";
    assert!(converse(&mut stream, connect, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    let get = "GET /computeMetadata/v1/instance HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n";
    let answer = converse(&mut stream, get, "Z").await;
    assert!(answer.contains("gcp-metadata GET /computeMetadata/v1/instance 169.254.169.254"), "{answer}");
}

#[tokio::test]
async fn the_sandboxs_own_loopback_ports_through_the_proxy() {
    let stage = start().await;
    let urls = &stage.urls()["test-token"];
    let mut stream = dial(&stage).await;
    let get = format!("GET {}/x HTTP/1.1\r\nHost: x\r\n\r\n", urls.plain_origin());
    assert!(converse(&mut stream, &get, "Z").await.contains("test-token GET /x"));
}

#[tokio::test]
async fn other_hosts_are_refused_and_nothing_is_dialled() {
    let stage = start().await;
    let bystander = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = bystander.local_addr().unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&visits);
    tokio::spawn(async move {
        while bystander.accept().await.is_ok() {
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    for host in [address.to_string(), format!("localhost:{}", address.port()), "example.org:443".to_owned()] {
        let connect = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let absolute = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for request in [connect, absolute] {
            let answer = converse(&mut dial(&stage).await, &request, "never forwards").await;
            assert!(answer.starts_with("HTTP/1.1 502") && answer.contains(&host), "{answer}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    assert_eq!(stage.refused_hosts().len(), 3);
}

#[tokio::test]
async fn a_client_of_a_refused_host_gets_a_clear_error() {
    let stage = start().await;
    let error = stage.proxied("https://example.org/").await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
    assert!(carnet_core::chain(&error).join(": ").contains("502"));
}

#[tokio::test]
async fn a_host_header_does_not_choose_the_service_in_a_tunnel() {
    let stage = start().await;
    let mut stream = dial(&stage).await;
    converse(&mut stream, "CONNECT keys.example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").await;
    let answer = converse(&mut stream, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "Z").await;
    assert!(answer.contains("test-keys GET / example.org"), "{answer}");
}

#[tokio::test]
async fn tls_for_a_name_that_no_service_claims_is_refused() {
    // A tunnel to a claimed host, and inside it another name: there is no certificate for that.
    let stage = start().await;
    let port = stage.urls()["test-keys"].tls.port().unwrap();
    let mut request = stage.request(&format!("https://unclaimed.localhost:{port}/"));
    request.timeout = Duration::from_secs(5);
    assert!(stage.direct(request.url.as_str()).await.is_err());
}

#[tokio::test]
async fn what_is_not_a_proxy_request_is_told_so() {
    let stage = start().await;
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT nothing HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let answer = converse(&mut dial(&stage).await, request, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[tokio::test]
async fn faults_reach_clients_of_the_proxy() {
    let stage = start().await;
    stage.add_fault(carnet_sandbox::Fault::new(carnet_sandbox::FaultKind::Unavailable)).unwrap();
    let answer = stage.proxied("https://auth.x.example.com/").await.unwrap();
    assert_eq!(answer.status.as_u16(), 503);
}

#[tokio::test]
async fn a_request_that_hangs_in_a_tunnel_does_not_hold_the_end() {
    let stage = start().await;
    stage.add_fault(carnet_sandbox::Fault::new(carnet_sandbox::FaultKind::Hang)).unwrap();
    let mut stream = dial(&stage).await;
    converse(&mut stream, "CONNECT keys.example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: keys.example.com\r\n\r\n").await.unwrap();
    let silent = dial(&stage).await;
    tokio::time::timeout(Duration::from_secs(5), stage.sandbox.stop()).await.unwrap();
    drop(silent);
}
