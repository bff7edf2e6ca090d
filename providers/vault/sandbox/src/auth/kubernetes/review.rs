//! `POST /apis/authentication.k8s.io/v1/tokenreviews`: does the cluster know a token?

use carnet_core::{HttpSend, Request, Secret};
use carnet_trust::Refusal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Account, Config};

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    audiences: Vec<String>,
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
}

/// Asks the cluster, with the reviewer's token or with the one that logs in.
///
/// # Errors
/// When it cannot be asked, or says no, or means somebody else.
pub(super) async fn ask(
    http: &dyn HttpSend,
    config: &Config,
    audience: &str,
    token: &Secret,
    account: &Account,
) -> Result<(), Box<Refusal>> {
    let no = |seen: &str| {
        let fix =
            "look at the token, and at `kubernetes_host`, `kubernetes_ca_cert` and `token_reviewer_jwt` of the mount";
        Box::new(Refusal::new("token-review", seen, "a token that the cluster knows", "permission denied", fix))
    };
    let address =
        format!("{}/apis/authentication.k8s.io/v1/tokenreviews", config.kubernetes_host.trim_end_matches('/'));
    let url = Url::parse(&address).map_err(|_quotes_it| no("an address of the cluster that is none"))?;
    let mut spec = Map::from_iter([("token".to_owned(), Value::from(token.expose()))]);
    if !audience.is_empty() {
        spec.insert("audiences".to_owned(), json!([audience]));
    }
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
    let own = config.token_reviewer_jwt.as_ref().filter(|own| !own.is_empty()).unwrap_or(token);
    let request = Request::post_json(url, &body).bearer(own);
    let mut request = request.map_err(|_unprintable| no("a token that no header carries"))?;
    request.ca_pem = Some(&config.kubernetes_ca_cert).filter(|pem| !pem.is_empty()).map(|pem| pem.clone().into());
    let answer = http.send(request).await.map_err(|error| no(&carnet_core::chain(&error).join(": ")))?;
    if !answer.status.is_success() {
        return Err(no(&format!("HTTP {} of the cluster", answer.status.as_u16())));
    }
    let review: Review = serde_json::from_slice(answer.body.expose()).map_err(|_quotes_it| no("no token review"))?;
    let Status { authenticated, audiences, user } = review.status;
    if !authenticated {
        return Err(no("a token that the cluster does not know"));
    }
    // A cluster that knows no audiences answers without them, and would believe tokens for anybody.
    if !audience.is_empty() && !audiences.iter().any(|known| known == audience) {
        return Err(no("a token for another audience"));
    }
    if user.username == account.user() && user.uid == account.uid {
        return Ok(());
    }
    Err(no("a token of another account than it says"))
}
