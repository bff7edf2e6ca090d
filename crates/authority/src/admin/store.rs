//! The store itself: the time that it goes by when it forgets.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::Method,
    routing::{get, post},
};
use carnet_store::{Op, StoreClock};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Admin, access::Operator, answer::Failure, input::Body, route::Route};
use crate::store_clock;

/// How far the clocks of an operator and of the authority may be apart for the time to be believed.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// The time that the store goes by when it forgets, and up to where it has forgotten.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ClockView {
    /// The time by the authority's clock.
    #[schemars(with = "String")]
    now: Timestamp,
    /// The time that the store goes by: it follows the clock in small steps. Absent before the first row of the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    believed: Option<Timestamp>,
    /// How far that is behind the clock, in seconds.
    behind_seconds: i64,
    /// Single-use tokens that end by this time are refused: whether they were used may have been forgotten. That is of no matter
    /// unless it lies ahead.
    #[schemars(with = "String")]
    forgotten: Timestamp,
}

/// The time, as whoever asks has it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BelieveRequest {
    /// The time by the operator's clock (RFC 3339). It must be within five minutes of that of the authority, which is the one that is taken.
    #[schemars(with = "String")]
    now: Timestamp,
    /// Also take single-use tokens again that end more than an hour from now, although the store may have forgotten whether they were
    /// used: after a clock that was ahead.
    #[serde(default)]
    reopen: bool,
}

pub(crate) fn routes() -> Vec<Route> {
    let path = "/v1/store/clock";
    vec![
        Route::new::<ClockView>(
            Method::GET,
            path,
            "getStoreClock",
            "The time that the store goes by when it forgets.",
            get(show),
        ),
        Route::new::<ClockView>(
            Method::POST,
            path,
            "believeClock",
            "Has the store take the authority's clock as right at once: for a store that began, or has long been, with a wrong one.",
            post(believe),
        )
        .body::<BelieveRequest>(),
    ]
}

async fn show(State(admin): State<Arc<Admin>>) -> Result<Json<ClockView>, Failure> {
    let clock = admin.parts.store.clock().await?;
    Ok(Json(ClockView::of(&clock, admin.parts.context.now())))
}

async fn believe(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Body(request): Body<BelieveRequest>,
) -> Result<Json<ClockView>, Failure> {
    let now = admin.parts.context.now();
    if now.duration_since(request.now).abs() > APART {
        let message = format!("the clock of the authority says {now}, and yours {}", request.now);
        return Err(Failure::conflict(message).field("now").hint("set the one that is wrong, then ask again"));
    }
    let StoreClock { believed, forgotten } = admin.parts.store.clock().await?;
    let mut record = operator.record(now, "store.believe-clock", "");
    record.details.insert("believed".to_owned(), json!(believed));
    record.details.insert("forgotten".to_owned(), json!(forgotten));
    record.details.insert("reopen".to_owned(), json!(request.reopen));
    admin.commit(vec![Op::BelieveClock { now, reopen: request.reopen }], record, "clock").await?;
    let clock = admin.parts.store.clock().await?;
    store_clock::report(&admin.parts.health.component(store_clock::COMPONENT), &clock, now);
    tracing::warn!(%now, was = ?believed, reopen = request.reopen, "the store goes by this machine's clock, as an operator has asked");
    Ok(Json(ClockView::of(&clock, now)))
}

impl ClockView {
    fn of(clock: &StoreClock, now: Timestamp) -> Self {
        let behind_seconds = clock.behind(now).as_secs();
        Self { now, believed: clock.believed, behind_seconds, forgotten: clock.forgotten }
    }
}
