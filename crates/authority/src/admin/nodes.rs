//! Nodes.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    routing::{delete, get, post},
};
use carnet_store::NodeRow;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Admin,
    access::Operator,
    answer::Failure,
    change::{Change, Done},
    federation::Nothing,
    input::{Body, Name, Query},
    page::{Page, PageQuery, limit},
    route::Route,
};

/// A node that has been attested.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct NodeView {
    /// Its SPIFFE ID.
    id: String,
    /// The method of attestation.
    kind: String,
    /// What the attestation found, each `kind:value`.
    selectors: Vec<String>,
    /// When its SVID expires.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// Whether it is turned away.
    banned: bool,
    /// Whether it may attest again.
    reattestable: bool,
    /// When it was last attested.
    #[schemars(with = "String")]
    attested_at: Timestamp,
}

pub(crate) fn routes() -> Vec<Route> {
    let one = "/v1/nodes/{id}";
    vec![
        Route::new::<Page<NodeView>>(Method::GET, "/v1/nodes", "listNodes", "Nodes, by their SPIFFE ID.", get(list))
            .query::<PageQuery>(),
        Route::new::<NodeView>(Method::GET, one, "getNode", "One node.", get(read)),
        Route::new::<NodeView>(
            Method::POST,
            "/v1/nodes/{id}/ban",
            "banNode",
            "Turns a node away, and lets it not attest again. SVIDs of its workloads live on until they expire.",
            post(ban),
        )
        .body::<Nothing>(),
        Route::new::<Change>(
            Method::DELETE,
            one,
            "deleteNode",
            "Forgets a node, and lifts its ban: its agent must attest again, and may.",
            delete(remove),
        ),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<NodeView>>, Failure> {
    let limit = limit(query.limit)?;
    let nodes = admin.parts.nodes.list(query.after, limit).await?;
    let last = nodes.last().map(|node| node.id.clone()).filter(|_| nodes.len() == limit);
    let next = match last {
        Some(last) if !admin.parts.nodes.list(Some(last.clone()), 1).await?.is_empty() => Some(last),
        _ => None,
    };
    Ok(Json(Page { items: nodes.into_iter().map(NodeView::from).collect(), next }))
}

async fn read(State(admin): State<Arc<Admin>>, Name(id): Name) -> Result<Json<NodeView>, Failure> {
    Ok(Json(admin.node(&id).await?))
}

async fn ban(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(id): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<NodeView>, Failure> {
    admin.parts.nodes.ban(&id, &operator.by()).await?;
    Ok(Json(admin.node(&id).await?))
}

async fn remove(State(admin): State<Arc<Admin>>, operator: Operator, Name(id): Name) -> Result<Json<Change>, Failure> {
    admin.parts.nodes.delete(&id, &operator.by()).await?;
    Ok(Json(Change { action: Done::Deleted, dry_run: false, revision: None, warnings: Vec::new() }))
}

impl Admin {
    async fn node(&self, id: &str) -> Result<NodeView, Failure> {
        let found = self.parts.nodes.get(id).await?;
        found.map(NodeView::from).ok_or_else(|| Failure::not_found("there is no such node"))
    }
}

impl From<NodeRow> for NodeView {
    fn from(row: NodeRow) -> Self {
        let NodeRow { id, kind, selectors, expires_at, banned, reattestable, attested_at, .. } = row;
        Self { id, kind, selectors, expires_at, banned, reattestable, attested_at }
    }
}
