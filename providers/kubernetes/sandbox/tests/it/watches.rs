//! Watches, what they miss, and lists in pages.

use serde_json::{Value, json};

use crate::support::Clusters;

const MAPS: &str = "/api/v1/namespaces/example/configmaps";

async fn make(clusters: &Clusters, name: &str) -> String {
    let (status, made) = clusters.admin("dev", "POST", MAPS, json!({"metadata": {"name": name}})).await;
    assert_eq!(status, 201, "{made}");
    made["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

fn told(what: &str, name: &str) -> (String, String) {
    (what.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_tells_what_came_after_the_version_it_knows() {
    let clusters = Clusters::new();
    make(&clusters, "before").await;
    let version = make(&clusters, "known").await;
    make(&clusters, "after").await;
    let mut watch = clusters.watch(&format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    assert_eq!(watch.told().await, told("ADDED", "after"));
    let patch = json!({"data": {"a": "b"}});
    clusters.patch(&format!("{MAPS}/known"), "application/merge-patch+json", patch).await;
    assert_eq!(watch.told().await, told("MODIFIED", "known"));
    clusters.admin("dev", "DELETE", &format!("{MAPS}/before"), Value::Null).await;
    assert_eq!(watch.told().await, told("DELETED", "before"));
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let clusters = Clusters::new();
    make(&clusters, "there").await;
    let mut watch = clusters.watch(&format!("{MAPS}?watch=true")).await;
    assert_eq!(watch.told().await, told("ADDED", "there"));
}

#[tokio::test]
async fn bookmarks_tell_the_version_while_others_change() {
    let clusters = Clusters::new();
    let version = make(&clusters, "known").await;
    let path = format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={version}");
    let mut watch = clusters.watch(&path).await;
    clusters.admin("dev", "POST", "/api/v1/namespaces", json!({"metadata": {"name": "other"}})).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    let seen: u64 = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(seen > version.parse().unwrap());
}

#[tokio::test]
async fn rejects_a_watch_from_what_is_forgotten_and_ends_one_that_falls_behind() {
    let clusters = Clusters::new();
    let version = make(&clusters, "known").await;
    let path = format!("{MAPS}?watch=1&resourceVersion={version}");
    let mut watch = clusters.watch(&path).await;
    make(&clusters, "missed").await;
    clusters.emulator.compact("dev");
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.next().await, None);
    let (status, answer) = clusters.admin("dev", "GET", &path, Value::Null).await;
    assert_eq!((status, &answer["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn a_server_that_is_started_again_ends_its_watches_and_keeps_its_objects() {
    let clusters = Clusters::new();
    let version = make(&clusters, "known").await;
    let mut watch = clusters.watch(&format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    clusters.emulator.restart("dev");
    assert_eq!(watch.next().await, None);
    assert_eq!(clusters.admin("dev", "GET", &format!("{MAPS}/known"), Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_list_comes_in_pages_until_its_version_is_forgotten() {
    let clusters = Clusters::new();
    for name in ["a", "b", "c"] {
        make(&clusters, name).await;
    }
    let (_, first) = clusters.admin("dev", "GET", &format!("{MAPS}?limit=2"), Value::Null).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let next = first["metadata"]["continue"].as_str().unwrap();
    let (_, last) = clusters.admin("dev", "GET", &format!("{MAPS}?limit=2&continue={next}"), Value::Null).await;
    assert_eq!(last["items"][0]["metadata"]["name"], "c");
    assert_eq!(last["metadata"]["continue"], Value::Null);
    make(&clusters, "d").await;
    clusters.emulator.compact("dev");
    let (status, _) = clusters.admin("dev", "GET", &format!("{MAPS}?limit=2&continue={next}"), Value::Null).await;
    assert_eq!(status, 410);
}
