//! Federated trust domains.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use carnet_core::Mistake;
use carnet_discovery::{DomainStatus, EndpointProfile, Relationship};
use carnet_spiffe::{Bundle, TrustDomain};
use carnet_store::ObjectKind;
use jiff::Timestamp;
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
use crate::StoredForeign;

/// A federated trust domain and how it is doing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct DomainView {
    /// Its name.
    trust_domain: String,
    /// Of its last change. Absent when it is configured in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// Where its bundle is. Absent when it is configured in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    federation: Option<StoredForeign>,
    /// When its bundle was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    last_success: Option<Timestamp>,
    /// Why it was not, since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// How often in a row it was not.
    failures: u32,
    /// Sequence number of what is believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

/// What came of looking for another bundle.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Refreshed {
    /// Whether it was another one.
    changed: bool,
}

pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v1/federation", "/v1/federation/{trust_domain}");
    vec![
        Route::new::<Page<DomainView>>(
            Method::GET,
            all,
            "listFederation",
            "Federated trust domains, those of the configuration too.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<DomainView>(Method::GET, one, "getFederation", "One federated trust domain.", get(read)),
        Route::new::<Change>(
            Method::PUT,
            one,
            "putFederation",
            "Federates with a trust domain, or changes where its bundle is.",
            put(write),
        )
        .query::<ChangeQuery>()
        .body::<StoredForeign>()
        .conditional(),
        Route::new::<Change>(
            Method::DELETE,
            one,
            "deleteFederation",
            "Ends the federation: identities of that domain are known no more.",
            delete(remove),
        )
        .query::<ChangeQuery>()
        .conditional(),
        Route::new::<Refreshed>(
            Method::POST,
            "/v1/federation/{trust_domain}/refresh",
            "refreshFederation",
            "Reads the bundle now.",
            post(refresh),
        )
        .body::<Nothing>(),
    ]
}

/// A body or a query that says nothing.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<DomainView>>, Failure> {
    let mut status = admin.parts.federation.status();
    let mut views = Vec::new();
    for object in admin.parts.store.objects(ObjectKind::FederatedDomain).await? {
        let of = object.name.parse::<TrustDomain>().ok().and_then(|domain| status.remove(&domain));
        views.push(view(object.name.clone(), Some((object.revision, change::read(&object)?)), of));
    }
    views.extend(status.into_iter().map(|(domain, status)| view(domain.to_string(), None, Some(status))));
    views.sort_by(|a, b| a.trust_domain.cmp(&b.trust_domain));
    Ok(Json(Page::of(views, &query, |view| view.trust_domain.clone())?))
}

async fn read(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Failure> {
    let domain = trust_domain(&name)?;
    let status = admin.parts.federation.status().remove(&domain);
    let stored = admin.parts.store.object(ObjectKind::FederatedDomain, name.clone()).await?;
    let Some(object) = stored else {
        let known = status.ok_or_else(|| Failure::not_found("there is no federation with this trust domain"))?;
        return Ok(Json(view(name, None, Some(known))).into_response());
    };
    let stored = change::read(&object)?;
    Ok((etag(object.revision), Json(view(name, Some((object.revision, stored)), status))).into_response())
}

async fn write(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
    Body(foreign): Body<StoredForeign>,
) -> Result<Json<Change>, Failure> {
    let domain = trust_domain(&name)?;
    if domain == admin.parts.trust_domain {
        return Err(Failure::invalid("this is the trust domain of the authority itself").field("trust_domain"));
    }
    let stored = admin.parts.store.object(ObjectKind::FederatedDomain, name.clone()).await?;
    if stored.is_none() && admin.parts.federation.status().contains_key(&domain) {
        let failure = Failure::conflict("this trust domain is federated with in the configuration of the authority");
        return Err(failure.hint("change it there: what is configured counts"));
    }
    let mistakes = check(&domain, &foreign);
    if !mistakes.is_empty() {
        return Err(Failure::mistakes(mistakes));
    }
    let body = serde_json::to_value(&foreign).map_err(|error| Failure::internal(format!("write it: {error}")))?;
    Ok(Json(admin.put(target(&name), body, precondition, query.dry_run, &operator).await?))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
) -> Result<Json<Change>, Failure> {
    Ok(Json(admin.remove(target(&name), precondition, query.dry_run, &operator).await?))
}

async fn refresh(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Refreshed>, Failure> {
    let domain = trust_domain(&name)?;
    let known = admin.parts.federation.status().contains_key(&domain)
        || admin.parts.store.object(ObjectKind::FederatedDomain, name.clone()).await?.is_some();
    if !known {
        return Err(Failure::not_found("there is no federation with this trust domain"));
    }
    let record = operator.record(admin.parts.context.now(), "federation.refresh", &name);
    // What is read then is on record by itself, as something that the authority does.
    admin.commit(Vec::new(), record, "federation").await?;
    Ok(Json(Refreshed { changed: admin.parts.federation.refresh(&domain).await? }))
}

/// All mistakes at once.
fn check(domain: &TrustDomain, foreign: &StoredForeign) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut bootstrap = None;
    if foreign.max_age == Some(0) {
        mistakes.push(Mistake::new("max_age", "no token lives for 0 seconds"));
    }
    if let Some(document) = &foreign.bundle {
        match Bundle::parse(domain, document.to_string().as_bytes()) {
            Ok(bundle) => bootstrap = Some(Arc::new(bundle)),
            Err(error) => mistakes.push(Mistake::new("bundle", error.to_string())),
        }
    }
    if let EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } = &foreign.profile
        && endpoint_spiffe_id.trust_domain() == *domain
        && foreign.bundle.is_none()
    {
        let mistake =
            Mistake::new("bundle", "https_spiffe needs a first bundle from elsewhere (SPIFFE Federation, 5.2.2)");
        mistakes.push(mistake.hint("ask the other side for its bundle and send it along"));
    }
    let relationship = Relationship {
        trust_domain: domain.clone(),
        url: foreign.url.clone(),
        profile: foreign.profile.clone(),
        bootstrap,
    };
    mistakes.extend(relationship.check().err().unwrap_or_default());
    mistakes
}

fn trust_domain(name: &str) -> Result<TrustDomain, Failure> {
    name.parse().map_err(|error| Failure::invalid(format!("{error}")).field("trust_domain"))
}

fn view(trust_domain: String, stored: Option<(u64, StoredForeign)>, status: Option<DomainStatus>) -> DomainView {
    let (revision, federation) = stored.unzip();
    let DomainStatus { last_success, last_error, failures, sequence } = status.unwrap_or_default();
    DomainView { trust_domain, revision, federation, last_success, last_error, failures, sequence }
}

fn target(name: &str) -> Target<'_> {
    Target { kind: ObjectKind::FederatedDomain, what: "federation", name }
}
