//! What takes its time ("Track asynchronous Azure operations"): `Azure-AsyncOperation` says how it goes, `Location`
//! what came of it. Both are found unfinished once, so that a client that does not wait is seen.

use axum::response::Response;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Admin, HOST, error};
use crate::{
    reply::{Answer, empty, guid, json_reply, ok, seconds, with_header},
    seed,
    state::{Inner, Operation},
};

/// What others than whoever began it need on the subscription. UNCONFIRMED which action each service asks for.
const READ: &str = "Microsoft.Resources/subscriptions/operationresults/read";
/// How often it is found unfinished.
const POLLS: u32 = 1;
/// Seconds until the next look. Libraries take half a minute where there is none, or where it is zero.
const RETRY_AFTER: &str = "1";

/// 202 with both addresses.
pub(super) fn begin(admin: &Admin<'_>, inner: &mut Inner, namespace: &str, result: Value) -> Response {
    let id = guid(&admin.state.world);
    inner
        .operations
        .begin(id.clone(), Operation { polls: POLLS, started: admin.now, by: admin.caller.object_id.clone(), result });
    let version = admin.call.parameter("api-version").unwrap_or_default();
    let version: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let base = format!(
        "{}/subscriptions/{}/providers/{namespace}/locations/{}",
        admin.call.origin(HOST),
        seed::SUBSCRIPTION,
        seed::LOCATION
    );
    let address = |kind: &str| format!("{base}/{kind}/{id}?api-version={version}");
    let status = HeaderName::from_static("azure-asyncoperation");
    let response = with_header(empty(StatusCode::ACCEPTED), status, &address("asyncOperations"));
    let response = with_header(response, header::LOCATION, &address("operationResults"));
    with_header(response, header::RETRY_AFTER, RETRY_AFTER)
}

/// How it goes, or what came of it.
pub(super) fn answer(admin: &Admin<'_>, id: &str, result: bool) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let missing = || error(StatusCode::NOT_FOUND, "OperationNotFound", "There is no operation of this id.");
    let mut inner = admin.state.lock();
    let by = inner.operations.get_mut(id).map(|operation| operation.by.clone()).ok_or_else(missing)?;
    if by != admin.caller.object_id {
        admin.permit(&inner, READ, &format!("/subscriptions/{}", seed::SUBSCRIPTION))?;
    }
    let operation = inner.operations.get_mut(id).ok_or_else(missing)?;
    let done = operation.polls == 0;
    operation.polls = operation.polls.saturating_sub(1);
    if result {
        return Ok(match (done, &operation.result) {
            (false, _) => with_header(empty(StatusCode::ACCEPTED), header::RETRY_AFTER, RETRY_AFTER),
            (true, Value::Null) => empty(StatusCode::NO_CONTENT),
            (true, result) => ok(result),
        });
    }
    let mut body = json!({
        "id": admin.call.raw_path,
        "name": id,
        "status": if done { "Succeeded" } else { "InProgress" },
        "startTime": seconds(operation.started),
    });
    if let (true, Some(members)) = (done, body.as_object_mut()) {
        members.insert("endTime".to_owned(), seconds(admin.now).into());
    }
    Ok(with_header(json_reply(StatusCode::OK, &body), header::RETRY_AFTER, RETRY_AFTER))
}
