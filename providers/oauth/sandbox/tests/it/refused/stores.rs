//! The stores of packages: npm, PyPI, crates.io.

use carnet_oauth::trust::Stage;

use super::{Places, Row, expired, no_keys, other_trust, refuses, signed, strange_issuer};
use crate::support::{Asked, Sandbox, Signed};

const MESSAGE: Places = ("/code", "/message");
const PYPI: Places = ("/errors/0/code", "/errors/0/description");
const CRATES: Places = ("/errors/0/code", "/errors/0/detail");

/// A publisher of another repository, at this stage; the token is one of its jobs.
fn other_repository(sandbox: &Sandbox, asked: &mut Asked, stage: Stage) {
    sandbox.trust(asked.wire.party, &[], |trust| {
        trust.claims.insert("repository".to_owned(), vec!["carnet-sandbox/other".to_owned()]);
        trust.stage = stage;
    });
    asked.claim("repository", "carnet-sandbox/other");
}

#[tokio::test]
async fn npm_has_four_statuses() {
    let rows: &[Row] = &[
        ("no token", |_, asked| asked.headers.push(("authorization", None)), 400, "", "bad request"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "", "bad request"),
        ("other issuer", strange_issuer, 401, "", "unauthorized"),
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), 401, "", "unauthorized"),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 401, "", "unauthorized"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 401, "", "unauthorized"),
        ("expired", expired, 401, "", "unauthorized"),
        ("other audience", |_, asked| asked.claim("aud", "registry.npmjs.org"), 401, "", "unauthorized"),
        ("other package", |_, asked| asked.set("package", "x"), 404, "", "package not found"),
        ("other repository", |_, asked| asked.claim("repository", "x/y"), 404, "", "package not found"),
        ("other owner", |_, asked| asked.claim("repository_owner_id", "1"), 404, "", "package not found"),
        (
            "other workflow",
            |_, asked| asked.claim("workflow_ref", "carnet-sandbox/app/.github/workflows/x.yml@refs/heads/main"),
            404,
            "",
            "package not found",
        ),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "package", Stage::Disabled),
            404,
            "",
            "package not found",
        ),
        ("no keys", no_keys, 500, "", "internal server error"),
    ];
    refuses("npm", MESSAGE, rows).await;
}

#[tokio::test]
async fn pypi_has_six_codes() {
    let rows: &[Row] = &[
        ("no JSON", |_, asked| asked.body = Some("x".to_owned()), 422, "invalid-payload", "TokenPayload"),
        ("no token", |_, asked| asked.body = Some("{}".to_owned()), 422, "invalid-payload", "TokenPayload"),
        ("a number", |_, asked| asked.body = Some(r#"{"token":1}"#.to_owned()), 422, "invalid-payload", "TokenPayload"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 422, "invalid-token", "malformed or invalid"),
        ("other issuer", strange_issuer, 422, "invalid-token", "malformed or invalid"),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 422, "invalid-token", "malformed or invalid"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 422, "invalid-token", "malformed or invalid"),
        ("expired", expired, 422, "invalid-token", "malformed or invalid"),
        ("other audience", |_, asked| asked.claim("aud", "testpypi"), 422, "invalid-token", "malformed or invalid"),
        ("no keys", no_keys, 422, "invalid-token", "malformed or invalid"),
        ("other repository", |_, asked| asked.claim("repository", "x/y"), 422, "invalid-publisher", "valid token"),
        ("other owner", |_, asked| asked.claim("repository_owner_id", "1"), 422, "invalid-publisher", "valid token"),
        ("no jti", |_, asked| asked.claim("jti", None::<&str>), 422, "invalid-publisher", "valid token"),
        (
            "used before",
            |_, asked| asked.claim("jti", "seen to be good"),
            422,
            "invalid-reuse-token",
            "invalid token: already used",
        ),
        (
            "pending",
            |sandbox, asked| other_repository(sandbox, asked, Stage::Pending),
            422,
            "invalid-pending-publisher",
            "project already exists",
        ),
        (
            "switched off",
            |sandbox, asked| other_repository(sandbox, asked, Stage::Disabled),
            422,
            "not-enabled",
            "functionality not enabled",
        ),
    ];
    refuses("pypi", PYPI, rows).await;
}

#[tokio::test]
async fn pypi_counts_a_token_when_it_accepts_it() {
    let sandbox = Sandbox::new();
    let mut asked = sandbox.good("pypi");
    asked.claim("repository", "x/y");
    assert_eq!(sandbox.ask(&asked).await.json()["errors"][0]["code"], "invalid-publisher");
    asked.claim("repository", "carnet-sandbox/app");
    assert_eq!(sandbox.ask(&asked).await.status, 200);
    assert_eq!(sandbox.ask(&asked).await.json()["errors"][0]["code"], "invalid-reuse-token");
}

#[tokio::test]
async fn crates_io_has_the_texts_of_its_source() {
    let rows: &[Row] = &[
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "", "Failed to decode JWT"),
        ("other issuer", strange_issuer, 400, "", "Unsupported JWT issuer: https://stranger.example"),
        ("no key id", |_, asked| signed(asked, Signed::WithoutKeyId), 400, "", "Missing JWT key ID"),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 400, "", "Invalid JWT key ID"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 400, "", "Failed to decode JWT"),
        ("expired", expired, 400, "", "Failed to decode JWT"),
        ("other audience", |_, asked| asked.claim("aud", "x"), 400, "", "Failed to decode JWT"),
        ("no jti", |_, asked| asked.claim("jti", None::<&str>), 400, "", "Failed to decode JWT"),
        ("used before", |_, asked| asked.claim("jti", "seen to be good"), 400, "", "JWT has already been used"),
        (
            "other repository",
            |_, asked| asked.claim("repository", "x/y"),
            400,
            "",
            "No Trusted Publishing config found for repository `x/y`",
        ),
        (
            "other owner",
            |_, asked| asked.claim("repository_owner_id", "1"),
            400,
            "",
            "The Trusted Publishing config does not match `repository_owner_id` 1",
        ),
        ("no keys", no_keys, 500, "", "Failed to load OIDC key set"),
    ];
    refuses("crates-io", CRATES, rows).await;
}

#[tokio::test]
async fn crates_io_counts_a_token_that_it_refused_afterwards() {
    let sandbox = Sandbox::new();
    let mut asked = sandbox.good("crates-io");
    asked.claim("repository", "x/y");
    assert!(sandbox.ask(&asked).await.text.contains("No Trusted Publishing config"));
    asked.claim("repository", "carnet-sandbox/app");
    assert!(sandbox.ask(&asked).await.text.contains("has already been used"));
}
