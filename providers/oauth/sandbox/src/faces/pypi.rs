//! PyPI, warehouse's `oidc/views.py`, `oidc/models` and "Troubleshooting" of trusted publishers
//! (docs/user/trusted-publishers): paths, codes, words, 15 minutes, that a token counts once, remembered when it was
//! accepted, and that those of GitHub and GitLab must have `jti`. A trust that is switched off plays the switch of a
//! provider; a pending one a pending publisher of a project that exists. Owner and repository are compared with their
//! case here, which PyPI does not do. That a token uploads to the projects of its publisher alone, and the words:
//! `OIDCPublisher` of warehouse's `macaroons/caveats`; the form of such a refusal as JSON: astral-sh/uv, `uv-publish`,
//! and WebOb's exceptions. UNCONFIRMED: the words for a form without a name.

use carnet_oauth::trust::{Manner, Matching};
use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Content, Document, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource,
        Shown, USUAL, refuse,
    },
    reply::{Failure, Style},
    resource::{Served, Visit},
    upload::form_field,
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
    resources: &[Resource {
        method: "POST",
        path: "/legacy/",
        presented: Presented::Password("__token__"),
        style: Style::Upload,
        serve: upload,
    }],
    documents: &[Document { path: "/_/oidc/audience", content: Content::Text(r#"{"audience": "pypi"}"#) }],
};

/// Takes a file of the publisher's own project (docs.pypi.org/api/upload); the file itself is not looked at.
fn upload(visit: &Visit<'_>) -> Result<Served, Failure> {
    let kind = visit.call.header("content-type").unwrap_or_default();
    let name = form_field(kind, &visit.call.body, "name").ok_or_else(|| {
        Failure::request(refuse(400, "", "'' is an invalid value for Name."), "no member `name`", "a file's form")
    })?;
    let own = &visit.session.principal;
    if normalized(&name) != normalized(own) {
        const WORDS: &str = "Invalid API Token: OIDC scoped token is not valid for project '{seen}'";
        return Err(Failure::policy(refuse(403, "", WORDS), &name, own));
    }
    Ok(Served::body(json!({})))
}

/// Names of projects that are equal are so after this (PEP 503).
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

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
