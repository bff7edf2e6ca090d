//! Tailscale, "Workload identity federation" (tailscale.com/kb/1581/workload-identity-federation): patterns with `*`
//! in subject and claims. The refusal `{"message":"Unauthorized"}` with 403 is seen in tailscale/github-action, issue
//! 227. UNCONFIRMED: the members of request and answer (docs.rs, geiserx_ts_control `wif.rs`); 401 for an unknown
//! client; the words of the others.

use carnet_oauth::trust::{Manner, Matching};
use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner, whose_it_is};
use crate::{
    face::{Body, Entrance, Face, Given, Key, Life, Lookup, Reason, Refuse, Replay, Shown, USUAL, refuse},
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "tailscale",
    service: "oauth-tailscale",
    hosts: &[Host::Exact("api.tailscale.com")],
    entrance: Entrance {
        method: "POST",
        path: "/api/v2/oauth/token-exchange",
        bodies: &[Body::Form],
        token: Shown::Member("jwt"),
        fixed: &[],
        required: &["client_id"],
        most: USUAL,
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["client_id"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: Manner { matching: Matching::Glob, ..manner(None) },
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: false },
    prefix: "tskey-api-",
    success: 200,
    answer,
    style: Style::Message,
    refuse: words,
    resources: &[whose_it_is("/api/v2/tailnet/-/devices", Style::Message)],
    documents: &[],
};

fn answer(given: &Given<'_>) -> Value {
    json!({
        "access_token": given.token,
        "token_type": "Bearer",
        "expires_in": given.life,
        "scope": "devices:core",
    })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(400, "", "invalid request"),
        Reason::TooLarge => refuse(413, "", "request too large"),
        Reason::Target | Reason::NoTrust | Reason::Disabled => refuse(401, "", "API token invalid"),
        Reason::Keys => refuse(502, "", "the issuer's keys could not be read"),
        _ => refuse(403, "", "Unauthorized"),
    }
}
