//! Infisical, `identity-oidc-auth-service.ts` of Infisical/infisical and "OIDC Auth"
//! (infisical.com/docs/documentation/platform/identities/oidc-auth/general): order, statuses and words; no tolerance
//! for clocks; the keys are fetched before the token is looked at; `*` does not cross `/`. UNCONFIRMED: the words of
//! bodies that are no login (422).

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
    reply::Style,
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
    resource: Some(Resource { method: "GET", path: "/api/v4/secrets", presented: Presented::Bearer }),
    documents: &[],
};

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
