//! The parties. Each file says where its facts were read, and which of them nobody could confirm.

mod claude;
mod crates_io;
mod databricks;
mod hcp;
mod infisical;
mod npm;
mod octo_sts;
mod openai;
mod openrouter;
mod pypi;
mod snowflake;
mod tailscale;

use carnet_jose::Algorithm;
use carnet_oauth::trust::{Check, Manner, Matching};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    face::{Face, Fixed, Given, Presented, Reason, Resource},
    reply::{Failure, Style},
    resource::{Served, Visit},
    tokens::Session,
};

/// All of them. A host that two claim belongs to the first: the account's console of Databricks looks like a workspace.
pub(crate) static FACES: [&Face; 13] = [
    &claude::FACE,
    &crates_io::FACE,
    &databricks::ACCOUNT,
    &databricks::WORKSPACE,
    &hcp::FACE,
    &infisical::FACE,
    &npm::FACE,
    &octo_sts::FACE,
    &openai::FACE,
    &openrouter::FACE,
    &pypi::FACE,
    &snowflake::FACE,
    &tailscale::FACE,
];

/// The party of this name.
pub(crate) fn find(name: &str) -> Option<&'static Face> {
    FACES.into_iter().find(|face| face.name == name)
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Where the documentation does not say, what is usual: RS256 and ES256.
const USUAL_ALGORITHMS: &[Algorithm] = &[Algorithm::Rs256, Algorithm::Es256];

/// A grant by token exchange (RFC 8693, 2.1).
const fn grant_type(value: &'static [&'static str]) -> Fixed {
    Fixed { name: "grant_type", values: value, required: true, otherwise: Reason::Grant }
}

/// `subject_token_type` (RFC 8693, 2.1).
const SUBJECT_TOKEN_TYPE: Fixed =
    Fixed { name: "subject_token_type", values: &[JWT, ID_TOKEN], required: true, otherwise: Reason::Value };

/// How most parties look at tokens: exact texts, half a minute of tolerance, which nobody documents.
const fn manner(audience: Option<&'static str>) -> Manner {
    Manner {
        matching: Matching::Exact,
        order: [Check::Audience, Check::Subject, Check::Claims],
        leeway: SignedDuration::from_secs(30),
        expiry_needed: true,
        audience,
    }
}

/// The resource of a party of which nothing but the token counts: it says whose it is, in the place of its own matters.
const fn whose_it_is(path: &'static str, style: Style) -> Resource {
    Resource { method: "GET", path, presented: Presented::Bearer, style, serve: whose }
}

#[expect(clippy::unnecessary_wraps, reason = "the resources of others refuse")]
fn whose(visit: &Visit<'_>) -> Result<Served, Failure> {
    let Session { party, principal, expires, .. } = visit.session;
    Ok(Served::body(json!({ "party": party, "principal": principal, "expires": expires.to_string() })))
}

/// The answer of RFC 8693, 2.2.1.
fn exchanged(given: &Given<'_>, scope: &str) -> Value {
    json!({
        "access_token": given.token,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": given.life,
        "scope": scope,
    })
}
