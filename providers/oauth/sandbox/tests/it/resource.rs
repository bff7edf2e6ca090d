//! What each party gave opens its own resource, and nothing else does.

use std::collections::BTreeMap;

use carnet_oauth_sandbox::seed::{self, Who};

use crate::{
    support::{Sandbox, opened},
    wire::WIRES,
};

#[tokio::test]
async fn a_resource_says_whose_token_it_is() {
    let sandbox = Sandbox::new();
    for wire in WIRES.iter().filter(|wire| wire.resource.is_some()) {
        let token = sandbox.given(wire.party).await;
        let reply = sandbox.visit(wire.party, &token).await;
        opened(wire.party, &reply);
    }
}

#[tokio::test]
async fn rejects_unknown_tokens_and_those_of_others() {
    let sandbox = Sandbox::new();
    let (claude, openai) = (sandbox.given("claude").await, sandbox.given("openai").await);
    for wire in WIRES.iter().filter(|wire| wire.resource.is_some()) {
        let other = if wire.party == "claude" { &openai } else { &claude };
        for token in ["", "x", other.as_str()] {
            let reply = sandbox.visit(wire.party, token).await;
            let status = wire.resource.unwrap().stranger;
            assert_eq!(reply.status, status, "{}: {}", wire.party, reply.text);
            assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401, "{}", wire.party);
        }
    }
}

#[tokio::test]
async fn rejects_tokens_that_have_ended() {
    let sandbox = Sandbox::new();
    let token = sandbox.given("openrouter").await;
    sandbox.advance(299);
    assert_eq!(sandbox.visit("openrouter", &token).await.status, 200);
    sandbox.advance(1);
    assert_eq!(sandbox.visit("openrouter", &token).await.status, 401);
}

#[tokio::test]
async fn rejects_other_users_and_forms() {
    let sandbox = Sandbox::new();
    let token = sandbox.given("pypi").await;
    for value in [format!("Bearer {token}"), "Basic x".to_owned(), "Basic eDp5".to_owned()] {
        let headers = BTreeMap::from([("authorization", value)]);
        assert_eq!(sandbox.send("oauth-pypi", "POST", "/legacy/", &headers, String::new()).await.status, 403);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_told_in_the_partys_form() {
    let sandbox = Sandbox::new();
    for wire in WIRES {
        let none = sandbox.send(wire.service, "GET", "/nothing/of/this/name", &BTreeMap::new(), String::new()).await;
        assert_eq!(none.status, 404, "{}: {}", wire.party, none.text);
        let (path, _) = wire.target(&seed::members(wire.party, Who::Job));
        let other = sandbox.send(wire.service, "DELETE", &path, &BTreeMap::new(), String::new()).await;
        assert_eq!(other.status, 405, "{}: {}", wire.party, other.text);
        assert!(none.json().is_object() && other.json().is_object());
    }
}
