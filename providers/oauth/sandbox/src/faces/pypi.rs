//! PyPI, warehouse's `oidc/views.py`, `oidc/models` and "Troubleshooting" of trusted publishers
//! (docs/user/trusted-publishers): paths, codes, words, 15 minutes, that a token counts once, remembered when it was
//! accepted, and that those of GitHub and GitLab must have `jti`. A trust that is switched off plays the switch of a
//! provider; a pending one a pending publisher of a project that exists. Owner and repository are compared with their
//! case here, which PyPI does not do.

use carnet_oauth::trust::{Manner, Matching};
use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource, Shown, USUAL,
        refuse,
    },
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "pypi",
    service: "oauth-pypi",
    hosts: &[Host::Exact("pypi.org"), Host::Exact("upload.pypi.org")],
    entrance: Entrance {
        method: "POST",
        path: "/_/oidc/mint-token",
        bodies: &[Body::Json],
        token: Shown::Member("token"),
        fixed: &[],
        required: &[],
        most: USUAL,
    },
    lookup: Lookup::Token,
    key: Key::Claim(&["repository", "project_path"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: Manner { matching: Matching::Glob, ..manner(Some("pypi")) },
    audience_first: true,
    replay: Replay::OnceById,
    life: Life { usual: 900, longest: 900, ends_with_token: false },
    prefix: "pypi-",
    success: 200,
    answer,
    style: Style::Pypi,
    refuse: words,
    resource: Some(Resource { method: "POST", path: "/legacy/", presented: Presented::Password("__token__") }),
    documents: &[("/_/oidc/audience", r#"{"audience": "pypi"}"#)],
};

fn answer(given: &Given<'_>) -> Value {
    json!({ "success": true, "token": given.token })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => {
            refuse(422, "invalid-payload", "1 validation error for TokenPayload")
        }
        Reason::TooLarge => refuse(413, "invalid-payload", "request too large"),
        Reason::Target | Reason::NoTrust | Reason::Members | Reason::Subject | Reason::Claims => refuse(
            422,
            "invalid-publisher",
            "valid token, but no corresponding publisher (Publisher with matching claims was not found)",
        ),
        Reason::Replayed => refuse(422, "invalid-reuse-token", "invalid token: already used"),
        Reason::Pending => refuse(422, "invalid-pending-publisher", "valid token, but project already exists"),
        Reason::Disabled => refuse(422, "not-enabled", "GitHub-based trusted publishing functionality not enabled"),
        _ => refuse(422, "invalid-token", "malformed or invalid token"),
    }
}
