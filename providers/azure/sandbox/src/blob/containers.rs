//! Containers.

use std::collections::BTreeMap;

use axum::response::Response;
use http::{HeaderName, StatusCode, header};

use super::{CONTAINERS, User, list, place::is_container_name, reply::date};
use crate::{
    reply::{Answer, empty, with_header},
    roles::Action,
    state::{Container, MAX_ENTRIES},
};

/// Answers a request about one container.
pub(super) fn answer(user: &User<'_>, account: &str, container: &str) -> Answer {
    if user.call.parameter("restype") != Some("container") {
        // A blob of the container `$root`, which is not here.
        return Err(user.no_container());
    }
    match (user.call.method.as_str(), user.call.parameter("comp")) {
        ("GET", Some("list")) => list::blobs(user, account, container),
        ("GET" | "HEAD", None) => properties(user, account, container),
        ("PUT", None) => create(user, account, container),
        ("DELETE", None) => delete(user, account, container),
        (_, Some(_)) => Err(user.not_emulated()),
        _ => Err(user.no_method()),
    }
}

fn create(user: &User<'_>, account: &str, name: &str) -> Answer {
    if !is_container_name(name) {
        let message = "The specified resource name contains invalid characters.";
        return Err(user.fail(StatusCode::BAD_REQUEST, "InvalidResourceName", message));
    }
    if user.call.headers.contains_key("x-ms-blob-public-access") {
        let message = "Public access is not permitted on this storage account.";
        return Err(user.fail(StatusCode::CONFLICT, "PublicAccessNotPermitted", message));
    }
    let etag = user.state.etag();
    let mut inner = user.state.lock();
    user.permit(&inner, account, Some(name), Action::Control(&format!("{CONTAINERS}/write")))?;
    let Some(own) = inner.accounts.get_mut(account) else { return Err(user.no_container()) };
    if own.containers.contains_key(name) {
        let message = "The specified container already exists.";
        return Err(user.fail(StatusCode::CONFLICT, "ContainerAlreadyExists", message));
    }
    if own.containers.len() >= MAX_ENTRIES {
        return Err(user.fail(StatusCode::CONFLICT, "QuotaExceeded", "The sandbox holds no more containers."));
    }
    let container = Container { changed: user.now, etag, blobs: BTreeMap::new() };
    let response = described(empty(StatusCode::CREATED), &container);
    own.containers.insert(name.to_owned(), container);
    Ok(response)
}

fn properties(user: &User<'_>, account: &str, name: &str) -> Answer {
    let inner = user.state.lock();
    user.permit(&inner, account, Some(name), Action::Control(&format!("{CONTAINERS}/read")))?;
    let own = inner.accounts.get(account).and_then(|own| own.containers.get(name));
    let own = own.ok_or_else(|| user.no_container())?;
    let response = described(empty(StatusCode::OK), own);
    let response = with_header(response, HeaderName::from_static("x-ms-lease-status"), "unlocked");
    Ok(with_header(response, HeaderName::from_static("x-ms-lease-state"), "available"))
}

fn delete(user: &User<'_>, account: &str, name: &str) -> Answer {
    let mut inner = user.state.lock();
    user.permit(&inner, account, Some(name), Action::Control(&format!("{CONTAINERS}/delete")))?;
    let removed = inner.accounts.get_mut(account).and_then(|own| own.containers.remove(name));
    removed.map(|_| empty(StatusCode::ACCEPTED)).ok_or_else(|| user.no_container())
}

fn described(response: Response, container: &Container) -> Response {
    let response = with_header(response, header::ETAG, &container.etag);
    with_header(response, header::LAST_MODIFIED, &date(container.changed))
}
