//! What Infisical asks of others before it decides: keys of issuers, Oracle, AWS, API servers of clusters.
//!
//! The world's client knows the emulated names and never leaves loopback, so there is nothing to guard against. Nothing is
//! kept but bundles of trust domains: the product fetches discovery documents and keys at every login.

use carnet_core::{Error, Request, Secret, chain};
use carnet_infisical::trust::{
    AwsAuth, AzureAuth, Caller, Checked, GcpAuth, GcpType, JwtAuth, JwtConfiguration, KubernetesAuth, OciAuth,
    OidcAuth, Refused, Review, SpiffeAuth, TrustBundle, User, signed_region,
};
use carnet_jose::KeySet;
use carnet_sandbox_kit::World;
use http::{HeaderName, HeaderValue, Method as Verb, header::ACCEPT};
use jiff::SignedDuration;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use url::Url;

use crate::state::State;

/// Where Google's own keys are.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The answer to a request, as JSON; a status that is no success is an error, in the words of the library there.
async fn ask<T: DeserializeOwned>(world: &World, request: Request) -> Result<T, String> {
    let response = world.http.send(request).await.map_err(|error| chain(&Error::from(error)).join(": "))?;
    if !response.status.is_success() {
        return Err(format!("Request failed with status code {}", response.status.as_u16()));
    }
    response.json("the answer").map_err(|error| error.to_string())
}

async fn get<T: DeserializeOwned>(world: &World, url: &str) -> Result<T, String> {
    let url = Url::parse(url).map_err(|_invalid| "Invalid URL".to_owned())?;
    ask(world, Request::get(url)).await
}

async fn key_set(world: &World, url: &str) -> Result<KeySet, String> {
    let keys: Value = get(world, url).await?;
    KeySet::from_json(keys.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Discovery {
    jwks_uri: Option<String>,
}

/// The keys that the discovery document names. Both are fetched before the token is looked at.
pub(crate) async fn discovered(world: &World, auth: &OidcAuth, token: &Secret) -> Checked<KeySet> {
    let url = format!("{}/.well-known/openid-configuration", auth.oidc_discovery_url);
    let document: Discovery = get(world, &url).await.map_err(|why| auth.undiscovered(&why))?;
    let jwks_uri = document.jwks_uri.filter(|uri| !uri.is_empty()).ok_or_else(|| auth.without_keys())?;
    key_set(world, &jwks_uri).await.map_err(|why| auth.unfetched(token, &why))
}

/// The key set of the method JWT; none where the keys are written down.
pub(crate) async fn configured(world: &World, auth: &JwtAuth) -> Checked<KeySet> {
    match auth.configuration_type {
        JwtConfiguration::Static => Ok(KeySet::default()),
        JwtConfiguration::Jwks => key_set(world, &auth.jwks_url).await.map_err(|why| auth.unfetched(&why)),
    }
}

/// Google's own keys, or those of the service account that the token names. The product asks for the latter as
/// certificates; the keys are the same.
pub(crate) async fn google(world: &World, auth: &GcpAuth, token: &Secret) -> Checked<KeySet> {
    let url = match auth.kind {
        GcpType::Gce => GOOGLE_KEYS.to_owned(),
        GcpType::Iam => {
            let account = GcpAuth::unverified_account(token)?;
            format!("https://www.googleapis.com/service_accounts/v1/jwk/{account}")
        }
    };
    key_set(world, &url).await.map_err(|why| GcpAuth::unfetched(&why))
}

/// The keys of the tenant.
pub(crate) async fn tenant(world: &World, auth: &AzureAuth) -> Checked<KeySet> {
    key_set(world, &auth.keys_url()).await.map_err(|why| auth.unfetched(&why))
}

/// The bundle of the trust domain, fetched again when its hint is over; none where it is written down.
pub(crate) async fn bundle(state: &State, auth: &SpiffeAuth) -> Checked<KeySet> {
    let TrustBundle::HttpsWebBundle { endpoint_url, refresh_hint_seconds, .. } = &auth.trust_bundle_distribution else {
        return Ok(KeySet::default());
    };
    let hint = if *refresh_hint_seconds > 0 { *refresh_hint_seconds } else { 3600 };
    let (now, fresh) = (state.now(), SignedDuration::from_secs(hint));
    let kept = state.lock().bundles.get(endpoint_url).cloned();
    if let Some((keys, _)) = kept.filter(|(_, fetched)| now.duration_since(*fetched) < fresh) {
        return Ok(keys);
    }
    let keys = key_set(&state.world, endpoint_url).await.map_err(|why| SpiffeAuth::unfetched(&why))?;
    state.lock().bundles.insert(endpoint_url.clone(), (keys.clone(), now));
    Ok(keys)
}

/// What Oracle says of the user, asked with the headers that were conveyed and no others.
pub(crate) async fn user(world: &World, url: &str, headers: &Map<String, Value>) -> Checked<User> {
    let broken = |why: String| OciAuth::unanswered(&why);
    let url = Url::parse(url).map_err(|_invalid| broken("Invalid URL".to_owned()))?;
    let request = conveyed(Request::get(url), headers).map_err(broken)?;
    ask(world, request).await.map_err(broken)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    get_caller_identity_response: CallerResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerResponse {
    get_caller_identity_result: Caller,
}

/// What AWS says of the caller, asked with the method, the body and the headers that were conveyed, whatever they are.
pub(crate) async fn caller(
    world: &World,
    method: &str,
    body: Vec<u8>,
    headers: &Map<String, Value>,
) -> Checked<Caller> {
    let broken = |why: String| AwsAuth::unanswered(&why);
    let authorization = ["Authorization", "authorization"].iter().find_map(|name| headers.get(*name)?.as_str());
    let region = signed_region(authorization)?;
    let url = Url::parse(&format!("https://sts.{region}.amazonaws.com/"));
    let url = url.map_err(|_invalid| broken("Invalid URL".to_owned()))?;
    let verb = Verb::from_bytes(method.as_bytes()).map_err(|_invalid| broken("Invalid method".to_owned()))?;
    let mut request = conveyed(Request::new(verb, url).body(body), headers).map_err(broken)?;
    // What the product's HTTP library (axios) sends unless it is told otherwise, and Infisical's SDKs convey nothing of it: without
    // it STS would answer in XML.
    request.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, text/plain, */*"));
    let answer: CallerIdentity = ask(world, request).await.map_err(broken)?;
    Ok(answer.get_caller_identity_response.get_caller_identity_result)
}

fn conveyed(request: Request, headers: &Map<String, Value>) -> Result<Request, String> {
    headers.iter().try_fold(request, |request, (name, value)| {
        let invalid = || format!("Invalid header {}", carnet_core::safe_text(name));
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_invalid| invalid())?;
        let value = HeaderValue::from_str(&text).map_err(|_invalid| invalid())?;
        Ok(request.header(name, value))
    })
}

#[derive(Deserialize)]
struct TokenReview {
    status: Option<Review>,
}

/// What the API server of the cluster says of the token.
pub(crate) async fn review(world: &World, auth: &KubernetesAuth, token: &Secret) -> Checked<Review> {
    let unreviewed = |why: String| auth.unreviewed(&why);
    let url = Url::parse(&auth.review_url()?).map_err(|_invalid| unreviewed("Invalid URL".to_owned()))?;
    let mut spec = json!({ "token": token.expose() });
    if let (false, Some(spec)) = (auth.allowed_audience.is_empty(), spec.as_object_mut()) {
        spec.insert("audiences".to_owned(), json!([auth.allowed_audience]));
    }
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
    // Without a reviewer the token reviews itself.
    let reviewer = auth.token_reviewer_jwt.as_ref().unwrap_or(token);
    let request = Request::post_json(url, &body).bearer(reviewer).map_err(|error| unreviewed(error.to_string()))?;
    let review: TokenReview = ask(world, request).await.map_err(unreviewed)?;
    review.status.ok_or_else(|| unreviewed("Failed to review token".to_owned()))
}

/// 422 for proofs that cannot be read at all.
pub(crate) fn unreadable(field: &str, what: &str) -> Box<Refused> {
    let refusal =
        carnet_trust::Refusal::new("form", field, what, format!("{field}: Invalid"), "send what the API asks for");
    Refused::new(422, "ValidationFailure", refusal)
}
