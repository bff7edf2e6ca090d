//! One good exchange at each party, and how long what it gives lives.

use std::collections::BTreeMap;

use carnet_oauth_sandbox::{
    OauthEmulator,
    seed::{self, Who},
};
use carnet_trust::Decision;
use serde_json::json;

use crate::{
    support::{NOW, Sandbox},
    wire::{WIRES, wire},
};

#[tokio::test]
async fn every_party_takes_what_its_pages_say() {
    for wire in WIRES {
        let sandbox = Sandbox::new();
        for who in Who::ALL {
            let Some(trust) = seed::trust(wire.party, who) else { continue };
            let reply = sandbox.ask(&sandbox.good_of(wire.party, who)).await;
            assert_eq!(reply.status, wire.status, "{} {who:?}: {}", wire.party, reply.text);
            assert!(reply.json().pointer(wire.given).is_some_and(serde_json::Value::is_string), "{}", reply.text);
            assert_eq!(reply.headers["cache-control"], "no-store");
            let decided = sandbox.world.decisions.since(0).pop().unwrap();
            let Decision::Allow(grant) = decided.decision else { panic!("{decided:?}") };
            assert_eq!((decided.service, grant.principal), (wire.service, trust.principal));
        }
    }
}

#[test]
fn every_entry_of_the_catalogue_has_a_face_and_a_wire() {
    let mut faces: Vec<&str> = OauthEmulator::parties().collect();
    faces.sort_unstable();
    let catalogue: Vec<&str> = carnet_oauth::parties().collect();
    assert_eq!(faces, catalogue);
    assert_eq!(WIRES.map(|wire| wire.party).to_vec(), catalogue);
}

#[tokio::test]
async fn answers_have_the_members_of_their_pages() {
    let sandbox = Sandbox::new();
    let members = async |party: &str| {
        let body = sandbox.ask(&sandbox.good(party)).await.json();
        body.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let exchanged = "access_token expires_in issued_token_type scope token_type";
    for (party, expected) in [
        ("claude", "access_token expires_in scope token_type"),
        ("crates-io", "token"),
        ("databricks", exchanged),
        ("databricks-account", exchanged),
        ("hcp", "access_token expires_in token_type"),
        ("infisical", "accessToken accessTokenMaxTTL expiresIn tokenType"),
        ("npm", "created expires token token_type"),
        ("octo-sts", "token"),
        ("openai", exchanged),
        ("openrouter", exchanged),
        ("pypi", "success token"),
        ("tailscale", "access_token expires_in scope token_type"),
    ] {
        // The order of members is nobody's business.
        let mut found: Vec<String> = members(party).await.split(' ').map(ToOwned::to_owned).collect();
        found.sort_by_key(|name| name.to_ascii_lowercase());
        let mut expected: Vec<&str> = expected.split(' ').collect();
        expected.sort_by_key(|name| name.to_ascii_lowercase());
        assert_eq!(found, expected, "{party}");
    }
}

#[tokio::test]
async fn what_is_given_lives_as_long_as_the_party_says() {
    let sandbox = Sandbox::new();
    for (party, exp, life) in [
        ("claude", 300, 3600),
        ("databricks", 300, 300),
        ("hcp", 300, 3600),
        ("infisical", 300, 2_592_000),
        ("openai", 300, 300),
        ("openai", 7200, 3600),
        ("openrouter", 300, 300),
        ("openrouter", 7200, 900),
        ("tailscale", 300, 3600),
    ] {
        let mut asked = sandbox.good(party);
        asked.claim("exp", NOW + exp);
        asked.claim("jti", format!("{party}-{exp}"));
        let body = sandbox.ask(&asked).await.json();
        let found = body.get("expires_in").or_else(|| body.get("expiresIn")).cloned();
        assert_eq!(found, Some(json!(life)), "{party} {body}");
    }
    let body = sandbox.ask(&sandbox.good("npm")).await.json();
    assert_eq!(
        (body["created"].as_str(), body["expires"].as_str()),
        (Some("2026-11-21T12:00:00Z"), Some("2026-11-21T13:00:00Z"))
    );
}

#[tokio::test]
async fn a_trust_says_a_shorter_life() {
    let sandbox = Sandbox::new();
    sandbox.trust("tailscale", &[("client_id", &["kShort"])], |trust| trust.life = Some(60));
    let mut asked = sandbox.good("tailscale");
    asked.set("client_id", "kShort");
    assert_eq!(sandbox.ask(&asked).await.json()["expires_in"], 60);
}

#[tokio::test]
async fn a_rule_with_one_workspace_needs_none_to_be_named() {
    let sandbox = Sandbox::new();
    sandbox.trust("claude", &[("federation_rule_id", &["fdrl_one"]), ("workspace_id", &["wrkspc_1"])], |_| {});
    sandbox.trust(
        "claude",
        &[("federation_rule_id", &["fdrl_two"]), ("workspace_id", &["wrkspc_1", "default"])],
        |_| {},
    );
    for (rule, workspace, status) in [
        ("fdrl_one", None, 200),
        ("fdrl_two", None, 400),
        ("fdrl_two", Some("default"), 200),
        ("fdrl_one", Some("default"), 400),
    ] {
        let mut asked = sandbox.good("claude");
        asked.set("federation_rule_id", rule);
        asked.claim("jti", format!("{rule}{workspace:?}"));
        if let Some(workspace) = workspace {
            asked.set("workspace_id", workspace);
        }
        assert_eq!(sandbox.ask(&asked).await.status, status, "{rule} {workspace:?}");
    }
}

#[tokio::test]
async fn patterns_of_infisical_stay_between_slashes() {
    let sandbox = Sandbox::new();
    for (subject, status) in [
        ("repo:carnet-sandbox/app:ref:refs/heads/*", 200),
        ("repo:carnet-sandbox/*", 403),
        ("repo:carnet-sandbox/**", 200),
    ] {
        sandbox.trust("infisical", &[("identityId", &[subject])], |trust| trust.subject = Some(subject.to_owned()));
        let mut asked = sandbox.good("infisical");
        asked.set("identityId", subject);
        assert_eq!(sandbox.ask(&asked).await.status, status, "{subject}");
    }
}

#[tokio::test]
async fn any_of_several_publishers_of_a_package_may_be_the_one() {
    let sandbox = Sandbox::new();
    sandbox.trust("npm", &[("package", &["other"])], |trust| {
        trust.claims.insert("repository".to_owned(), vec!["else/where".to_owned()]);
    });
    sandbox.trust("npm", &[("package", &["other"])], |_| {});
    let mut asked = sandbox.good("npm");
    asked.set("package", "other");
    assert_eq!(sandbox.ask(&asked).await.status, wire("npm").status);
}

#[tokio::test]
async fn pypi_tells_its_audience_to_anybody() {
    let sandbox = Sandbox::new();
    let reply = sandbox.send("oauth-pypi", "GET", "/_/oidc/audience", &BTreeMap::new(), String::new()).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "audience": "pypi" })));
}
