//! Trusted issuers.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use carnet_issuer::{Rule, TrustedIssuer};
use carnet_store::{Object, ObjectKind};
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
    /// Where it is from: `api`, or the path of the file that it stands in.
    origin: String,
    /// Of its last change. Absent when it stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
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
            "The trusted issuers, by their `iss`: those that were put here, and those of files as they count.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<IssuerView>(Method::GET, one, "getIssuer", "One issuer. `ETag` is its revision, if it was put here.", get(read)),
        Route::new::<Change>(
            Method::PUT,
            one,
            "putIssuer",
            "Says how tokens of an issuer are verified. Refused, with all mistakes, when the rules together would not be taken; and when it stands in a file.",
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
    let mut views = objects.iter().map(IssuerView::of).collect::<Result<Vec<_>, Failure>>()?;
    views.extend(admin.parts.rules.issuers_of_files().await.into_iter().map(IssuerView::of_file));
    views.sort_by(|a, b| a.issuer.issuer.cmp(&b.issuer.issuer));
    Ok(Json(Page::of(views, &query, |view| view.issuer.issuer.clone())?))
}

async fn read(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Failure> {
    if let Some(object) = admin.parts.store.object(ObjectKind::Issuer, name.clone()).await? {
        return Ok((etag(object.revision), Json(IssuerView::of(&object)?)).into_response());
    }
    let of_file = admin.parts.rules.issuers_of_files().await.into_iter().find(|(issuer, _)| issuer.issuer == name);
    let found = of_file.ok_or_else(|| change::none_here("issuer"))?;
    Ok(Json(IssuerView::of_file(found)).into_response())
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
    admin.issuer_is_of_no_file(&name).await?;
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
    admin.issuer_is_of_no_file(&name).await?;
    let mut rules: Vec<Rule> = admin.parts.rules.of_files().await.into_iter().map(|(rule, _)| rule).collect();
    for object in admin.parts.store.objects(ObjectKind::Rule).await? {
        rules.push(change::read(&object)?);
    }
    for rule in rules {
        if rule.issuer == name || rule.actors.iter().any(|actor| actor.issuer == name) {
            let failure = Failure::conflict(format!("the rule {} names this issuer", rule.name));
            return Err(failure.hint("delete the rule first"));
        }
    }
    let change = admin.remove(target(&name), precondition, query.dry_run, &operator).await?;
    drop(one_at_a_time);
    Ok(Json(change))
}

impl IssuerView {
    fn of(object: &Object) -> Result<Self, Failure> {
        Ok(Self { origin: change::API.to_owned(), revision: Some(object.revision), issuer: change::read(object)? })
    }

    fn of_file((issuer, path): (TrustedIssuer, PathBuf)) -> Self {
        Self { origin: path.display().to_string(), revision: None, issuer }
    }
}

impl Admin {
    async fn issuer_is_of_no_file(&self, name: &str) -> Result<(), Failure> {
        let of_file = self.parts.rules.issuers_of_files().await.into_iter().find(|(issuer, _)| issuer.issuer == name);
        of_file.map_or(Ok(()), |(_, path)| Err(change::stands_in_a_file("issuer", &path).field("issuer")))
    }
}

fn target(name: &str) -> Target<'_> {
    Target { kind: ObjectKind::Issuer, what: "issuer", name }
}
