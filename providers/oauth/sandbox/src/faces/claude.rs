//! Claude (Anthropic), "WIF reference" (platform.claude.com/docs/en/manage-claude/wif-reference): request, answer and
//! the beginning of tokens. UNCONFIRMED: the form of refusals and that they do not tell the reason (RFC 6749, 5.2
//! here); that a token counts once (d.spirl.com, "Claude federation"); the usual life.

use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{JWT_BEARER, USUAL_ALGORITHMS, grant_type, manner, whose_it_is};
use crate::{
    face::{Body, Entrance, Face, Given, Key, Life, Lookup, Reason, Refuse, Replay, Shown, USUAL, refuse},
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "claude",
    service: "oauth-claude",
    hosts: &[Host::Exact("api.anthropic.com")],
    entrance: Entrance {
        method: "POST",
        path: "/v1/oauth/token",
        bodies: &[Body::Json],
        token: Shown::Member("assertion"),
        fixed: &[grant_type(&[JWT_BEARER])],
        required: &["federation_rule_id", "organization_id", "service_account_id"],
        most: USUAL,
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["federation_rule_id"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Once,
    life: Life { usual: 3600, longest: 3600, ends_with_token: false },
    prefix: "sk-ant-oat01-",
    success: 200,
    answer,
    style: Style::Oauth,
    refuse: words,
    resources: &[whose_it_is("/v1/models", Style::Oauth)],
    documents: &[],
};

fn answer(given: &Given<'_>) -> Value {
    json!({
        "access_token": given.token,
        "token_type": "Bearer",
        "expires_in": given.life,
        "scope": "workspace:inference",
    })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(400, "invalid_request", "Malformed request."),
        Reason::TooLarge => refuse(413, "invalid_request", "Request too large."),
        Reason::Grant => refuse(400, "unsupported_grant_type", "Unsupported grant type."),
        Reason::Keys => refuse(503, "temporarily_unavailable", "The issuer's keys could not be read."),
        // One answer, so that a stranger cannot feel the way to a rule.
        _ => refuse(400, "invalid_grant", "The assertion was not accepted by the federation rule."),
    }
}
