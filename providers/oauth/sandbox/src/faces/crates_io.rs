//! crates.io, `src/controllers/trustpub/tokens/exchange/mod.rs` of rust-lang/crates.io and its documentation of trusted
//! publishing: the order of checks, the texts, 30 minutes, that a token counts once even if it is refused afterwards.
//! Owner and repository are compared with their case here, which crates.io does not do; of its texts about one
//! configuration, one stands for all that do not match. Publishing and the index are those of "Web API" and "Index
//! format" (doc.rust-lang.org/cargo/reference); the words for other crates, for new ones and for unknown tokens are in
//! that repository's `src/tests/krate/publish/trustpub.rs`. UNCONFIRMED: the words for a body that cannot be read.

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
    upload::crate_upload,
};

/// What cargo reads first at the index.
const CONFIG: &str = r#"{"dl": "https://static.crates.io/crates", "api": "https://crates.io"}"#;

pub(crate) static FACE: Face = Face {
    name: "crates-io",
    service: "oauth-crates-io",
    hosts: &[Host::Exact("crates.io"), Host::Exact("index.crates.io")],
    entrance: Entrance {
        method: "POST",
        path: "/api/v1/trusted_publishing/tokens",
        bodies: &[Body::Json],
        token: Shown::Member("jwt"),
        fixed: &[],
        required: &[],
        most: USUAL,
    },
    lookup: Lookup::Token,
    key: Key::Claim(&["repository", "project_path"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "aud", "exp", "jti"],
    manner: Manner { matching: Matching::Glob, ..manner(Some("crates.io")) },
    audience_first: true,
    replay: Replay::OnceEvenIfRefused,
    life: Life { usual: 1800, longest: 1800, ends_with_token: false },
    prefix: "cio_tp_",
    success: 200,
    answer,
    style: Style::Crates,
    refuse: words,
    resources: &[Resource {
        method: "PUT",
        path: "/api/v1/crates/new",
        presented: Presented::Bare,
        style: Style::Crates,
        serve: publish,
    }],
    documents: &[
        Document { path: "/config.json", content: Content::Text(CONFIG) },
        Document { path: "/{first}/{second}/{name}", content: Content::Index },
    ],
};

/// Takes a version of the crate that trusts the token's workflow, and puts it into the index.
fn publish(visit: &Visit<'_>) -> Result<Served, Failure> {
    let release = crate_upload(&visit.call.body).ok_or_else(|| {
        Failure::request(
            refuse(400, "", "invalid upload request"),
            "another body",
            "metadata and a file, each with its length",
        )
    })?;
    let own = &visit.session.principal;
    if !visit.index.knows(&release.name) {
        const WORDS: &str =
            "Trusted Publishing tokens do not support creating new crates. Publish the crate manually, first";
        return Err(Failure::policy(refuse(403, "", WORDS), &release.name, own));
    }
    if release.name != *own {
        const WORDS: &str = "The provided access token is not valid for crate `{seen}`";
        return Err(Failure::policy(refuse(403, "", WORDS), &release.name, own));
    }
    if visit.index.has(&release) {
        const WORDS: &str = "crate version `{seen}` is already uploaded";
        return Err(Failure::request(refuse(400, "", WORDS), release.version, "a new version"));
    }
    let warnings = json!({ "invalid_categories": [], "invalid_badges": [], "other": [] });
    let krate = json!({ "id": release.name, "name": release.name, "max_version": release.version });
    Ok(Served { body: json!({ "crate": krate, "warnings": warnings }), release: Some(release) })
}

fn answer(given: &Given<'_>) -> Value {
    json!({ "token": given.token })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body => refuse(415, "", "Expected request with `Content-Type: application/json`"),
        Reason::Missing | Reason::Value => refuse(422, "", "Failed to deserialize the JSON body into the target type"),
        Reason::TooLarge => refuse(413, "", "Request too large"),
        Reason::Issuer => refuse(400, "", "Unsupported JWT issuer: {seen}"),
        Reason::NoKeyId => refuse(400, "", "Missing JWT key ID"),
        Reason::NoKey => refuse(400, "", "Invalid JWT key ID"),
        Reason::Keys => refuse(500, "", "Failed to load OIDC key set"),
        Reason::Replayed => refuse(400, "", "JWT has already been used"),
        Reason::Target | Reason::NoTrust => {
            refuse(400, "", "No Trusted Publishing config found for repository `{seen}`.")
        }
        Reason::Subject | Reason::Claims | Reason::Members | Reason::Disabled | Reason::Pending => {
            refuse(400, "", "The Trusted Publishing config does not match {seen} in the JWT. Expected: {wanted}")
        }
        _ => refuse(400, "", "Failed to decode JWT"),
    }
}
