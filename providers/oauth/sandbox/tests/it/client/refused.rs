//! Every refusal that a client can provoke, as the client tells it: kind, clause, something to do, and no token.

use carnet_core::{ErrorKind, chain};
use carnet_oauth::trust::Stage;
use carnet_sandbox_kit::{Fault, FaultKind};

use super::exchange;
use crate::{
    refused::{no_keys, other_trust, signed, strange_issuer},
    support::{Asked, Sandbox, Signed},
};
use ErrorKind::{Expired, Policy, Refused, Unreachable};

/// What is bent, and what the client makes of it.
type Row = (&'static str, fn(&Sandbox, &mut Asked), ErrorKind, &'static str);

/// Asks once for each row, of a sandbox of its own.
async fn told(party: &str, rows: &[Row]) {
    for (what, bend, kind, clause) in rows {
        let sandbox = Sandbox::new();
        let mut asked = sandbox.good(party);
        bend(&sandbox, &mut asked);
        let error = exchange(&sandbox, &asked).await.unwrap_err();
        let seen = (error.kind(), error.failed_clause());
        assert_eq!(seen, (*kind, Some(*clause)), "{party}, {what}: {error:?}");
        assert!(!error.hints().is_empty(), "{party}, {what}");
        let words = format!("{} {} {error:?}", chain(&error).join(" "), error.hints().join(" "));
        assert!(!words.contains("eyJ"), "{party}, {what}: it quotes the token: {words}");
    }
}

/// The service's clock is ahead, so that it finds the token over.
fn late(sandbox: &Sandbox, asked: &mut Asked) {
    sandbox.world.faults.add(Fault::new(FaultKind::Skew).service(asked.wire.service));
}

fn forged(_: &Sandbox, asked: &mut Asked) {
    signed(asked, Signed::Forged);
}

fn unknown_key(_: &Sandbox, asked: &mut Asked) {
    signed(asked, Signed::ByAStranger);
}

fn other_algorithm(_: &Sandbox, asked: &mut Asked) {
    signed(asked, Signed::EdDsa);
}

fn other_audience(_: &Sandbox, asked: &mut Asked) {
    asked.claim("aud", "x");
}

fn other_subject(_: &Sandbox, asked: &mut Asked) {
    asked.claim("sub", "x");
}

fn other_repository(_: &Sandbox, asked: &mut Asked) {
    asked.claim("repository", "x/y");
}

/// The rows of a party that says of every token it does not take the same.
fn one_answer(kind: ErrorKind, clause: &'static str) -> [Row; 6] {
    [
        ("forged", forged, kind, clause),
        ("unknown key", unknown_key, kind, clause),
        ("other algorithm", other_algorithm, kind, clause),
        ("other issuer", strange_issuer, kind, clause),
        ("other audience", other_audience, kind, clause),
        ("over", late, kind, clause),
    ]
}

#[tokio::test]
async fn claude_says_the_same_of_everything() {
    told("claude", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), Refused, "subject-token"),
        ("other subject", other_subject, Refused, "subject-token"),
        ("unknown rule", |_, asked| asked.set("federation_rule_id", "fdrl_x"), Refused, "subject-token"),
        ("other organization", |_, asked| asked.set("organization_id", "x"), Refused, "subject-token"),
        ("other account", |_, asked| asked.set("service_account_id", "svac_x"), Refused, "subject-token"),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("claude", rows).await;
}

#[tokio::test]
async fn openai_tells_tokens_from_requests() {
    told("openai", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other subject", other_subject, Refused, "subject-token"),
        ("unknown provider", |_, asked| asked.set("identity_provider_id", "idp_x"), Refused, "request"),
        ("unknown account", |_, asked| asked.set("service_account_id", "sa_x"), Refused, "subject-token"),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "identity_provider_id", Stage::Disabled),
            Refused,
            "subject-token",
        ),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("openai", rows).await;
}

#[tokio::test]
async fn openrouter_tells_what_its_guide_tells() {
    told("openrouter", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other subject", other_subject, Refused, "subject-token"),
        ("unknown policy", |_, asked| asked.set("federation_policy_id", "x"), Refused, "subject-token"),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "federation_policy_id", Stage::Disabled),
            Refused,
            "subject-token",
        ),
        ("too long", |_, asked| asked.claim("more", "x".repeat(16 << 10)), Refused, "request"),
        ("no keys", no_keys, Unreachable, "issuer"),
    ];
    told("openrouter", rows).await;
}

#[tokio::test]
async fn databricks_tells_clients_tokens_and_scopes_apart() {
    for party in ["databricks", "databricks-account"] {
        told(party, &one_answer(Refused, "subject-token")).await;
        let rows: &[Row] = &[
            ("other subject", other_subject, Refused, "subject-token"),
            ("unknown client", |_, asked| asked.set("client_id", "x"), Refused, "client"),
            ("other scope", |_, asked| asked.set("scope", "x"), Refused, "scope"),
            ("no keys", no_keys, Unreachable, "unavailable"),
        ];
        told(party, rows).await;
    }
    let account: &[Row] = &[("other account", |_, asked| asked.set("account_id", "x"), Refused, "client")];
    told("databricks-account", account).await;
}

#[tokio::test]
async fn tailscale_tells_by_its_status() {
    told("tailscale", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other subject", other_subject, Refused, "subject-token"),
        ("unknown client", |_, asked| asked.set("client_id", "x"), Refused, "client"),
        ("switched off", |sandbox, asked| other_trust(sandbox, asked, "client_id", Stage::Disabled), Refused, "client"),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("tailscale", rows).await;
}

#[tokio::test]
async fn hcp_tells_conditions_from_tokens() {
    told("hcp", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other subject", other_subject, Policy, "policy"),
        ("unknown provider", |_, asked| asked.set("provider", "iam/project/x"), Refused, "client"),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("hcp", rows).await;
}

#[tokio::test]
async fn infisical_tells_by_its_words() {
    let rows: &[Row] = &[
        ("forged", forged, Refused, "subject-token"),
        ("unknown key", unknown_key, Refused, "subject-token"),
        ("other algorithm", other_algorithm, Refused, "subject-token"),
        ("other issuer", strange_issuer, Refused, "subject-token"),
        ("other audience", other_audience, Refused, "subject-token"),
        ("other subject", other_subject, Refused, "subject-token"),
        ("over", late, Expired, "expired"),
        ("unknown identity", |_, asked| asked.set("identityId", "x"), Refused, "client"),
        ("no keys", no_keys, Refused, "issuer"),
    ];
    told("infisical", rows).await;
}

#[tokio::test]
async fn octo_sts_tells_by_the_codes_of_grpc() {
    let rows: &[Row] = &[
        ("forged", forged, Refused, "subject-token"),
        ("unknown key", unknown_key, Refused, "subject-token"),
        ("other algorithm", other_algorithm, Refused, "subject-token"),
        ("over", late, Refused, "subject-token"),
        ("other issuer", strange_issuer, Policy, "policy"),
        ("other audience", other_audience, Policy, "policy"),
        ("other subject", other_subject, Policy, "policy"),
        ("no installation", |_, asked| asked.set("scope", "x/y"), Refused, "policy"),
        ("no policy", |_, asked| asked.set("identity", "x"), Refused, "policy"),
        ("no keys", no_keys, Refused, "request"),
        (
            "no token of GitHub",
            |sandbox, asked| other_trust(sandbox, asked, "identity", Stage::Disabled),
            Unreachable,
            "unavailable",
        ),
    ];
    told("octo-sts", rows).await;
}

#[tokio::test]
async fn npm_tells_by_its_status() {
    told("npm", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other repository", other_repository, Refused, "policy"),
        ("other package", |_, asked| asked.set("package", "x"), Refused, "policy"),
        ("switched off", |sandbox, asked| other_trust(sandbox, asked, "package", Stage::Disabled), Refused, "policy"),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("npm", rows).await;
}

/// A publisher of another repository, at this stage; the token is one of its jobs.
fn publisher(sandbox: &Sandbox, asked: &mut Asked, stage: Stage) {
    sandbox.trust(asked.wire.party, &[], |trust| {
        trust.claims.insert("repository".to_owned(), vec!["carnet-sandbox/other".to_owned()]);
        trust.stage = stage;
    });
    asked.claim("repository", "carnet-sandbox/other");
}

#[tokio::test]
async fn pypi_tells_by_its_codes() {
    told("pypi", &one_answer(Refused, "subject-token")).await;
    let rows: &[Row] = &[
        ("other repository", other_repository, Refused, "policy"),
        ("pending", |sandbox, asked| publisher(sandbox, asked, Stage::Pending), Refused, "policy"),
        ("switched off", |sandbox, asked| publisher(sandbox, asked, Stage::Disabled), Policy, "policy"),
        ("no keys", no_keys, Refused, "subject-token"),
    ];
    told("pypi", rows).await;
}

#[tokio::test]
async fn crates_io_tells_by_its_texts() {
    let rows: &[Row] = &[
        ("forged", forged, Refused, "subject-token"),
        ("unknown key", unknown_key, Refused, "subject-token"),
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), Refused, "subject-token"),
        ("other audience", other_audience, Refused, "subject-token"),
        ("over", late, Refused, "subject-token"),
        ("other issuer", strange_issuer, Refused, "issuer"),
        ("other repository", other_repository, Refused, "policy"),
        ("other owner", |_, asked| asked.claim("repository_owner_id", "1"), Refused, "policy"),
        ("no keys", no_keys, Unreachable, "unavailable"),
    ];
    told("crates-io", rows).await;
}
