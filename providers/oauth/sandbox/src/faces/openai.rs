//! OpenAI, "Workload identity token exchange" (developers.openai.com/api/reference/workload-identity-federation): the
//! request, the claims, the longest life and five categories of errors (missing parameter, type, provider,
//! verification, mapping). UNCONFIRMED: the codes and the words; those of RFC 6749, 5.2 are used.

use carnet_sandbox_kit::Host;
use serde_json::Value;

use super::{SUBJECT_TOKEN_TYPE, TOKEN_EXCHANGE, USUAL_ALGORITHMS, exchanged, grant_type, manner, whose_it_is};
use crate::{
    face::{Body, Entrance, Face, Given, Key, Life, Lookup, Reason, Refuse, Replay, Shown, USUAL, refuse},
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "openai",
    service: "oauth-openai",
    hosts: &[Host::Exact("auth.openai.com"), Host::Exact("api.openai.com")],
    entrance: Entrance {
        method: "POST",
        path: "/oauth/token",
        bodies: &[Body::Json],
        token: Shown::Member("subject_token"),
        fixed: &[grant_type(&[TOKEN_EXCHANGE]), SUBJECT_TOKEN_TYPE],
        required: &["identity_provider_id", "service_account_id"],
        most: USUAL,
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["identity_provider_id", "service_account_id"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "aud", "sub", "exp", "iat"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: true },
    prefix: "sk-wif-",
    success: 200,
    answer,
    style: Style::Oauth,
    refuse: words,
    resources: &[whose_it_is("/v1/models", Style::Oauth)],
    documents: &[],
};

fn answer(given: &Given<'_>) -> Value {
    exchanged(given, "api")
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body => refuse(400, "invalid_request", "The request body is malformed."),
        Reason::Missing => refuse(400, "invalid_request", "Missing required parameter: {wanted}."),
        Reason::TooLarge => refuse(413, "invalid_request", "Request too large."),
        Reason::Grant => refuse(400, "unsupported_grant_type", "Unsupported grant type."),
        Reason::Value => refuse(400, "invalid_request", "Unsupported subject token type."),
        Reason::Target => refuse(400, "invalid_request", "Unknown identity provider."),
        Reason::NoTrust | Reason::Subject | Reason::Claims | Reason::Disabled | Reason::Members => {
            refuse(400, "invalid_grant", "No enabled mapping of this service account matches the subject token.")
        }
        Reason::Keys => refuse(503, "temporarily_unavailable", "The issuer's keys could not be read."),
        _ => refuse(400, "invalid_grant", "Subject token verification failed."),
    }
}
