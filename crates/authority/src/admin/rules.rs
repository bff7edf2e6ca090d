//! Trust rules.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use carnet_core::Mistake;
use carnet_issuer::{Rule, RuleSet, TrustedIssuer};
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

/// A trust rule.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct RuleView {
    /// Of its last change.
    revision: u64,
    /// The rule.
    rule: Rule,
}

pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v1/rules", "/v1/rules/{name}");
    vec![
        Route::new::<Page<RuleView>>(
            Method::GET,
            all,
            "listRules",
            "The trust rules that were put here, by name. Those of files are not among them.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<RuleView>(Method::GET, one, "getRule", "One rule. `ETag` is its revision.", get(read)),
        Route::new::<Change>(
            Method::PUT,
            one,
            "putRule",
            "Puts a rule. It is refused, with all mistakes, when the rules together would not be taken, or it is dangerous.",
            put(write),
        )
        .query::<ChangeQuery>()
        .body::<Rule>()
        .conditional(),
        Route::new::<Change>(
            Method::DELETE,
            one,
            "deleteRule",
            "Takes a rule away. Tokens that were issued by it live on until they expire.",
            delete(remove),
        )
        .query::<ChangeQuery>()
        .conditional(),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<RuleView>>, Failure> {
    let objects = admin.parts.store.objects(ObjectKind::Rule).await?;
    let rules = objects.iter().map(|object| Ok(RuleView { revision: object.revision, rule: change::read(object)? }));
    let rules = rules.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Json(Page::of(rules, &query, |view| view.rule.name.clone())?))
}

async fn read(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Failure> {
    let object = admin.object(target(&name)).await?;
    let view = RuleView { revision: object.revision, rule: change::read(&object)? };
    Ok((etag(view.revision), Json(view)).into_response())
}

async fn write(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
    Body(rule): Body<Rule>,
) -> Result<Json<Change>, Failure> {
    if rule.name != name {
        return Err(Failure::invalid("it is not the name in the path").field("name"));
    }
    let one_at_a_time = admin.changing_rules.lock().await;
    let stored = admin.parts.store.object(ObjectKind::Rule, name.clone()).await?;
    if stored.is_none() && admin.parts.rules.watch().borrow().rule(&name).is_some() {
        let failure = Failure::conflict("a rule of this name stands in a file of the authority").field("name");
        return Err(failure.hint("change the file, or take another name"));
    }
    admin.check_rule(&rule)?;
    admin.parts.rules.check(std::slice::from_ref(&rule), &[]).await?;
    let body = serde_json::to_value(&rule).map_err(|error| Failure::internal(format!("write the rule: {error}")))?;
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
    Ok(Json(admin.remove(target(&name), precondition, query.dry_run, &operator).await?))
}

impl Admin {
    /// The rule by itself, so that each mistake is told with its member.
    fn check_rule(&self, rule: &Rule) -> Result<(), Failure> {
        let checked = RuleSet::load_with(vec![rule.clone()], &[], Some(&self.parts.trust_domain));
        checked.map(drop).map_err(|mistakes| own_fields(mistakes, "rules[0]."))
    }

    /// The issuer by itself.
    pub(super) fn check_issuer(&self, issuer: &TrustedIssuer) -> Result<(), Failure> {
        let issuers = std::slice::from_ref(issuer);
        let checked = RuleSet::load_with(Vec::new(), issuers, Some(&self.parts.trust_domain));
        checked.map(drop).map_err(|mistakes| own_fields(mistakes, "issuers[0]."))
    }
}

/// Mistakes of a list with one element as mistakes of the element.
fn own_fields(mistakes: Vec<Mistake>, prefix: &str) -> Failure {
    let own = |mistake: Mistake| {
        let field = mistake.field.strip_prefix(prefix).unwrap_or(&mistake.field).to_owned();
        Mistake { field, ..mistake }
    };
    Failure::mistakes(mistakes.into_iter().map(own).collect())
}

fn target(name: &str) -> Target<'_> {
    Target { kind: ObjectKind::Rule, what: "rule", name }
}
