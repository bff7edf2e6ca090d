//! The documents over HTTP.

use std::sync::Arc;

use carnet_core::{Clock, Response};
use carnet_discovery::{BundleSettings, Settings, bundle_router, document_router, router};
use carnet_jose::Algorithm;
use carnet_net::TrustedProxies;
use carnet_spiffe::Bundle;
use http::Method;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::{ask, bundle, domain, fixed_clock, get, key, listen, source};

const CONFIGURATION: &str = "/.well-known/openid-configuration";

async fn serve(settings: Settings) -> String {
    let one = bundle(&[&key(Algorithm::Es256, "a")]);
    let (address, _running) = listen(router(source(one), settings, fixed_clock()), None).await;
    format!("http://{address}")
}

fn of_issuer() -> Settings {
    Settings::of_issuer("https://oidc.example.org")
}

fn of_domains() -> Settings {
    let domains = vec!["oidc.example.org".to_owned(), "xn--bcher-kva.example".to_owned()];
    Settings { domains, ..Settings::default() }
}

fn json(answer: &Response) -> Value {
    assert_eq!(answer.status, 200);
    serde_json::from_slice(answer.body.expose()).unwrap()
}

#[tokio::test]
async fn both_documents_are_served_for_everybody_and_may_be_kept_for_a_while() {
    let base = serve(of_issuer()).await;
    for path in [CONFIGURATION, "/keys"] {
        let answer = get(&format!("{base}{path}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("last-modified"), Some("Sat, 21 Nov 2026 12:00:00 GMT"));
    }
}

#[tokio::test]
async fn head_has_the_same_head_and_no_body() {
    let base = serve(of_issuer()).await;
    for path in [CONFIGURATION, "/keys"] {
        let url = format!("{base}{path}");
        let (whole, head) = (get(&url).await, ask(Method::HEAD, &url, &[]).await);
        assert_eq!(head.status, 200);
        assert!(head.body.is_empty());
        for name in ["content-length", "content-type", "etag", "last-modified", "cache-control"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
            assert!(head.header(name).is_some(), "{name}");
        }
    }
}

#[tokio::test]
async fn who_has_the_document_already_is_told_so() {
    let base = serve(of_issuer()).await;
    for path in [CONFIGURATION, "/keys"] {
        let url = format!("{base}{path}");
        let tag = get(&url).await.header("etag").unwrap().to_owned();
        let weak = format!("\"other\", W/{tag}");
        for (name, value) in [
            ("if-none-match", tag.as_str()),
            ("if-none-match", weak.as_str()),
            ("if-none-match", "*"),
            ("if-modified-since", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ] {
            let answer = ask(Method::GET, &url, &[(name, value)]).await;
            assert_eq!(answer.status, 304, "{name}: {value}");
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        }
        for headers in [
            &[("if-none-match", "\"other\"")][..],
            &[("if-modified-since", "Sat, 21 Nov 2026 11:59:59 GMT")],
            &[("if-modified-since", "yesterday")],
            // The tag counts, and the date is not looked at (RFC 9110, 13.1.3).
            &[("if-none-match", "\"other\""), ("if-modified-since", "Sat, 21 Nov 2026 12:00:00 GMT")],
        ] {
            assert_eq!(ask(Method::GET, &url, headers).await.status, 200, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_reading_is_refused() {
    let base = serve(of_issuer()).await;
    for path in [CONFIGURATION, "/keys"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = ask(method, &format!("{base}{path}"), &[]).await;
            assert_eq!(answer.status, 405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
        let asked = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
        let preflight = ask(Method::OPTIONS, &format!("{base}{path}"), &asked).await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    }
    for path in ["/", "/keys/", "/Keys", "/.well-known/", "/.well-known/openid-configuration/", "//keys"] {
        assert_eq!(get(&format!("{base}{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_prefix_stands_before_both_paths_and_in_the_document() {
    let base = serve(Settings { path_prefix: "/a/b".to_owned(), ..of_domains() }).await;
    let host = [("host", "oidc.example.org")];
    let document = json(&ask(Method::GET, &format!("{base}/a/b{CONFIGURATION}"), &host).await);
    assert_eq!(document["issuer"], "https://oidc.example.org/a/b");
    assert_eq!(document["jwks_uri"], "https://oidc.example.org/a/b/keys");
    assert_eq!(get(&format!("{base}/a/b/keys")).await.status, 200);
    assert_eq!(get(&format!("{base}/keys")).await.status, 404);
}

#[tokio::test]
async fn the_issuer_is_made_from_the_host_that_was_named() {
    let base = serve(of_domains()).await;
    let url = format!("{base}{CONFIGURATION}");
    for (host, issuer) in [
        ("oidc.example.org", "https://oidc.example.org"),
        ("OIDC.Example.org:443", "https://oidc.example.org"),
        ("oidc.example.org:8443", "https://oidc.example.org:8443"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ] {
        let document = json(&ask(Method::GET, &url, &[("host", host)]).await);
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["jwks_uri"], format!("{issuer}/keys"));
    }
}

#[tokio::test]
async fn rejects_hosts_that_the_document_is_not_for() {
    let base = serve(of_domains()).await;
    let url = format!("{base}{CONFIGURATION}");
    for host in
        ["other.example", "oidc.example.org.evil", "a.oidc.example.org", "oidc.example.org:x", "a@oidc.example.org"]
    {
        let answer = ask(Method::GET, &url, &[("host", host)]).await;
        assert_eq!(answer.status, 400, "{host}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // The key set is the same under every name.
    assert_eq!(ask(Method::GET, &format!("{base}/keys"), &[("host", "other.example")]).await.status, 200);
    let fixed = serve(Settings { issuer: Some("https://oidc.example.org".to_owned()), ..of_domains() }).await;
    let answer = ask(Method::GET, &format!("{fixed}{CONFIGURATION}"), &[("host", "other.example")]).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn only_proxies_that_are_trusted_speak_for_clients() {
    let forwarded = [("host", "internal"), ("x-forwarded-host", "oidc.example.org"), ("x-forwarded-proto", "http")];
    let nobody = serve(of_domains()).await;
    assert_eq!(ask(Method::GET, &format!("{nobody}{CONFIGURATION}"), &forwarded).await.status, 400);
    let trusted = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Settings { trusted_proxies: TrustedProxies::parse(&texts).unwrap(), ..of_domains() }
    };
    let others = serve(trusted(&["10.0.0.0/8", "unix"])).await;
    assert_eq!(ask(Method::GET, &format!("{others}{CONFIGURATION}"), &forwarded).await.status, 400);
    let loopback = serve(trusted(&["127.0.0.1"])).await;
    let document = json(&ask(Method::GET, &format!("{loopback}{CONFIGURATION}"), &forwarded).await);
    assert_eq!(document["issuer"], "https://oidc.example.org", "plain HTTP is not allowed");
    let twice = [("x-forwarded-host", "oidc.example.org"), ("x-forwarded-host", "other.example")];
    assert_eq!(ask(Method::GET, &format!("{loopback}{CONFIGURATION}"), &twice).await.status, 400);
    let list = [("x-forwarded-host", "oidc.example.org, other.example")];
    assert_eq!(ask(Method::GET, &format!("{loopback}{CONFIGURATION}"), &list).await.status, 400);
}

#[tokio::test]
async fn urls_are_http_only_where_that_is_allowed_and_was_spoken() {
    for (allow_insecure_scheme, plain, proto, scheme) in [
        (false, true, None, "https"),
        (true, true, None, "http"),
        (true, false, None, "https"),
        (true, true, Some("https"), "https"),
        (true, false, Some("http"), "http"),
    ] {
        let trusted_proxies = TrustedProxies::parse(&["127.0.0.0/8".to_owned()]).unwrap();
        let base = serve(Settings { allow_insecure_scheme, plain, trusted_proxies, ..of_domains() }).await;
        let mut headers = vec![("host", "oidc.example.org")];
        headers.extend(proto.map(|proto| ("x-forwarded-proto", proto)));
        let document = json(&ask(Method::GET, &format!("{base}{CONFIGURATION}"), &headers).await);
        assert_eq!(document["issuer"], format!("{scheme}://oidc.example.org"));
    }
}

#[tokio::test]
async fn there_is_nothing_before_the_first_bundle_and_then_what_was_good_last() {
    let (sender, receiver) = watch::channel(None);
    let clock = fixed_clock();
    let (first, second) = (key(Algorithm::Es256, "a"), key(Algorithm::Es256, "b"));
    let settings = Settings { max_keys: 1, ..of_issuer() };
    let (address, _running) = listen(router(receiver, settings, Arc::clone(&clock) as Arc<dyn Clock>), None).await;
    let url = format!("http://{address}/keys");
    let early = get(&url).await;
    assert_eq!((early.status.as_u16(), early.header("cache-control")), (503, Some("no-store")));
    assert_eq!(get(&format!("http://{address}{CONFIGURATION}")).await.status, 503);

    sender.send_replace(Some(bundle(&[&first]).shared()));
    let kid = |answer: &Response| json(answer)["keys"][0]["kid"].as_str().unwrap().to_owned();
    let one = get(&url).await;
    assert_eq!(kid(&one), "a");

    clock.advance(SignedDuration::from_mins(1));
    sender.send_replace(Some(bundle(&[&first, &second]).shared()));
    assert_eq!(kid(&get(&url).await), "a", "two keys are too many here");

    // The same keys again are the same document, of the same time.
    sender.send_replace(Some(bundle(&[&first]).shared()));
    assert_eq!(get(&url).await.header("last-modified"), one.header("last-modified"));

    sender.send_replace(Some(bundle(&[&second]).shared()));
    let two = get(&url).await;
    assert_eq!((kid(&two).as_str(), two.header("last-modified")), ("b", Some("Sat, 21 Nov 2026 12:01:00 GMT")));
    assert_ne!(two.header("etag"), one.header("etag"));

    sender.send_replace(Some(Bundle::empty(domain()).shared()));
    assert_eq!(json(&get(&url).await)["keys"], serde_json::json!([]), "everything was revoked");
}

#[tokio::test]
async fn the_bundle_endpoint_gives_what_peers_read() {
    let key = key(Algorithm::Es256, "a");
    let authority = crate::support::authority(&domain());
    let one = Bundle { x509_authorities: vec![authority.certificate().to_vec()], sequence: Some(7), ..bundle(&[&key]) };
    let (address, _running) =
        listen(bundle_router(source(one.clone()), BundleSettings::default(), fixed_clock()), None).await;
    let url = format!("http://{address}/");
    let answer = get(&url).await;
    let document = json(&answer);
    assert_eq!((&document["spiffe_sequence"], &document["spiffe_refresh_hint"]), (&7.into(), &300.into()));
    let read = Bundle::parse(&domain(), answer.body.expose()).unwrap();
    assert_eq!(read.x509_authorities, one.x509_authorities);
    assert_eq!(read.jwt_authority("a").unwrap().to_spki(), key.public_spki());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=30"));
    let head = ask(Method::HEAD, &url, &[]).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, answer.header("content-length")));
    assert_eq!(ask(Method::GET, &url, &[("if-none-match", answer.header("etag").unwrap())]).await.status, 304);
    assert_eq!(ask(Method::POST, &url, &[]).await.status, 405);
    assert_eq!(get(&format!("{url}other")).await.status, 404);
}

#[tokio::test]
async fn the_bundle_is_where_it_was_put_with_its_own_hint() {
    let settings = BundleSettings { path: "/bundle".to_owned(), ..BundleSettings::default() };
    let own = Bundle { refresh_hint: Some(SignedDuration::from_secs(60)), ..bundle(&[]) };
    let (address, _running) = listen(bundle_router(source(own), settings, fixed_clock()), None).await;
    assert_eq!(json(&get(&format!("http://{address}/bundle")).await)["spiffe_refresh_hint"], 60);
    assert_eq!(get(&format!("http://{address}/")).await.status, 404);
}

#[tokio::test]
async fn another_document_is_served_as_these_are() {
    let paths = ["/.well-known/other".to_owned(), "/.well-known/other/below".to_owned()];
    let (sender, content) = watch::channel(serde_json::json!({ "a": 1 }));
    let (max_age, clock) = (std::time::Duration::from_mins(1), fixed_clock());
    let router = document_router(&paths, move || content.borrow().clone(), max_age, clock.clone());
    let (address, _running) = listen(router, None).await;
    let mut tags = Vec::new();
    for path in &paths {
        let url = format!("http://{address}{path}");
        let whole = get(&url).await;
        assert_eq!(json(&whole), serde_json::json!({ "a": 1 }));
        assert_eq!(whole.header("cache-control"), Some("public, max-age=60"));
        assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
        let head = ask(Method::HEAD, &url, &[]).await;
        assert!(head.status == 200 && head.body.is_empty());
        let tag = whole.header("etag").unwrap().to_owned();
        assert_eq!(head.header("etag"), Some(tag.as_str()));
        assert_eq!(ask(Method::GET, &url, &[("if-none-match", &tag)]).await.status, 304);
        assert_eq!(ask(Method::POST, &url, &[]).await.status, 405);
        tags.push(tag);
    }
    clock.advance(SignedDuration::from_secs(60));
    sender.send_replace(serde_json::json!({ "a": 2 }));
    let url = format!("http://{address}{}", paths[0]);
    let answer = ask(Method::GET, &url, &[("if-none-match", &tags[0])]).await;
    assert_eq!(json(&answer), serde_json::json!({ "a": 2 }));
    assert_eq!(answer.header("last-modified"), Some("Sat, 21 Nov 2026 12:01:00 GMT"));
}
