//! Trust rules.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use carnet_core::Mistake;
use carnet_issuer::{Rule, RuleSet, TrustedIssuer};
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

/// A trust rule.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct RuleView {
    /// Where it is from: `api`, or the path of the file that it stands in.
    origin: String,
    /// Of its last change. Absent when it stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
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
            "The trust rules, by name: those that were put here, and those of files as they count.",
            get(list),
        )
        .query::<PageQuery>(),
        Route::new::<RuleView>(Method::GET, one, "getRule", "One rule. `ETag` is its revision, if it was put here.", get(read)),
        Route::new::<Change>(
            Method::PUT,
            one,
            "putRule",
            "Puts a rule. It is refused, with all mistakes, when the rules together would not be taken, or it is dangerous; and when one of its name stands in a file.",
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
    let mut rules = objects.iter().map(RuleView::of).collect::<Result<Vec<_>, Failure>>()?;
    rules.extend(admin.parts.rules.of_files().await.into_iter().map(RuleView::of_file));
    rules.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
    Ok(Json(Page::of(rules, &query, |view| view.rule.name.clone())?))
}

async fn read(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Failure> {
    if let Some(object) = admin.parts.store.object(ObjectKind::Rule, name.clone()).await? {
        return Ok((etag(object.revision), Json(RuleView::of(&object)?)).into_response());
    }
    let of_file = admin.parts.rules.of_files().await.into_iter().find(|(rule, _)| rule.name == name);
    let found = of_file.ok_or_else(|| change::none_here("rule"))?;
    Ok(Json(RuleView::of_file(found)).into_response())
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
    admin.rule_is_of_no_file(&name).await?;
    let warnings = admin.check_rule(&rule)?;
    admin.parts.rules.check(std::slice::from_ref(&rule), &[]).await?;
    let body = serde_json::to_value(&rule).map_err(|error| Failure::internal(format!("write the rule: {error}")))?;
    let change = admin.put(target(&name), body, precondition, query.dry_run, &operator).await?;
    drop(one_at_a_time);
    Ok(Json(Change { warnings, ..change }))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(name): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
) -> Result<Json<Change>, Failure> {
    let one_at_a_time = admin.changing_rules.lock().await;
    admin.rule_is_of_no_file(&name).await?;
    let change = admin.remove(target(&name), precondition, query.dry_run, &operator).await?;
    drop(one_at_a_time);
    Ok(Json(change))
}

impl RuleView {
    fn of(object: &Object) -> Result<Self, Failure> {
        Ok(Self { origin: change::API.to_owned(), revision: Some(object.revision), rule: change::read(object)? })
    }

    fn of_file((rule, path): (Rule, PathBuf)) -> Self {
        Self { origin: path.display().to_string(), revision: None, rule }
    }
}

impl Admin {
    async fn rule_is_of_no_file(&self, name: &str) -> Result<(), Failure> {
        let of_file = self.parts.rules.of_files().await.into_iter().find(|(rule, _)| rule.name == name);
        of_file.map_or(Ok(()), |(_, path)| Err(change::stands_in_a_file("rule", &path).field("name")))
    }

    /// The rule by itself, so that each mistake is told with its member. Gives back what is taken and should not be.
    fn check_rule(&self, rule: &Rule) -> Result<Vec<String>, Failure> {
        let checked = RuleSet::load_with(vec![rule.clone()], &[], Some(&self.parts.trust_domain));
        let set = checked.map_err(|mistakes| own_fields(mistakes, "rules[0]."))?;
        let told = |Mistake { field, message, hint, .. }: &Mistake| {
            let hint = hint.as_deref().unwrap_or_default();
            format!("{field}: {message}; {hint}")
        };
        let of_networks = self.parts.rules.told_of_networks(rule);
        Ok(set.warnings().map(|(_, warning)| warning).chain(&of_networks).map(told).collect())
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
