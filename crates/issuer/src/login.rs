//! Logging in with a signed request: a token exchange in JSON.
//!
//! ```text
//! POST /v1/auth/oci/login   {"user": "ocid1.user…", "headers": {"authorization": …, "host": …, "date": …, "x-carnet-audience": …}}
//! POST /v1/auth/aws/login   {"account": "…", "headers": {"authorization": …, "host": …, "x-amz-date": …, "x-carnet-audience": …}}
//! ```
//!
//! Beside these may stand `audience` and `resource` (lists), `scope` and `requested_token_type`, as a token exchange has them. The answer is that
//! of the token endpoint. A login that is not accepted is answered with 401 and not with 400, because clients of logins look for that.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    response::Response,
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Secret;
use http::{Request, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    IssueType, Issuer, OAuthCode, OAuthError, SubjectType, TokenRequest,
    router::{in_time, respond},
};

/// Where principals of OCI log in, below [`Issuer::endpoint_base`]. It is also what they sign, when they sign for us.
pub(crate) const OCI_LOGIN_PATH: &str = "/v1/auth/oci/login";
/// Where principals of AWS log in.
const AWS_LOGIN_PATH: &str = "/v1/auth/aws/login";
const JSON: &str = "application/json";
/// Largest body, in bytes: a token of 64 KB, and what belongs to it.
const MAX_BODY: usize = 96 * 1024;
/// How to log in, for whoever was not let in (RFC 9110, 11.6.1).
const CHALLENGE: &str = "Signature realm=\"carnet\"";

/// What is wanted, as in a token exchange.
struct Wanted {
    audience: Vec<String>,
    resource: Vec<String>,
    scope: Option<String>,
    requested_token_type: Option<String>,
}

/// A login of OCI. Members that are not known, or are there twice, are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OciBody {
    #[serde(default)]
    user: Option<String>,
    headers: carnet_oci::trust::login::SignedHeaders,
    #[serde(default)]
    audience: Vec<String>,
    #[serde(default)]
    resource: Vec<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    requested_token_type: Option<String>,
}

/// A login of AWS, likewise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsBody {
    account: String,
    headers: carnet_aws::trust::login::SignedHeaders,
    #[serde(default)]
    audience: Vec<String>,
    #[serde(default)]
    resource: Vec<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    requested_token_type: Option<String>,
}

pub(crate) fn routes() -> Router<Arc<Issuer>> {
    Router::new().route(OCI_LOGIN_PATH, post(oci)).route(AWS_LOGIN_PATH, post(aws))
}

async fn oci(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    log_in(&issuer, request, |body: OciBody| {
        let OciBody { user, headers, audience, resource, scope, requested_token_type } = body;
        let wanted = Wanted { audience, resource, scope, requested_token_type };
        wanted.of(&carnet_oci::trust::login::Login { user, headers }, SubjectType::OciRequest)
    })
    .await
}

async fn aws(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    log_in(&issuer, request, |body: AwsBody| {
        let AwsBody { account, headers, audience, resource, scope, requested_token_type } = body;
        let wanted = Wanted { audience, resource, scope, requested_token_type };
        wanted.of(&carnet_aws::trust::login::Login { account, headers }, SubjectType::AwsRequest)
    })
    .await
}

async fn log_in<B: DeserializeOwned>(
    issuer: &Issuer,
    request: Request<Body>,
    read: impl FnOnce(B) -> Result<TokenRequest, OAuthError>,
) -> Response {
    let caller = issuer.caller(&request);
    let id = caller.request_id.clone();
    let asked = body(request).await.and_then(|bytes| parse(&bytes)).and_then(read);
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return respond(Err(issuer.refuse_form("token.exchange", error, &caller).await), &id),
    };
    match issuer.exchange(asked, caller).await {
        Ok(answer) => respond(Ok(answer.to_json()), &id),
        Err(error) => {
            // The form was right: it is the proof that is not accepted.
            let unproved = error.code == OAuthCode::InvalidRequest;
            let mut response = respond(Err(error), &id);
            if unproved {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response
                    .headers_mut()
                    .insert(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static(CHALLENGE));
            }
            response
        }
    }
}

/// The body of a login.
async fn body(request: Request<Body>) -> Result<Bytes, OAuthError> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(JSON) {
        return Err(OAuthError::request("the request is not of the type application/json"));
    }
    let body = in_time(to_bytes(body, MAX_BODY)).await?;
    body.map_err(|_too_large| OAuthError::request("the request is too large, or ended early"))
}

/// serde_json's message can quote a value, so only the place is kept.
fn parse<B: DeserializeOwned>(bytes: &[u8]) -> Result<B, OAuthError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        OAuthError::request(format!("the request is not a login at line {line} column {column}"))
    })
}

impl Wanted {
    fn of(self, login: &impl Serialize, kind: SubjectType) -> Result<TokenRequest, OAuthError> {
        let unknown = || OAuthError::request("requested_token_type is none that is issued here");
        let requested =
            self.requested_token_type.map(|name| IssueType::from_urn(&name).ok_or_else(unknown)).transpose()?;
        if requested == Some(IssueType::X509Svid) {
            return Err(OAuthError::request("certificates are issued by the token endpoint"));
        }
        // Texts: there is nothing in it that cannot be written.
        let login = serde_json::to_vec(login).unwrap_or_default();
        let request = TokenRequest {
            audiences: self.audience,
            resources: self.resource,
            scope: self.scope,
            requested,
            ..TokenRequest::exchange(Secret::new(URL_SAFE_NO_PAD.encode(login)), kind)
        };
        request.check()?;
        Ok(request)
    }
}
