//! A running service that goes by another plan, and what it tells of itself.

use std::{fs, time::Duration};

use carnet_discovery::{Discovery, DiscoveryPlan, FilesPlan, ListenPlan, Settings, Source};
use carnet_jose::Algorithm;
use carnet_net::{Client, Settings as Network};
use serde_json::Value;

use crate::{
    serve::{ask, document, plan, start, tls_listener},
    support::{authority, bundle, context, domain, get, key, until, web_pem},
};

const LOOPBACK: &str = "127.0.0.1:0";

fn plain() -> ListenPlan {
    ListenPlan::Plain(LOOPBACK.parse().unwrap())
}

fn kid(keys: &Value) -> &str {
    keys["keys"][0]["kid"].as_str().unwrap_or_default()
}

/// Another file with another key.
fn other_source(folder: &std::path::Path) -> Source {
    let path = folder.join("other.json");
    let other = bundle(&[&key(Algorithm::Es256, "other")]);
    fs::write(&path, other.to_json().unwrap().to_string()).unwrap();
    Source::File { path, trust_domain: domain() }
}

#[tokio::test]
async fn a_reload_changes_what_the_documents_say_and_where_the_keys_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(folder.path(), plain());
    let (service, shutdown) = start(&first);
    let (base, reloader) = (service.address().unwrap(), service.reloader());
    let running = tokio::spawn(service.run(shutdown.clone()));
    let keys = async || document(async || get(&format!("http://{base}/keys")).await).await;
    assert_eq!(kid(&keys().await), "one");
    let configuration = format!("http://{base}/.well-known/openid-configuration");

    let settings = Settings::of_issuer("https://other.example.org");
    reloader.reload(&DiscoveryPlan { settings: settings.clone(), ..first.clone() }).await.unwrap();
    let answer = document(async || get(&configuration).await).await;
    assert_eq!(answer["issuer"], "https://other.example.org");
    assert_eq!(kid(&keys().await), "one");

    let second = DiscoveryPlan { settings, source: other_source(folder.path()), bundle: None, ..first };
    reloader.reload(&second).await.unwrap();
    assert_eq!(kid(&keys().await), "other", "from the very next request");
    assert_eq!(get(&format!("http://{base}/bundle")).await.status, 404);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_reload_reads_the_source_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let slow = DiscoveryPlan { poll: Duration::from_hours(1), ..plan(folder.path(), plain()) };
    let (service, shutdown) = start(&slow);
    let (base, reloader) = (service.address().unwrap(), service.reloader());
    tokio::spawn(service.run(shutdown));
    let url = format!("http://{base}/keys");
    assert_eq!(kid(&document(async || get(&url).await).await), "one");
    let next = bundle(&[&key(Algorithm::Es256, "two")]);
    fs::write(folder.path().join("bundle.json"), next.to_json().unwrap().to_string()).unwrap();
    reloader.reload(&slow).await.unwrap();
    until(async || (kid(&document(async || get(&url).await).await) == "two").then_some(())).await;
}

#[tokio::test]
async fn a_reload_takes_the_certificate_from_other_files_and_from_the_same_ones() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, authority: &carnet_x509::Authority| {
        let files = [".crt", ".key"].map(|ending| folder.path().join(format!("{name}{ending}")));
        let (chain, key) = web_pem(authority);
        fs::write(&files[0], chain).unwrap();
        fs::write(&files[1], key).unwrap();
        let [certificate, private_key] = files;
        // Looked at so seldom that only a reload can be what was seen.
        tls_listener(FilesPlan { certificate, private_key, reload: Duration::from_hours(1) })
    };
    let (one, two, three) = (authority(&domain()), authority(&domain()), authority(&domain()));
    let first = plan(folder.path(), write("a", &one));
    let (service, shutdown) = start(&first);
    let (base, reloader) = (format!("https://{}", service.address().unwrap()), service.reloader());
    tokio::spawn(service.run(shutdown));
    let stranger = || Client::new(Network::default());
    assert!(ask(&stranger(), &base, &one).await.is_ok());

    let second = DiscoveryPlan { listen: write("b", &two), ..first };
    reloader.reload(&second).await.unwrap();
    assert!(ask(&stranger(), &base, &two).await.is_ok() && ask(&stranger(), &base, &one).await.is_err());

    write("b", &three);
    reloader.reload(&second).await.unwrap();
    assert!(ask(&stranger(), &base, &three).await.is_ok() && ask(&stranger(), &base, &two).await.is_err());

    fs::write(folder.path().join("b.key"), "no key").unwrap();
    let error = reloader.reload(&second).await.unwrap_err();
    assert!(carnet_core::chain(&error).join(": ").contains("TLS certificate"), "{error:?}");
    assert!(ask(&stranger(), &base, &three).await.is_ok(), "the last good one stays");
}

#[tokio::test]
async fn rejects_other_listeners_and_takes_nothing_of_that_plan() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(folder.path(), plain());
    let (service, shutdown) = start(&first);
    let (base, reloader) = (service.address().unwrap(), service.reloader());
    tokio::spawn(service.run(shutdown));
    let settings = Settings::of_issuer("https://other.example.org");
    let other = DiscoveryPlan { settings, ..first };
    let files = FilesPlan { certificate: "c".into(), private_key: "k".into(), reload: Duration::from_mins(1) };
    let address = LOOPBACK.parse().ok();
    for (field, other) in [
        ("`listen`", DiscoveryPlan { listen: ListenPlan::Plain("127.0.0.1:1".parse().unwrap()), ..other.clone() }),
        ("`listen`", DiscoveryPlan { listen: ListenPlan::Socket("/a.sock".into(), 0o600), ..other.clone() }),
        ("`listen`", DiscoveryPlan { listen: tls_listener(files), ..other.clone() }),
        ("`diagnostics`", DiscoveryPlan { diagnostics: address, ..other.clone() }),
    ] {
        let error = reloader.reload(&other).await.unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
        assert!(error.hints()[0].contains("from the next start"), "{error:?}");
    }
    let url = format!("http://{base}/.well-known/openid-configuration");
    assert_eq!(document(async || get(&url).await).await["issuer"], "https://oidc.example.org");
}

#[tokio::test]
async fn rejects_a_source_that_cannot_be_read_and_goes_on_with_the_one_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(folder.path(), plain());
    let (service, shutdown) = start(&first);
    let (base, reloader) = (service.address().unwrap(), service.reloader());
    tokio::spawn(service.run(shutdown));
    let url = format!("http://{base}/keys");
    document(async || get(&url).await).await;
    let source = Source::File { path: folder.path().join("none.json"), trust_domain: domain() };
    tokio::time::pause();
    let error = reloader.reload(&DiscoveryPlan { source, ..first }).await.unwrap_err();
    tokio::time::resume();
    assert!(error.to_string().contains("none.json"), "{error}");
    assert_eq!(kid(&document(async || get(&url).await).await), "one");
}

#[tokio::test]
async fn probes_and_prometheus_are_told_how_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, private_key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let own = authority(&domain());
    let (chain, key) = web_pem(&own);
    fs::write(&certificate, chain).unwrap();
    fs::write(&private_key, key).unwrap();
    let listen = tls_listener(FilesPlan { certificate, private_key, reload: Duration::from_mins(1) });
    let plan = DiscoveryPlan { diagnostics: LOOPBACK.parse().ok(), ..plan(folder.path(), listen) };
    let service = Discovery::bind(&plan, &context(), &Network::default()).unwrap();
    let base = format!("https://{}", service.address().unwrap());
    let (diagnostics, reloader) = (service.diagnostics_address().unwrap(), service.reloader());
    tokio::spawn(service.run(tokio_util::sync::CancellationToken::new()));
    let told = async |path: &str| {
        let answer = get(&format!("http://{diagnostics}{path}")).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.expose().to_vec()).unwrap())
    };
    let client = Client::new(Network::default());
    document(async || ask(&client, &base, &own).await.unwrap()).await;
    assert_eq!(told("/readyz").await, (200, "certificate: ok\nsource: ok\nready\n".to_owned()));
    reloader.reload(&plan).await.unwrap();
    let other = DiscoveryPlan { diagnostics: None, ..plan };
    reloader.reload(&other).await.unwrap_err();
    // One of which no plan could be made.
    reloader.refused();
    let (_, metrics) = told("/metrics").await;
    for line in [
        "carnet_discovery_requests_total{route=\"/keys\",status=\"200\"}",
        "carnet_discovery_reloads_total{outcome=\"taken\"} 1",
        "carnet_discovery_reloads_total{outcome=\"refused\"} 2",
        "carnet_discovery_jwt_authorities 1",
        "carnet_discovery_source_failing 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    for name in ["source_read_timestamp_seconds", "certificate_expires_timestamp_seconds"] {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("carnet_discovery_{name} ")));
        assert!(line.unwrap().parse::<i64>().unwrap() > 1_700_000_000, "{name}");
    }
    fs::write(folder.path().join("bundle.json"), "broken").unwrap();
    let (status, text) =
        until(async || Some(told("/readyz/source").await).filter(|told| told.1.contains("degraded"))).await;
    assert!(status == 200 && text.contains("bundle.json"), "{text}");
}
