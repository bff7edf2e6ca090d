//! The metadata of RFC 8414: validators, methods, paths.

use serde_json::{Value, json};

use super::world::{Answer, World};

const PATH: &str = "/.well-known/oauth-authorization-server";

async fn ask(world: &World, method: &str, path: &str, lines: &[String]) -> Answer {
    world.ask("127.0.0.1", &format!("{method} {path}"), lines, "").await
}

#[tokio::test]
async fn the_metadata_is_told_apart_by_its_etag() {
    let world = World::new(json!({}), &[]).await;
    let whole = ask(&world, "GET", PATH, &[]).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert_eq!(whole.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
    let document: Value = serde_json::from_str(&whole.body).unwrap();
    assert_eq!(document["issuer"], "https://authority.example");
    assert_eq!(document["token_endpoint"], "https://authority.example/oauth2/token");

    let tag = whole.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = ask(&world, "GET", PATH, &[format!("if-none-match: {known}")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}: {answer:?}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()), "{answer:?}");
        assert_eq!(answer.header("cache-control"), whole.header("cache-control"), "{answer:?}");
    }
    let answer = ask(&world, "GET", PATH, &["if-none-match: \"other\"".to_owned()]).await;
    assert_eq!((answer.status, &answer.body), (200, &whole.body));
    world.end().await;
}

#[tokio::test]
async fn head_has_the_same_headers_and_no_body() {
    let world = World::new(json!({}), &[]).await;
    let (whole, head) = (ask(&world, "GET", PATH, &[]).await, ask(&world, "HEAD", PATH, &[]).await);
    assert_eq!((head.status, head.body.as_str()), (200, ""), "{head:?}");
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{head:?}");
    for name in ["etag", "content-type", "cache-control", "last-modified"] {
        assert!(whole.header(name).is_some(), "{name}: {whole:?}");
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    let tag = whole.header("etag").unwrap();
    let known = ask(&world, "HEAD", PATH, &[format!("if-none-match: {tag}")]).await;
    assert_eq!((known.status, known.body.as_str()), (304, ""), "{known:?}");
    world.end().await;
}

#[tokio::test]
async fn rejects_other_methods_and_says_which_there_are() {
    let world = World::new(json!({}), &[]).await;
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(&world, method, PATH, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{answer:?}");
    }
    world.end().await;
}

/// RFC 8414, 3.1: the path of the issuer comes after the well-known one.
#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_below_it_as_well() {
    let world = World::of("https://authority.example/tenant/a", json!({}), &[]).await;
    let (below, bare) = (format!("{PATH}/tenant/a"), PATH);
    let answer = ask(&world, "GET", &below, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["issuer"], "https://authority.example/tenant/a");
    let same = ask(&world, "GET", bare, &[]).await;
    assert_eq!((same.header("etag"), &same.body), (answer.header("etag"), &answer.body));
    assert_eq!(ask(&world, "GET", &format!("{PATH}/tenant/b"), &[]).await.status, 404);
    world.end().await;
}
