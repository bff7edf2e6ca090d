//! The proof for `gcp-iam`: a JWT that a service account signs by `signJwt` ("IAM Service Account Credentials API").

use carnet_core::{Context, Error, ErrorKind, Request, Secret};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::endpoint::send;

/// Seconds that the JWT lives: long enough for a login and a slow network.
const LIFE: i64 = 300;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signed_jwt: Secret,
}

/// A JWT of the service account for the identity, which is its audience.
///
/// # Errors
/// When the service account is not known, or Google does not sign.
pub(super) async fn signed_jwt(
    context: &Context,
    access_token: &Secret,
    service_account: Option<&str>,
    identity: &str,
) -> Result<Secret, Error> {
    let account = service_account.ok_or_else(|| {
        Error::configuration("let a service account sign: it is not named").hint("set `service_account`")
    })?;
    let url = format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:signJwt");
    let url = Url::parse(&url).map_err(|error| Error::configuration("make the URL of signJwt").because(error))?;
    let now = context.now().as_second();
    let claims = json!({ "sub": account, "aud": identity, "iat": now, "exp": now.saturating_add(LIFE) });
    let request = Request::post_json(url, &json!({ "payload": claims.to_string() })).bearer(access_token)?;
    let what = format!("let {account} sign a JWT for Infisical");
    let response = send(context, request, &what).await?;
    if response.status.is_success() {
        return response.json::<Signed>("the answer of signJwt").map(|signed| signed.signed_jwt);
    }
    let kind = match response.status.as_u16() {
        429 | 500.. => ErrorKind::Unreachable,
        _ => ErrorKind::Refused,
    };
    Err(Error::new(kind, format!("{what}: HTTP {}", response.status.as_u16()))
        .code(response.status.as_u16().to_string())
        .clause("signer")
        .hint("whoever holds the access token needs roles/iam.serviceAccountTokenCreator on the service account")
        .hint("the IAM Service Account Credentials API must be enabled, and the access token have the scope cloud-platform"))
}
