//! What a party gave for one thing is good for that and not for its neighbour, in the party's own words.

use std::collections::BTreeMap;

use carnet_oauth_sandbox::seed::{HCP_PROJECT, INFISICAL_NEIGHBOUR, NEIGHBOUR};

use crate::{
    support::{Reply, Sandbox},
    wire::{Resource, publication, wire},
};

/// Visits the party's resource, bent, with a token that opens it as it was.
async fn refused(party: &str, bend: impl FnOnce(&mut Resource)) -> Reply {
    let sandbox = Sandbox::new();
    let token = sandbox.given(party).await;
    let good = sandbox.visit(party, &token).await;
    assert_eq!(good.status, 200, "{}", good.text);
    let before = sandbox.world.decisions.count();
    let mut resource = wire(party).resource.unwrap();
    bend(&mut resource);
    let reply = sandbox.visit_at(wire(party).service, resource, &token).await;
    let told = format!("{:?}", sandbox.world.decisions.since(before));
    assert!(told.contains("Refuse") && !told.contains(&token), "{party}: the operator is told: {told}");
    assert!(!reply.text.contains(&token), "{party}: it quotes the token");
    reply
}

fn says(reply: &Reply, place: &str) -> String {
    let body = reply.json();
    body.pointer(place).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

#[tokio::test]
async fn rejects_another_package_at_npm() {
    let reply = refused("npm", |resource| resource.path = "/@carnet-sandbox%2fneighbour").await;
    assert_eq!((reply.status, says(&reply, "/error").as_str()), (404, "Not found"));
}

#[tokio::test]
async fn rejects_another_project_at_pypi() {
    let reply = refused("pypi", |resource| resource.names = "neighbour").await;
    let words = "403 Invalid API Token: OIDC scoped token is not valid for project 'neighbour'";
    assert_eq!((reply.status, says(&reply, "/code").as_str()), (403, words));
}

#[tokio::test]
async fn rejects_an_upload_without_a_name_at_pypi() {
    let reply = refused("pypi", |resource| resource.sends = Some(("text/plain", str::to_owned))).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
}

#[tokio::test]
async fn rejects_another_crate_at_crates_io() {
    let reply = refused("crates-io", |resource| resource.names = NEIGHBOUR).await;
    let words = format!("The provided access token is not valid for crate `{NEIGHBOUR}`");
    assert_eq!((reply.status, says(&reply, "/errors/0/detail")), (403, words));
}

#[tokio::test]
async fn rejects_a_new_crate_at_crates_io() {
    let reply = refused("crates-io", |resource| resource.names = "new").await;
    assert_eq!(reply.status, 403);
    assert!(says(&reply, "/errors/0/detail").contains("do not support creating new crates"), "{}", reply.text);
}

#[tokio::test]
async fn rejects_a_version_that_is_there_at_crates_io() {
    let reply = refused("crates-io", |_| ()).await;
    assert_eq!((reply.status, says(&reply, "/errors/0/detail").contains("already uploaded")), (400, true));
}

#[tokio::test]
async fn rejects_what_is_no_crate_at_crates_io() {
    let cut = |name: &str| publication(name).trim_end_matches('e').to_owned();
    let reply = refused("crates-io", |resource| resource.sends = Some(("application/octet-stream", cut))).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
}

#[tokio::test]
async fn rejects_another_repository_at_github() {
    let reply = refused("octo-sts", |resource| resource.path = "/repos/carnet-sandbox/neighbour").await;
    assert_eq!((reply.status, says(&reply, "/message").as_str()), (404, "Not Found"));
}

#[tokio::test]
async fn rejects_another_project_at_infisical() {
    let at = "/api/v3/secrets/raw?environment=dev&workspaceId=c0ffee00-0000-4000-8000-0000000000f1";
    assert!(at.ends_with(INFISICAL_NEIGHBOUR));
    let reply = refused("infisical", |resource| resource.path = at).await;
    assert_eq!((reply.status, says(&reply, "/error").as_str()), (403, "ProjectMembershipNotFound"));
}

#[tokio::test]
async fn rejects_a_project_that_is_not_there_at_infisical() {
    for (path, status) in [("/api/v4/secrets?projectId=x", 404), ("/api/v4/secrets", 422)] {
        let reply = refused("infisical", |resource| resource.path = path).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
}

#[tokio::test]
async fn rejects_another_project_at_hcp() {
    let at = "/resource-manager/2019-12-10/projects/c0ffee00-0000-4000-8000-0000000000cd";
    let reply = refused("hcp", |resource| resource.path = at).await;
    assert_eq!((reply.status, says(&reply, "/code").as_str()), (403, "7"));
}

#[tokio::test]
async fn accepts_what_is_ones_own() {
    let sandbox = Sandbox::new();
    let own = format!("/resource-manager/2019-12-10/projects/{HCP_PROJECT}");
    for (party, path) in [("hcp", own.as_str()), ("octo-sts", "/repos/Carnet-Sandbox/app")] {
        let token = sandbox.given(party).await;
        let headers = BTreeMap::from([("authorization", format!("Bearer {token}"))]);
        let reply = sandbox.send(wire(party).service, "GET", path, &headers, String::new()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

#[tokio::test]
async fn what_was_published_is_in_the_index_of_crates_io() {
    let sandbox = Sandbox::new();
    let index = async || {
        sandbox.send("oauth-crates-io", "GET", "/ca/rn/carnet-sandbox", &BTreeMap::new(), String::new()).await.text
    };
    assert_eq!(index().await.lines().count(), 1);
    let token = sandbox.given("crates-io").await;
    assert_eq!(sandbox.visit("crates-io", &token).await.status, 200);
    let (_, line) = index().await.trim_end().rsplit_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["name"], &line["vers"]), (&"carnet-sandbox".into(), &"0.2.0".into()));
    let none = sandbox.send("oauth-crates-io", "GET", "/no/ne/none", &BTreeMap::new(), String::new()).await;
    assert_eq!(none.status, 404);
}
