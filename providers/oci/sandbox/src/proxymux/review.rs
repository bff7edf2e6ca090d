//! What the cluster's API server says of a token.

use carnet_core::{Request, Secret};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::not_believed;
use crate::{call::Call, reply::ApiError, seed::OkeCluster};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// A service account whose token was believed.
pub(super) struct Reviewed {
    pub(super) namespace: String,
    pub(super) account: String,
    pub(super) account_uid: String,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    uid: String,
}

/// Asks it, without an audience: the token must be for the API server itself. Runs on a thread that may block, as all handlers do.
pub(super) fn ask(call: &Call, cluster: &OkeCluster, token: &str) -> Result<Reviewed, ApiError> {
    let url = Url::parse(cluster.api).and_then(|base| base.join(PATH)).map_err(|error| ApiError::internal(&error))?;
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token } });
    let request = Request::post_json(url, &body).bearer(&Secret::new(cluster.reviewer_token));
    let request = request.map_err(|error| ApiError::internal(&error))?;
    let http = &call.state.world().http;
    let response = tokio::runtime::Handle::current().block_on(http.send(request)).map_err(|_away| unavailable())?;
    if response.status != StatusCode::CREATED {
        return Err(unavailable());
    }
    let review: Review = response.json("the token review").map_err(|_form| unavailable())?;
    let Status { authenticated, error, user } = review.status;
    if !authenticated {
        return Err(not_believed(carnet_core::safe_text(&error)));
    }
    let names = user.username.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let (namespace, account) = names.ok_or_else(|| not_believed(carnet_core::safe_text(&user.username)))?;
    Ok(Reviewed { namespace: namespace.to_owned(), account: account.to_owned(), account_uid: user.uid })
}

fn unavailable() -> ApiError {
    let message = "The API server of the cluster is currently unavailable.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
}
