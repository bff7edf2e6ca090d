//! Metadata and token exchange by clients of others: openid-client and oauth4webapi.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    scene::{ACCESS_TOKEN, AUDIENCE, Authority, JWT, exchange},
    verifiers::{VERIFIERS, believed, verify},
    witness::Witness,
};
use crate::{
    harness::{Sandbox, node},
    matrix::proven,
};

fn openid_client(authority: &Authority, token: &str) -> Value {
    verify(node("openid_client.mjs").args([authority.issuer(), AUDIENCE]), token)
}

#[test]
fn openid_client_reads_both_documents_and_exchanges_a_token() {
    let witness = Witness::start();
    let authority = Authority::trial(&witness.rule(""), "");
    let answer = openid_client(&authority, &witness.token("web"));
    for document in ["oauth2", "oidc"] {
        assert_eq!(answer[document]["issuer"], authority.issuer(), "{answer}");
        let endpoint = format!("{}/oauth2/token", authority.issuer());
        assert_eq!(answer[document]["token_endpoint"], json!(endpoint), "{answer}");
        assert_eq!(answer[document]["jwks_uri"], answer["oidc"]["jwks_uri"], "{answer}");
    }
    let issued = &answer["exchanged"];
    assert_eq!(issued["issued_token_type"], JWT, "{answer}");
    assert!(issued["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
    let token = issued["access_token"].as_str().unwrap();
    assert_eq!(believed(authority.issuer(), token), format!("{}/ci/web", authority.domain()));
    assert_eq!(answer["foreign_audience"]["error"], "invalid_target", "{answer}");
    assert_eq!(answer["foreign_audience"]["status"], 400, "{answer}");
}

#[test]
fn openid_client_gets_a_token_with_a_client_assertion() {
    let witness = Witness::start();
    let authority = Authority::trial(&witness.rule(""), "");
    let mut program = node("openid_client.mjs");
    let assertion = witness.token("worker");
    let answer = verify(program.args([authority.issuer(), AUDIENCE]).env("CLIENT_ASSERTION", assertion), "");
    let token = answer["granted"]["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(believed(authority.issuer(), token), format!("{}/ci/worker", authority.domain()));
}

#[test]
fn oauth4webapi_exchanges_looks_up_and_revokes_an_access_token() {
    let witness = Witness::start();
    let authority = Authority::trial(&witness.rule(&format!("introspect = [\"{AUDIENCE}\"]")), "");
    let answer = verify(node("oauth4webapi.mjs").args([authority.issuer(), AUDIENCE]), &witness.token("web"));
    assert_eq!(answer["issued"]["issued_token_type"], ACCESS_TOKEN, "{answer}");
    assert_eq!(answer["before"]["active"], true, "{answer}");
    assert_eq!(answer["before"]["sub"], format!("{}/ci/web", authority.domain()), "{answer}");
    assert_eq!(answer["after"], json!({ "active": false }), "{answer}");
}

/// The emulated GitHub signs with its real name; its keys are where the sandbox has them.
fn github(sandbox: &Sandbox) -> String {
    format!(
        "[[issuer]]\nissuer = \"https://token.actions.githubusercontent.com\"\njwks_url = \"{}/.well-known/jwks\"\n\
         [[rule]]\nname = \"github\"\nissuer = \"https://token.actions.githubusercontent.com\"\n\
         expected_audiences = [\"carnet\"]\nclaims = {{ repository_owner_id = \"71000000\" }}\nidentity = \"/github/{{repository_id}}\"\n\
         issue = [\"jwt-svid\"]\naudiences = [\"{AUDIENCE}\"]\n",
        sandbox.plain("ci-github"),
    )
}

#[test]
fn a_github_token_becomes_a_jwt_svid_that_a_foreign_verifier_believes() {
    let sandbox = Sandbox::shared();
    let authority = Authority::trial(&github(sandbox), "");
    let subject = sandbox.token("github", &["--audience", "carnet"]);
    let answer = authority.token(&exchange(&subject, JWT));
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let id = believed(authority.issuer(), &token);
    assert!(id.starts_with(&format!("{}/github/", authority.domain())), "{id}");
    // What the emulated GitHub would not sign itself is not taken.
    for flaw in ["expired", "tampered", "wrong-key", "alg-none", "unknown-kid", "not-yet"] {
        let bent = sandbox.token("github", &["--audience", "carnet", "--flaw", flaw]);
        let answer = authority.token(&exchange(&bent, JWT));
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("invalid_request")),
            "{flaw}: {answer:?}"
        );
        assert!(!answer.body.contains("access_token"), "{answer:?}");
    }
    let foreign = sandbox.token("github", &["--audience", "carnet", "--claim", "repository_owner_id=666"]);
    let answer = authority.token(&exchange(&foreign, JWT));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(Path::new(authority.service.says("admin")).exists());
    for verifier in VERIFIERS {
        proven("github-actions", "authority", verifier);
    }
}
