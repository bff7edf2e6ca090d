//! The document is what the server does.

use std::collections::BTreeSet;

use carnet_authority::admin::document;
use serde_json::{Value, json};

use super::{
    schema::mistakes,
    world::{AUTHORITY, Answer, World, admin_rule, entry, segment},
};

const CHECKED_IN: &str = include_str!("../../../openapi.json");

/// Calls of routes, each as the document names it, and whether its answer is as the document says.
struct Tour {
    world: World,
    document: Value,
    seen: BTreeSet<String>,
}

impl Tour {
    async fn call(
        &mut self,
        method: &str,
        route: &str,
        name: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = match route.find('{') {
            None => format!("{route}{name}"),
            Some(from) => {
                let to = route.find('}').unwrap();
                format!("{}{}{}", &route[..from], segment(name), &route[to + 1..])
            }
        };
        if let Some(body) = &body {
            let schema = &self.operation(method, route)["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(mistakes(&self.document, schema, body), [""; 0], "the body of {method} {route}");
        }
        let answer = self.world.call(method, &path, body, headers).await;
        let responses = &self.operation(method, route)["responses"];
        let said = responses.get(answer.status.to_string());
        let said =
            said.unwrap_or_else(|| panic!("{method} {route}: {answer:?}"))["content"].as_object().unwrap().clone();
        if let Some(json) = said.get("application/json") {
            assert_eq!(
                mistakes(&self.document, &json["schema"], &answer.body),
                [""; 0],
                "{method} {route}: {answer:?}"
            );
        }
        self.seen.insert(format!("{method} {route}"));
        answer
    }

    fn operation(&self, method: &str, route: &str) -> &Value {
        &self.document["paths"][route][method.to_lowercase()]
    }
}

#[tokio::test]
async fn every_route_answers_as_the_document_says() {
    let world = World::new().await;
    world.node("spiffe://example.org/carnet/agent/join-token/web").await;
    let mut tour = Tour { document: document(), world, seen: BTreeSet::new() };
    tour.call("GET", "/v1/info", "", None, &[]).await;
    tour.call("GET", "/v1/openapi.json", "", None, &[]).await;

    let made = tour.call("POST", "/v1/entries", "", Some(entry("/a")), &[]).await;
    let id = made.body["entry"]["id"].as_str().unwrap().to_owned();
    tour.call("GET", "/v1/entries", "?limit=1", None, &[]).await;
    let read = tour.call("GET", "/v1/entries/{id}", &id, None, &[]).await;
    let tag = read.etag.unwrap();
    tour.call("PUT", "/v1/entries/{id}", &id, Some(entry("/b")), &[("if-match", &tag)]).await;
    tour.call("DELETE", "/v1/entries/{id}", &id, None, &[]).await;

    tour.call("POST", "/v1/entries", "?dry_run=true", Some(entry("/a")), &[]).await;

    tour.call("PUT", "/v1/rules/{name}", "operators", Some(admin_rule()), &[]).await;
    tour.call("GET", "/v1/rules", "", None, &[]).await;
    tour.call("GET", "/v1/rules/{name}", "operators", None, &[]).await;
    tour.call("DELETE", "/v1/rules/{name}", "operators", None, &[]).await;

    let issuer = "https://issuer.example/a b";
    let trusted = json!({ "issuer": "https://issuer.example/a", "leeway": 10 });
    tour.call("PUT", "/v1/issuers/{issuer}", "https://issuer.example/a", Some(trusted), &[]).await;
    assert_eq!(tour.world.get(&format!("/v1/issuers/{}", segment(issuer))).await.status, 404);
    tour.call("GET", "/v1/issuers", "", None, &[]).await;
    tour.call("GET", "/v1/issuers/{issuer}", "https://issuer.example/a", None, &[]).await;
    tour.call("DELETE", "/v1/issuers/{issuer}", "https://issuer.example/a", None, &[]).await;

    let foreign = json!({ "url": "https://bundle.partner.example/", "profile": { "type": "https_web" } });
    tour.call("PUT", "/v1/federation/{trust_domain}", "partner.example", Some(foreign), &[]).await;
    tour.call("GET", "/v1/federation", "", None, &[]).await;
    tour.call("GET", "/v1/federation/{trust_domain}", "partner.example", None, &[]).await;
    tour.call("DELETE", "/v1/federation/{trust_domain}", "partner.example", None, &[]).await;

    let keys = tour.call("GET", "/v1/keys", "", None, &[]).await;
    let of = |purpose: &str| {
        let keys = keys.body["items"].as_array().unwrap();
        keys.iter().find(|key| key["purpose"] == purpose).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let rotation = json!({ "purpose": "jwt:ES256", "when": "propagating" });
    tour.call("POST", "/v1/keys/rotate", "", Some(rotation), &[]).await;
    tour.call("POST", "/v1/keys/{kid}/taint", &of("x509"), Some(json!({})), &[]).await;
    tour.call("POST", "/v1/keys/{kid}/revoke", &of("jwt:ES256"), Some(json!({})), &[]).await;
    let sealing = json!({ "key_file": tour.world.path("other.key") });
    tour.call("POST", "/v1/keys/rewrap", "", Some(sealing), &[]).await;

    let node = "spiffe://example.org/carnet/agent/join-token/web";
    tour.call("GET", "/v1/nodes", "", None, &[]).await;
    tour.call("GET", "/v1/nodes/{id}", node, None, &[]).await;
    tour.call("POST", "/v1/nodes/{id}/ban", node, Some(json!({})), &[]).await;
    tour.call("DELETE", "/v1/nodes/{id}", node, None, &[]).await;

    let made = tour.call("POST", "/v1/join-tokens", "", Some(json!({ "agent_path": "web/1", "ttl": 60 })), &[]).await;
    tour.call("GET", "/v1/join-tokens", "", None, &[]).await;
    tour.call("DELETE", "/v1/join-tokens/{hash}", made.body["hash"].as_str().unwrap(), None, &[]).await;

    let id = issued(&tour.world).await;
    tour.call("GET", "/v1/tokens", "?state=active", None, &[]).await;
    tour.call("GET", "/v1/tokens/{id}", &id, None, &[]).await;
    tour.call("POST", "/v1/tokens/revoke", "?dry_run=true", Some(json!({ "rule": "operators" })), &[]).await;
    tour.call("POST", "/v1/tokens/{id}/revoke", &id, Some(json!({})), &[]).await;

    tour.call("GET", "/v1/store/clock", "", None, &[]).await;
    let right = json!({ "now": "2026-11-21T12:00:00Z", "reopen": true });
    tour.call("POST", "/v1/store/clock", "", Some(right), &[]).await;

    tour.call("GET", "/v1/audit", "?limit=5&order=newest", None, &[]).await;
    tour.call("GET", "/v1/audit/verify", "", None, &[]).await;
    tour.call("GET", "/v1/audit/export", "?limit=3", None, &[]).await;

    // It reaches over the network, which tests do not: what it says then is an error of the document.
    let foreign = json!({ "url": "https://bundle.partner.example/", "profile": { "type": "https_web" } });
    tour.call("PUT", "/v1/federation/{trust_domain}", "partner.example", Some(foreign), &[]).await;
    let refreshed = tour.world.post("/v1/federation/partner.example/refresh", json!({})).await;
    assert_ne!(refreshed.code(), "not-found", "{refreshed:?}");
    let error = &tour.operation("POST", "/v1/federation/{trust_domain}/refresh")["responses"]["default"]["content"];
    assert_eq!(mistakes(&tour.document, &error["application/json"]["schema"], &refreshed.body), [""; 0]);
    tour.seen.insert("POST /v1/federation/{trust_domain}/refresh".to_owned());

    assert_eq!(tour.seen, operations(&tour.document), "every route of the document was called");
}

/// The `jti` of an access token.
async fn issued(world: &World) -> String {
    world.rule(admin_rule()).await;
    let svid = world.jwt_svid("spiffe://example.org/ops/alice").await;
    let request = carnet_issuer::TokenRequest {
        audiences: vec![AUTHORITY.to_owned()],
        ..carnet_issuer::TokenRequest::exchange(svid, carnet_issuer::SubjectType::JwtSvid)
    };
    let caller = carnet_issuer::Caller::at("192.0.2.1:1");
    let token = world.issuer.exchange(request, caller).await.unwrap().access_token;
    let parsed = carnet_jose::UnverifiedJwt::parse(token.expose()).unwrap();
    parsed.unverified_claims().str("jti").unwrap().to_owned()
}

fn operations(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        all.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    all
}

#[tokio::test]
async fn the_router_knows_no_method_that_the_document_does_not() {
    let world = World::new().await;
    let document = document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            if methods.get(method.to_lowercase()).is_some() {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let answer = world.call(method, &path, None, &[]).await;
            assert_eq!((answer.status, answer.code()), (405, "method-not-allowed"), "{method} {path}");
        }
    }
    let answer = world.get("/v1/nothing").await;
    assert_eq!((answer.status, answer.code()), (404, "not-found"));
}

#[test]
fn the_document_that_is_checked_in_is_the_one_of_the_code() {
    let made = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if made != CHECKED_IN {
        let place = concat!(env!("CARGO_TARGET_TMPDIR"), "/openapi.json");
        carnet_core::replace_files(&[carnet_core::NewFile::new(place, made)]).unwrap();
        panic!("crates/authority/openapi.json has drifted: look at the change, then copy {place} there");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let document = document();
    let mut names = BTreeSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
