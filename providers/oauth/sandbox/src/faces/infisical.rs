//! Infisical, `identity-oidc-auth-service.ts` of Infisical/infisical and "OIDC Auth"
//! (infisical.com/docs/documentation/platform/identities/oidc-auth/general): order, statuses and words; no tolerance
//! for clocks; the keys are fetched before the token is looked at; `*` does not cross `/`. The words about projects are
//! in `permission-service.ts`, the form in `error-handler.ts`. UNCONFIRMED: the words of bodies that are no login
//! (422).

use carnet_oauth::trust::{Check, Manner, Matching};
use carnet_sandbox_kit::Host;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource, Shown, USUAL,
        refuse,
    },
    reply::{Failure, Style},
    resource::{Serve, Served, Visit},
    seed::{INFISICAL_NEIGHBOUR, INFISICAL_PROJECT},
};

/// How long a token lives unless it is configured: 30 days. The answer says so even if the real life is another.
const THIRTY_DAYS: i64 = 2_592_000;

pub(crate) static FACE: Face = Face {
    name: "infisical",
    service: "oauth-infisical",
    hosts: &[Host::Exact("app.infisical.com"), Host::Exact("eu.infisical.com"), Host::Exact("us.infisical.com")],
    entrance: Entrance {
        method: "POST",
        path: "/api/v1/auth/oidc-auth/login",
        bodies: &[Body::Json],
        token: Shown::Member("jwt"),
        fixed: &[],
        required: &["identityId"],
        most: USUAL,
    },
    lookup: Lookup::TrustAndKeys,
    key: Key::Members(&["identityId"]),
    algorithms: USUAL_ALGORITHMS,
    kid: false,
    needed: &[],
    manner: Manner {
        matching: Matching::Segments,
        order: [Check::Subject, Check::Audience, Check::Claims],
        leeway: SignedDuration::ZERO,
        expiry_needed: false,
        ..manner(None)
    },
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: THIRTY_DAYS, longest: 315_360_000, ends_with_token: false },
    prefix: "infisical-",
    success: 200,
    answer,
    style: Style::Infisical,
    refuse: words,
    resources: &[secrets_at("/api/v4/secrets", by_project), secrets_at("/api/v3/secrets/raw", by_workspace)],
    documents: &[],
};

const fn secrets_at(path: &'static str, serve: Serve) -> Resource {
    Resource { method: "GET", path, presented: Presented::Bearer, style: Style::Infisical, serve }
}

fn by_project(visit: &Visit<'_>) -> Result<Served, Failure> {
    secrets(visit, "projectId")
}

/// As clients ask that know projects by their former name.
fn by_workspace(visit: &Visit<'_>) -> Result<Served, Failure> {
    secrets(visit, "workspaceId")
}

/// Of the identities' project there is one secret, which says whose the token is.
fn secrets(visit: &Visit<'_>, name: &str) -> Result<Served, Failure> {
    let (asked, own) = (visit.query(name).unwrap_or_default(), INFISICAL_PROJECT);
    let environment = visit.query("environment").unwrap_or_default();
    match asked.as_str() {
        INFISICAL_PROJECT => Ok(Served::body(json!({
            "secrets": [{
                "id": "c0ffee00-0000-4000-8000-00000000005e", "_id": "c0ffee00-0000-4000-8000-00000000005e",
                "workspace": own, "environment": environment, "version": 1, "type": "shared",
                "secretKey": "WHO", "secretValue": visit.session.principal, "secretComment": "",
                "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
            }],
            "imports": [],
        }))),
        INFISICAL_NEIGHBOUR => Err(Failure::policy(refuse(403, "ProjectMembershipNotFound", NO_MEMBER), &asked, own)),
        "" => Err(Failure::request(refuse(422, "ValidationFailure", "Required"), format!("no `{name}`"), name)),
        _ => Err(Failure::policy(refuse(404, "NotFound", "Project with {seen} not found"), &asked, own)),
    }
}

const NO_MEMBER: &str = "You are not a member of this project with ID {seen}. Please assign this identity to the project with \
                         the appropriate permissions, then try again.";

fn answer(given: &Given<'_>) -> Value {
    json!({
        "accessToken": given.token,
        "expiresIn": given.life,
        "accessTokenMaxTTL": given.trust.life.unwrap_or(THIRTY_DAYS),
        "tokenType": "Bearer",
    })
}

fn words(reason: Reason) -> Refuse {
    let denied = |words| refuse(401, "UnauthorizedError", words);
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(422, "ValidationFailure", "Required"),
        Reason::TooLarge => refuse(413, "BadRequest", "Request body is too large"),
        Reason::Target | Reason::NoTrust => {
            refuse(404, "NotFound", "OIDC auth method not found for identity, did you configure OIDC auth?")
        }
        Reason::Keys => denied("Access denied: Failed to fetch OIDC discovery document from {wanted}."),
        Reason::Form => denied("Invalid JWT"),
        Reason::NoKey => denied("Access denied: Unable to verify JWT signature. The signing key was not found."),
        Reason::Signature => denied("Access denied: invalid signature"),
        Reason::Algorithm => denied("Access denied: invalid algorithm"),
        Reason::Issuer => denied("Access denied: jwt issuer invalid. expected: {wanted}"),
        Reason::Expired => denied("Access denied: jwt expired"),
        Reason::NotYet => denied("Access denied: jwt not active"),
        Reason::Subject => refuse(403, "ForbiddenError", "Access denied: OIDC subject not allowed."),
        Reason::Audience => denied("Access denied: OIDC audience not allowed."),
        Reason::Claims => denied("Access denied: OIDC claim not allowed."),
        _ => denied("You are not allowed to access this resource"),
    }
}
