//! Uses that are counted: none lost, and none too many.

use std::sync::Arc;

use carnet_issuer::IssuerSettings;
use carnet_store::{Options, open};
use serde_json::json;

use crate::{
    introspection::{look_up, lookup_rule},
    world::{AUDIENCE, World, rule_with},
};

const USES: usize = 100;
const CLIENTS: usize = 32;
const EACH: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_clients_of_two_nodes_as_many_are_answered_as_there_are_uses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&format!("sqlite:{}", folder.path().join("store").display()), Options::default()).await.unwrap();
    let files = Arc::<carnet_core::MemoryFiles>::default();
    let rules = || vec![rule_with(json!({ "uses": USES })), lookup_rule(json!([AUDIENCE]))];
    let node =
        async || World::over(Arc::clone(&store), Arc::clone(&files), rules(), &[], IssuerSettings::default()).await;
    let nodes = [Arc::new(node().await), Arc::new(node().await)];
    let token = nodes[0].access_token().await;
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (world, token) = (Arc::clone(&nodes[client % 2]), token.clone());
        tasks.spawn(async move {
            let mut active = 0;
            for _ in 0..EACH {
                active += usize::from(look_up(&world, &token, &[]).await.json()["active"] == true);
            }
            active
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), USES);
}
