//! Join tokens.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use carnet_attest::join_token::{PREFIX, hash};
use carnet_core::{Secret, hex};
use carnet_entries::JoinTokenDraft;
use carnet_spiffe::Selector;
use carnet_store::JoinTokenRow;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    access::Operator,
    answer::Failure,
    change::{Change, Done},
    input::{Body, Name, Query},
    page::{Page, PageQuery},
    route::Route,
};

/// A join token, by its digest.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct JoinTokenView {
    /// SHA-256 of the token, hexadecimal.
    hash: String,
    /// Name that the agent gets, when one was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_path: Option<String>,
    /// When it is of no use any more.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// Selectors that the node gets.
    selectors: Vec<String>,
}

/// A join token as it is asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JoinTokenRequest {
    /// Name that the agent gets, one or more segments: `web/1` makes `…/carnet/agent/join-token/web/1`.
    #[serde(default)]
    agent_path: Option<String>,
    /// Life in seconds: 600 unless given, at most seven days.
    #[serde(default)]
    ttl: Option<u32>,
    /// What the node is said to be, each `kind:value`.
    #[serde(default)]
    selectors: BTreeSet<Selector>,
}

/// A join token that was made. It is shown this once.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct NewJoinToken {
    /// What the agent shows.
    token: String,
    /// SHA-256 of the token, hexadecimal, by which it is deleted.
    hash: String,
    /// When it is of no use any more.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// The identity that the agent will have.
    agent: String,
}

pub(crate) fn routes() -> Vec<Route> {
    let all = "/v1/join-tokens";
    vec![
        Route::new::<Page<JoinTokenView>>(
            Method::GET,
            all,
            "listJoinTokens",
            "Join tokens that are still good, by the digest.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<NewJoinToken>(
            Method::POST,
            all,
            "createJoinToken",
            "Makes a join token, good for one node. It is in this answer and nowhere else.",
            post(create),
        )
        .body::<JoinTokenRequest>()
        .created(),
        Route::new::<Change>(
            Method::DELETE,
            "/v1/join-tokens/{hash}",
            "deleteJoinToken",
            "Takes a join token away before it is used.",
            delete(remove),
        ),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<JoinTokenView>>, Failure> {
    let mut tokens: Vec<_> = admin.parts.nodes.join_tokens().await?.into_iter().map(JoinTokenView::from).collect();
    tokens.sort_by(|a, b| a.hash.cmp(&b.hash));
    Ok(Json(Page::of(tokens, &query, |token| token.hash.clone())?))
}

async fn create(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Body(request): Body<JoinTokenRequest>,
) -> Result<Response, Failure> {
    let draft = JoinTokenDraft {
        agent_path: request.agent_path,
        ttl: request.ttl.map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
        selectors: request.selectors,
    };
    let made = admin.parts.nodes.create_join_token(draft, &operator.by()).await?;
    let answer = NewJoinToken {
        hash: hex(&hash(&made.token)),
        token: made.token.expose().to_owned(),
        expires_at: made.expires_at,
        agent: made.agent.to_string(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
) -> Result<Json<Change>, Failure> {
    let digest = digest(&name).ok_or_else(|| Failure::invalid("a digest has 64 hexadecimal digits").field("hash"))?;
    admin.parts.nodes.delete_join_token(digest, &operator.by()).await?;
    Ok(Json(Change { action: Done::Deleted, dry_run: false, revision: None, warnings: Vec::new() }))
}

/// By what a join token is deleted: its digest, hexadecimal. `text` is the token itself, or that digest, which stays as it is.
pub fn join_token_digest(text: &str) -> String {
    if text.starts_with(PREFIX) { hex(&hash(&Secret::new(text.to_owned()))) } else { text.to_owned() }
}

/// A digest in hexadecimal.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

impl From<JoinTokenRow> for JoinTokenView {
    fn from(row: JoinTokenRow) -> Self {
        let JoinTokenRow { hash, agent_path, expires_at, selectors } = row;
        Self { hash: hex(&hash), agent_path, expires_at, selectors }
    }
}
