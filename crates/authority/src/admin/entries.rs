//! Registration entries.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use carnet_attest::Registration;
use carnet_entries::{API, Draft, FileEntry, Filter, Owned};
use carnet_spiffe::{Selector, SpiffeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    access::Operator,
    answer::{ErrorCode, Failure},
    change::{Change, ChangeQuery, Done},
    input::{self, Body, Name, Precondition, Query},
    page::{Page, limit},
    route::Route,
};

/// A registration entry with its owner.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct EntryView {
    /// Who keeps it: `api`, or the label of the file that it stands in.
    owner: String,
    /// The entry. Of a dry run without an `id` the `id` is empty.
    entry: Registration,
    /// Whether it was only looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Which entries. All that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EntryQuery {
    /// The identity given, or template of it, byte for byte.
    #[serde(default)]
    spiffe_id: Option<String>,
    /// The parent.
    #[serde(default)]
    parent_id: Option<SpiffeId>,
    /// A selector that the entry has; may come several times.
    #[serde(default, deserialize_with = "input::list")]
    selector: Vec<String>,
    /// The owner.
    #[serde(default)]
    owner: Option<String>,
    /// Only what comes after this `id`.
    #[serde(default)]
    after: Option<String>,
    /// Most items, 1 to 1000; 100 unless given.
    #[serde(default, deserialize_with = "input::number")]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v1/entries", "/v1/entries/{id}");
    vec![
        Route::new::<Page<EntryView>>(
            Method::GET,
            all,
            "listEntries",
            "Registration entries, by their `id`.",
            get(list),
        )
        .query::<EntryQuery>(),
        Route::new::<EntryView>(
            Method::POST,
            all,
            "createEntry",
            "Makes an entry. Without an `id` it gets one.",
            post(create),
        )
        .query::<ChangeQuery>()
        .body::<FileEntry>()
        .created(),
        Route::new::<EntryView>(Method::GET, one, "getEntry", "One entry. `ETag` is its revision.", get(read)),
        Route::new::<EntryView>(
            Method::PUT,
            one,
            "updateEntry",
            "Replaces an entry. `If-Match` must be given.",
            put(update),
        )
        .query::<ChangeQuery>()
        .body::<FileEntry>()
        .conditional(),
        Route::new::<Change>(
            Method::DELETE,
            one,
            "deleteEntry",
            "Takes an entry away. SVIDs that were issued for it live on until they expire.",
            delete(remove),
        )
        .query::<ChangeQuery>(),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<EntryQuery>,
) -> Result<Json<Page<EntryView>>, Failure> {
    let limit = limit(query.limit)?;
    let selectors = query.selector.iter().map(|text| text.parse::<Selector>());
    let selectors = selectors.collect::<Result<_, _>>();
    let filter = Filter {
        spiffe_id: query.spiffe_id,
        parent_id: query.parent_id,
        selectors: selectors.map_err(|error| Failure::invalid(error.to_string()).field("selector"))?,
        owner: query.owner,
    };
    // The index has no more than its own page, so whether there is more is asked of it apart.
    let found = admin.parts.entries.list(&filter, query.after.as_deref(), limit);
    let last = found.last().map(|owned| owned.entry.id.clone()).filter(|_| found.len() == limit);
    let next = last.filter(|last| !admin.parts.entries.list(&filter, Some(last), 1).is_empty());
    Ok(Json(Page { items: found.iter().map(|owned| EntryView::from(&**owned)).collect(), next }))
}

async fn create(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Query(query): Query<ChangeQuery>,
    Body(entry): Body<FileEntry>,
) -> Result<Response, Failure> {
    let draft = Draft::api(registration(entry, None)?);
    if query.dry_run {
        return Ok(looked_at(&admin.parts.entries.try_create(draft)?));
    }
    let made = admin.parts.entries.create(draft, &operator.by()).await?;
    Ok((StatusCode::CREATED, shown(&made)).into_response())
}

async fn read(State(admin): State<Arc<Admin>>, Name(id): Name) -> Result<Response, Failure> {
    let found = admin.parts.entries.get(&id).ok_or_else(no_entry)?;
    Ok(shown(&found))
}

async fn update(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(id): Name,
    Query(query): Query<ChangeQuery>,
    precondition: Precondition,
    Body(entry): Body<FileEntry>,
) -> Result<Response, Failure> {
    let expect = match precondition {
        Precondition::Revision(revision) => Some(revision),
        Precondition::Any => None,
        Precondition::None | Precondition::Absent => {
            let (status, code) = (StatusCode::PRECONDITION_REQUIRED, ErrorCode::PreconditionRequired);
            let failure = Failure::new(status, code, "say which revision is replaced").field("If-Match");
            return Err(failure.hint("send the ETag that came with the entry as If-Match, or `*` for any"));
        }
    };
    admin.own_entry(&id)?;
    let entry = registration(entry, Some(id))?;
    if query.dry_run {
        return Ok(looked_at(&admin.parts.entries.try_update(entry, expect)?));
    }
    let changed = admin.parts.entries.update(entry, expect, &operator.by()).await?;
    Ok(shown(&changed))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(id): Name,
    Query(query): Query<ChangeQuery>,
) -> Result<Json<Change>, Failure> {
    admin.own_entry(&id)?;
    if query.dry_run {
        return Ok(Json(Change { action: Done::Deleted, dry_run: true, revision: None, warnings: Vec::new() }));
    }
    admin.parts.entries.delete(&id, &operator.by()).await?;
    Ok(Json(Change {
        action: Done::Deleted,
        dry_run: false,
        revision: Some(admin.parts.entries.revision()),
        warnings: Vec::new(),
    }))
}

impl Admin {
    /// What a file says is changed in the file: else it would come back.
    fn own_entry(&self, id: &str) -> Result<(), Failure> {
        let found = self.parts.entries.get(id).ok_or_else(no_entry)?;
        if found.owner == API {
            return Ok(());
        }
        let message = format!("the entry stands in a file of the authority: {}", found.owner);
        Err(Failure::conflict(message).hint("change the file; it is read again by itself"))
    }
}

/// An entry as it was asked for. An `id` in the body must be that of the path.
fn registration(mut entry: FileEntry, id: Option<String>) -> Result<Registration, Failure> {
    if let (Some(path), Some(body)) = (&id, &entry.id)
        && path != body
    {
        return Err(Failure::invalid("it is not the id in the path").field("id"));
    }
    // Without one it would be made of what the entry says, as in a file.
    entry.id = Some(id.or(entry.id).unwrap_or_default());
    Ok(Registration::from(entry))
}

fn no_entry() -> Failure {
    Failure::not_found("there is no such entry")
}

/// Without a revision: it has none.
fn looked_at(owned: &Owned) -> Response {
    Json(EntryView { dry_run: true, ..EntryView::from(owned) }).into_response()
}

/// With its revision, for `If-Match`.
fn shown(owned: &Owned) -> Response {
    (etag(owned.entry.revision), Json(EntryView::from(owned))).into_response()
}

/// The header for a revision.
pub(crate) fn etag(revision: u64) -> HeaderMap {
    let tag = HeaderValue::from_str(&format!("\"{revision}\"")).ok();
    tag.into_iter().map(|tag| (header::ETAG, tag)).collect()
}

impl From<&Owned> for EntryView {
    fn from(owned: &Owned) -> Self {
        Self { owner: owned.owner.clone(), entry: (*owned.entry).clone(), dry_run: false }
    }
}
