//! Access tokens that were issued.

mod revoke;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    routing::{get, post},
};
use carnet_store::{TokenFilter, TokenRow, TokenState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    answer::Failure,
    change::ChangeQuery,
    federation::Nothing,
    input::{self, Name, Query},
    page::{Page, limit},
    route::Route,
};
use revoke::{Revocation, RevokedTokens};

/// What is remembered of an access token. The token itself is not.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TokenView {
    /// `jti`.
    id: String,
    /// How it stands now.
    state: StateView,
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

/// How a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StateView {
    /// It can be used.
    Active,
    /// It has no uses left.
    UsedUp,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// Which tokens. All that is given must hold; texts are compared byte for byte.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenQuery {
    /// `sub`.
    #[serde(default)]
    subject: Option<String>,
    /// The rule that allowed it.
    #[serde(default)]
    rule: Option<String>,
    /// `active`, `used-up`, `revoked` or `expired`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    state: Option<StateView>,
    /// Only what comes after this `id`.
    #[serde(default)]
    after: Option<String>,
    /// Most items, 1 to 1000; 100 unless given.
    #[serde(default, deserialize_with = "input::number")]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new::<Page<TokenView>>(
            Method::GET,
            "/v1/tokens",
            "listTokens",
            "Access tokens that are remembered, by their `jti`. JWT-SVIDs and X509-SVIDs are not remembered, and access tokens no more \
             some time after their end.",
            get(list),
        )
        .query::<TokenQuery>(),
        Route::new::<RevokedTokens>(
            Method::POST,
            "/v1/tokens/revoke",
            "revokeTokens",
            "Revokes the access tokens of a subject, of a rule, or of a subject by a rule: up to a thousand, each with its audit row, and \
             all that are stateless, whose number nobody knows. Those that were issued meanwhile may not be among them: take the rule away \
             first.",
            post(revoke::several),
        )
        .query::<ChangeQuery>()
        .body::<Revocation>(),
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
            post(revoke::one),
        )
        .body::<Nothing>(),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<TokenQuery>,
) -> Result<Json<Page<TokenView>>, Failure> {
    let TokenQuery { subject, rule, state, after, limit: asked } = query;
    let (limit, now) = (limit(asked)?, admin.parts.context.now());
    let filter = TokenFilter { subject, rule, states: state.map(TokenState::from).into_iter().collect(), now };
    let rows = admin.parts.store.tokens(filter, after, limit + 1).await?;
    let views = rows.into_iter().map(|row| TokenView::at(now, row)).collect();
    Ok(Json(Page::cut(views, limit, |view: &TokenView| view.id.clone())))
}

async fn read(State(admin): State<Arc<Admin>>, Name(id): Name) -> Result<Json<TokenView>, Failure> {
    Ok(Json(admin.token(&id).await?))
}

impl Admin {
    async fn token(&self, id: &str) -> Result<TokenView, Failure> {
        let found = self.parts.store.token(id.to_owned()).await?;
        let found = found.ok_or_else(|| {
            Failure::not_found("there is no such token")
                .hint("access tokens are known by their jti until they have expired; SVIDs are not remembered")
        })?;
        Ok(TokenView::at(self.parts.context.now(), found))
    }
}

impl TokenView {
    fn at(now: Timestamp, row: TokenRow) -> Self {
        Self {
            state: row.state(now).into(),
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

impl From<TokenState> for StateView {
    fn from(state: TokenState) -> Self {
        match state {
            TokenState::Active => Self::Active,
            TokenState::UsedUp => Self::UsedUp,
            TokenState::Revoked => Self::Revoked,
            TokenState::Expired => Self::Expired,
        }
    }
}

impl From<StateView> for TokenState {
    fn from(state: StateView) -> Self {
        match state {
            StateView::Active => Self::Active,
            StateView::UsedUp => Self::UsedUp,
            StateView::Revoked => Self::Revoked,
            StateView::Expired => Self::Expired,
        }
    }
}
