//! Access tokens that were issued.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    routing::{get, post},
};
use carnet_store::{Op, TokenRow};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Admin,
    access::Operator,
    answer::Failure,
    federation::Nothing,
    input::{Body, Name},
    route::Route,
};

/// What is remembered of an access token. The token itself is not.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TokenView {
    /// `jti`.
    id: String,
    /// `sub`.
    subject: String,
    /// Who acts for the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// The rule that allowed it.
    rule: String,
    /// `aud`.
    audiences: Vec<String>,
    /// `iat`.
    #[schemars(with = "String")]
    issued_at: Timestamp,
    /// `exp`.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// The latest that it can be made to last.
    #[schemars(with = "String")]
    max_expires_at: Timestamp,
    /// How often it can still be used; absent without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_left: Option<u64>,
    /// Networks from where it may be used; anywhere when empty.
    networks: Vec<String>,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new::<TokenView>(
            Method::GET,
            "/v1/tokens/{id}",
            "getToken",
            "What is remembered of an access token, by its `jti`.",
            get(read),
        ),
        Route::new::<TokenView>(
            Method::POST,
            "/v1/tokens/{id}/revoke",
            "revokeToken",
            "Revokes an access token. Whoever introspects it is told so from now on.",
            post(revoke),
        )
        .body::<Nothing>(),
    ]
}

async fn read(State(admin): State<Arc<Admin>>, Name(id): Name) -> Result<Json<TokenView>, Failure> {
    Ok(Json(admin.token(&id).await?))
}

async fn revoke(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(id): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TokenView>, Failure> {
    let token = admin.token(&id).await?;
    let now = admin.parts.context.now();
    let mut record = operator.record(now, "token.revoke", &token.subject);
    record.token_id = Some(id.clone());
    admin.commit(vec![Op::RevokeToken { id: id.clone(), now }], record, "token").await?;
    Ok(Json(admin.token(&id).await?))
}

impl Admin {
    async fn token(&self, id: &str) -> Result<TokenView, Failure> {
        let found = self.parts.store.token(id.to_owned()).await?;
        found.map(TokenView::from).ok_or_else(|| {
            Failure::not_found("there is no such token").hint("tokens are known by their jti, until they have expired")
        })
    }
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            subject: row.subject,
            actor: row.actor,
            rule: row.rule,
            audiences: row.audiences,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            max_expires_at: row.max_expires_at,
            uses_left: row.uses_left,
            networks: row.networks,
            revoked_at: row.revoked_at,
        }
    }
}
