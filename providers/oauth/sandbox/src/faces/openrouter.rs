//! OpenRouter, "Workload identity federation"
//! (openrouter.ai/docs/guides/overview/auth/workload-identity-federation.md): request, algorithms, limits, lives and
//! all refusals with their codes. UNCONFIRMED: the words.

use carnet_sandbox_kit::Host;
use serde_json::Value;

use super::{SUBJECT_TOKEN_TYPE, TOKEN_EXCHANGE, USUAL_ALGORITHMS, exchanged, grant_type, manner, whose_it_is};
use crate::{
    face::{Body, Entrance, Face, Fixed, Given, Key, Life, Lookup, Reason, Refuse, Replay, Shown, refuse},
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "openrouter",
    service: "oauth-openrouter",
    hosts: &[Host::Exact("openrouter.ai")],
    entrance: Entrance {
        method: "POST",
        path: "/api/v1/oauth/token",
        bodies: &[Body::Form],
        token: Shown::Member("subject_token"),
        fixed: &[
            grant_type(&[TOKEN_EXCHANGE]),
            SUBJECT_TOKEN_TYPE,
            Fixed { name: "scope", values: &["inference"], required: false, otherwise: Reason::Scope },
        ],
        required: &["federation_policy_id"],
        most: (32 << 10, 16 << 10),
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["federation_policy_id"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 900, longest: 900, ends_with_token: true },
    prefix: "sk-or-wif-",
    success: 200,
    answer,
    style: Style::Oauth,
    refuse: words,
    resources: &[whose_it_is("/api/v1/key", Style::Oauth)],
    documents: &[],
};

fn answer(given: &Given<'_>) -> Value {
    exchanged(given, "inference")
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(400, "invalid_request", "The request is malformed."),
        Reason::Form => refuse(400, "invalid_request", "The subject token is not a JWT."),
        Reason::TooLarge => refuse(413, "invalid_request", "The request is too large."),
        Reason::Grant => refuse(400, "unsupported_grant_type", "Only token exchange is supported."),
        Reason::Scope => refuse(400, "invalid_scope", "Only the scope inference exists."),
        Reason::Keys => refuse(503, "temporarily_unavailable", "The issuer's keys could not be read."),
        _ => refuse(400, "invalid_grant", "The subject token was not accepted."),
    }
}
