//! Trusted issuers.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use carnet_issuer::{Rule, TrustedIssuer};
use carnet_store::ObjectKind;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Admin,
    access::Operator,
    answer::Failure,
    change::{self, Change, ChangeQuery, Target},
    entries::etag,
    input::{Body, Name, Precondition, Query},
    page::{Page, PageQuery},
    route::Route,
};

/// A trusted issuer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct IssuerView {
    /// Of its last change.
    revision: u64,
    /// The issuer.
    issuer: TrustedIssuer,
}

pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v1/issuers", "/v1/issuers/{issuer}");
    vec![
        Route::new::<Page<IssuerView>>(
            Method::GET,
            all,
            "listIssuers",
            "The trusted issuers that were put here, by their `iss`. Those of files are not among them.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<IssuerView>(Method::GET, one, "getIssuer", "One issuer. `ETag` is its revision.", get(read)),
        Route::new::<Change>(
            Method::PUT,
            one,
            "putIssuer",
            "Says how tokens of an issuer are verified. Refused, with all mistakes, when the rules together would not be taken.",
            put(write),
        )
        .query::<ChangeQuery>()
        .body::<TrustedIssuer>()
        .conditional(),
        Route::new::<Change>(
            Method::DELETE,
            one,
            "deleteIssuer",
            "Takes an issuer away. Refused while a rule names it: its tokens would be verified by its discovery document then.",
            delete(remove),
        )
        .query::<ChangeQuery>()
        .conditional(),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<IssuerView>>, Failure> {
    let objects = admin.parts.store.objects(ObjectKind::Issuer).await?;
    let views =
        objects.iter().map(|object| Ok(IssuerView { revision: object.revision, issuer: change::read(object)? }));
    let views = views.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Json(Page::of(views, &query, |view| view.issuer.issuer.clone())?))
}

async fn read(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Failure> {
    let object = admin.object(target(&name)).await?;
    let view = IssuerView { revision: object.revision, issuer: change::read(&object)? };
    Ok((etag(view.revision), Json(view)).into_response())
}

async fn write(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
    Body(issuer): Body<TrustedIssuer>,
) -> Result<Json<Change>, Failure> {
    if issuer.issuer != name {
        return Err(Failure::invalid("it is not the issuer in the path").field("issuer"));
    }
    let one_at_a_time = admin.changing_rules.lock().await;
    admin.check_issuer(&issuer)?;
    admin.parts.rules.check(&[], std::slice::from_ref(&issuer)).await?;
    let body =
        serde_json::to_value(&issuer).map_err(|error| Failure::internal(format!("write the issuer: {error}")))?;
    let change = admin.put(target(&name), body, precondition, query.dry_run, &operator).await?;
    drop(one_at_a_time);
    Ok(Json(change))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
) -> Result<Json<Change>, Failure> {
    let one_at_a_time = admin.changing_rules.lock().await;
    for object in admin.parts.store.objects(ObjectKind::Rule).await? {
        let rule: Rule = change::read(&object)?;
        if rule.issuer == name || rule.actors.iter().any(|actor| actor.issuer == name) {
            let failure = Failure::conflict(format!("the rule {} names this issuer", rule.name));
            return Err(failure.hint("delete the rule first"));
        }
    }
    let change = admin.remove(target(&name), precondition, query.dry_run, &operator).await?;
    drop(one_at_a_time);
    Ok(Json(change))
}

fn target(name: &str) -> Target<'_> {
    Target { kind: ObjectKind::Issuer, what: "issuer", name }
}
