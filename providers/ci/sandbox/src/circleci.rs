//! CircleCI's issuer ("Using OpenID Connect tokens in jobs", circleci.com/docs), and the program that makes tokens in a job.

use carnet_core::Error;
use carnet_sandbox_kit::World;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    CiEmulator,
    github::{pairs, uuid},
    mint::{Issuer, MintRequest, members},
    seed,
};

/// Where the key sets are. UNCONFIRMED: clients learn it from the discovery document.
pub(crate) const JWKS: &str =
    "https://oidc.circleci.com/org/71000000-0000-4000-8000-00000000c001/.well-known/jwks-pub.json";
pub(crate) const ROOT_JWKS: &str = "https://oidc.circleci.com/.well-known/jwks-pub.json";
/// How long a token lives, in seconds.
const LIFE: i64 = 3_600;

/// The claims of a job on a branch, with the second form of the subject.
pub(crate) fn claims(issuer: Issuer, audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    members(json!({
        "iss": issuer.url(),
        "sub": seed::CIRCLECI_SUBJECT,
        "aud": audience.unwrap_or(seed::CIRCLECI_ORGANIZATION),
        "iat": made,
        "exp": made.saturating_add(LIFE),
        "oidc.circleci.com/org-id": seed::CIRCLECI_ORGANIZATION,
        "oidc.circleci.com/project-id": seed::CIRCLECI_PROJECT,
        "oidc.circleci.com/context-ids": ["71000000-0000-4000-8000-00000000c004"],
        "oidc.circleci.com/pipeline-definition-id": "71000000-0000-4000-8000-00000000c005",
        "oidc.circleci.com/pipeline-id": uuid(world),
        "oidc.circleci.com/ssh-rerun": false,
        "oidc.circleci.com/vcs-origin": "github.com/carnet-sandbox/app",
        "oidc.circleci.com/vcs-ref": seed::REF,
    }))
}

pub(crate) fn job_environment(emulator: &CiEmulator) -> Result<Vec<(String, String)>, Error> {
    let request = MintRequest::new(Issuer::Circleci, seed::CIRCLECI_ORGANIZATION);
    let second = emulator.mint_for_job(request.clone())?;
    let first = emulator.mint_for_job(request.claim("sub", seed::CIRCLECI_SUBJECT_V1))?;
    Ok(pairs(&[
        ("CI", "true"),
        ("CIRCLECI", "true"),
        ("CIRCLE_BRANCH", seed::BRANCH),
        ("CIRCLE_PROJECT_USERNAME", seed::OWNER),
        ("CIRCLE_PROJECT_REPONAME", "app"),
        ("CIRCLE_SHA1", seed::SHA),
        ("CIRCLE_OIDC_TOKEN", &first),
        ("CIRCLE_OIDC_TOKEN_V2", &second),
    ]))
}

/// `circleci run oidc get [--claims JSON] [--root-issuer]`. "Only the aud claim is customizable" ("OIDC tokens with custom claims",
/// circleci.com/docs).
///
/// # Errors
/// What the program says when it ends with status 1. The words are UNCONFIRMED.
pub(crate) fn program(emulator: &CiEmulator, arguments: &[&str]) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Claims {
        aud: String,
    }
    let ["run", "oidc", "get", options @ ..] = arguments else {
        return Err(format!("Error: unknown command: {}", arguments.join(" ")));
    };
    let (mut issuer, mut audience) = (Issuer::Circleci, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--root-issuer" => issuer = Issuer::CircleciRoot,
            "--claims" => {
                let text = options.next().ok_or("Error: flag needs an argument: --claims")?;
                let claims: Claims =
                    serde_json::from_str(text).map_err(|_other| "Error: only the aud claim can be set".to_owned())?;
                audience = Some(claims.aud);
            }
            other => return Err(format!("Error: unknown flag: {other}")),
        }
    }
    let audience = audience.unwrap_or_else(|| seed::CIRCLECI_ORGANIZATION.to_owned());
    emulator.mint_for_job(MintRequest::new(issuer, audience)).map_err(|error| error.to_string())
}
