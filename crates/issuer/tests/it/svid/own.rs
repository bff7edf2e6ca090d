//! SVIDs that are made of SVIDs of our own trust domain: they prolong nothing, and agents get none.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Secret;
use carnet_issuer::Caller;
use carnet_jose::Algorithm;
use carnet_store::{AuditRecord, Commit, Committed, NodeRow, Op, Outcome};
use carnet_x509::{Certificate, pem_to_der};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{AGENT, csr, jwt, x509};
use crate::{
    support::{Answer, EXCHANGE, JWT_SVID, X509_SVID, form},
    world::{AUDIENCE, AUTHORITY, World, rule_with},
};

const API: &str = "spiffe://example.org/ns/shop/api";

/// An authority with a rule for SVIDs of its own.
async fn world(members: Value) -> World {
    let mut rule = json!({
        "name": "svid", "issuer": "spiffe://example.org", "subject": "spiffe://example.org/ns/shop/*", "claims": {},
        "condition": null, "identity": "{sub}", "audiences": [AUDIENCE, AUTHORITY],
    });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    World::new(vec![rule_with(rule)]).await
}

/// What shows an SVID, and as whom.
async fn exchange(world: &World, shown: &Shown, wanted: &str) -> Answer {
    let request = URL_SAFE_NO_PAD.encode(csr(Algorithm::Es256, &[]));
    let mut fields = vec![("grant_type", EXCHANGE), ("requested_token_type", wanted)];
    if wanted == X509_SVID {
        fields.push(("csr", &request));
    } else {
        fields.push(("audience", AUTHORITY));
    }
    let mut caller = Caller::at("192.0.2.7:1");
    match shown {
        Shown::Token(token) => fields.extend([("subject_token_type", JWT_SVID), ("subject_token", token.expose())]),
        Shown::Certificate(chain) => {
            fields.push(("subject_token_type", X509_SVID));
            caller.certificates = Some(chain.clone());
        }
    }
    world.post_as("/oauth2/token", form(&fields), caller).await
}

enum Shown {
    Token(Secret),
    Certificate(Vec<Vec<u8>>),
}

/// SVIDs of both forms with ten minutes to live.
async fn svids(world: &World, id: &str) -> [Shown; 2] {
    let mut request = x509(id, csr(Algorithm::Es256, &[]));
    request.ttl = Some(SignedDuration::from_mins(10));
    let chain = world.issuer.x509_svid(request).await.unwrap().chain;
    let request = jwt(&json!({ "spiffe_id": id, "audiences": [AUTHORITY], "ttl": 600 }));
    [Shown::Certificate(chain), Shown::Token(world.issuer.jwt_svid(request).await.unwrap().token)]
}

#[tokio::test]
async fn an_svid_that_is_made_of_an_svid_ends_with_it() {
    for members in [json!({}), json!({ "lifetime": 86_400 }), json!({ "subject": API, "identity": "/ns/shop/api" })] {
        let world = world(members).await;
        for shown in svids(&world, API).await {
            assert_eq!(exchange(&world, &shown, X509_SVID).await.json()["expires_in"], 600);
            let expected = if world.rules.borrow().rule("svid").unwrap().lifetime.is_some() { 600 } else { 300 };
            assert_eq!(exchange(&world, &shown, JWT_SVID).await.json()["expires_in"], expected);
        }
    }
}

#[tokio::test]
async fn an_svid_cannot_be_renewed_by_itself() {
    let world = world(json!({ "lifetime": 86_400 })).await;
    let end = world.now() + SignedDuration::from_mins(10);
    let [mut shown, _] = svids(&world, API).await;
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_secs(100));
        let chain = pem_to_der(exchange(&world, &shown, X509_SVID).await.token().expose().as_bytes()).unwrap();
        assert_eq!(Certificate::from_der(&chain[0]).unwrap().not_after(), end);
        shown = Shown::Certificate(chain);
        let token = exchange(&world, &shown, JWT_SVID).await.token();
        let verified = world.verify(&token, AUTHORITY, "JWT");
        assert_eq!(verified.claims().time("exp"), Some(end));
        let again = exchange(&world, &Shown::Token(token), JWT_SVID).await.token();
        assert_eq!(world.verify(&again, AUTHORITY, "JWT").claims().time("exp"), Some(end));
    }
}

#[tokio::test]
async fn rejects_an_svid_that_is_taken_only_because_clocks_may_disagree() {
    let world = world(json!({})).await;
    let [_, shown] = svids(&world, API).await;
    world.clock.advance(SignedDuration::from_secs(610));
    for wanted in [X509_SVID, JWT_SVID] {
        assert_eq!(exchange(&world, &shown, wanted).await.error(), "invalid_request");
        assert_eq!(world.clause().await, "expired");
    }
}

async fn remember(world: &World, banned: bool) {
    let now = world.now();
    let node = NodeRow {
        id: AGENT.to_owned(),
        kind: "join_token".to_owned(),
        selectors: Vec::new(),
        serial: "1".to_owned(),
        expires_at: now + SignedDuration::from_hours(1),
        banned,
        reattestable: false,
        attested_at: now,
        revision: 0,
    };
    let audit = AuditRecord::new(now, "node.ban", Outcome::Allowed);
    let done = world.store.commit(Commit { ops: vec![Op::PutNode(node)], audit, refused: None }).await.unwrap();
    assert!(matches!(done, Committed::Done { .. }));
}

#[tokio::test]
async fn no_rule_hands_on_the_identity_of_an_agent() {
    let all = json!({ "subject": "spiffe://example.org/**", "accept_risk": "all of it is ours" });
    let world = world(all).await;
    remember(&world, false).await;
    for shown in svids(&world, AGENT).await {
        for wanted in [X509_SVID, JWT_SVID, crate::support::ACCESS_TOKEN] {
            assert_eq!(exchange(&world, &shown, wanted).await.error(), "invalid_request");
            assert_eq!(world.clause().await, "identity");
        }
    }
    let [shown, _] = svids(&world, API).await;
    exchange(&world, &shown, X509_SVID).await.token();
}

#[tokio::test]
async fn rejects_agents_that_were_banned_or_are_not_known() {
    let world = world(json!({ "subject": AGENT, "identity": "/nodes/a" })).await;
    for (known, banned, clause) in [(false, false, "node"), (true, false, ""), (true, true, "node")] {
        if known {
            remember(&world, banned).await;
        }
        for shown in svids(&world, AGENT).await {
            for wanted in [X509_SVID, JWT_SVID, crate::support::ACCESS_TOKEN] {
                let answer = exchange(&world, &shown, wanted).await;
                assert_eq!((answer.status == 200, world.clause().await.as_str()), (clause.is_empty(), clause));
            }
        }
    }
    // Nor is it a client.
    let [shown, _] = svids(&world, AGENT).await;
    let Shown::Certificate(chain) = shown else { panic!("the first is a certificate") };
    let caller = Caller { certificates: Some(chain), ..Caller::at("192.0.2.7:1") };
    let answer = world.post_as("/oauth2/token", form(&[("grant_type", "client_credentials")]), caller).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_client", "node"));
}
