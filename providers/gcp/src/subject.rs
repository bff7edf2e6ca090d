//! The subject token of an exchange, made of whatever credential the step before gave.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{AwsKeys, Context, Credential, Error, Kind, Kinds, Material, Request, Secret, X509Identity};
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use url::Url;

use crate::exchange::Federation;

/// A signed request for the identity of AWS keys ("Configure Workload Identity Federation with AWS or Azure VMs").
const AWS4_REQUEST: &str = "urn:ietf:params:aws:token-type:aws4_request";
/// A chain of certificates whose leaf is shown in TLS ("Configure Workload Identity Federation with X.509 certificates").
const MTLS: &str = "urn:ietf:params:oauth:token-type:mtls";
/// Where the AWS libraries look for their region, in their order.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Binds the signature to one provider: Google refuses it at another.
const TARGET: HeaderName = HeaderName::from_static("x-goog-cloud-target-resource");

/// What proves the subject to the token service.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) token: Secret,
    /// `subject_token_type` (RFC 8693, 3).
    pub(crate) token_type: &'static str,
    /// What TLS shows, at the token service and at whatever is called with its token.
    pub(crate) identity: Option<Arc<X509Identity>>,
}

impl Subject {
    pub(crate) const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys, Kind::Jwt, Kind::X509]);

    /// Makes it.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when keys come without a region.
    pub(crate) fn of(credential: &Credential, to: &Federation, context: &Context) -> Result<Self, Error> {
        match &credential.material {
            Material::Jwt(token) => {
                Ok(Self { token: token.clone(), token_type: to.subject_token_type.urn(), identity: None })
            }
            Material::AwsKeys(keys) => {
                let region = match to.aws_region.as_ref().or_else(|| credential.facts.get("region")) {
                    Some(region) => region.clone(),
                    None => region_of_environment(context)?,
                };
                let token = caller_identity(keys, &region, &to.audience, context)?;
                Ok(Self { token, token_type: AWS4_REQUEST, identity: None })
            }
            Material::X509(identity) => {
                Ok(Self { token: chain(identity), token_type: MTLS, identity: Some(Arc::new(identity.clone())) })
            }
            _ => Err(Error::internal(format!("exchange a credential of kind {} at Google", credential.kind()))),
        }
    }
}

fn region_of_environment(context: &Context) -> Result<String, Error> {
    let set = REGIONS.into_iter().find_map(|name| context.env(name).map(|region| (name, region)));
    match set {
        Some((_, region)) if is_region(&region) => Ok(region),
        Some((name, _)) => Err(Error::configuration(format!("sign for AWS: {name} is not the name of a region"))
            .hint("for instance eu-central-1")),
        None => Err(Error::configuration("sign for AWS: the keys come without a region")
            .hint("set `aws_region` of the exchange `gcp`, or the variable AWS_REGION")),
    }
}

/// It becomes part of a host name, so nothing else passes.
pub(crate) fn is_region(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 32 && text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// A signed `GetCallerIdentity`, which Google sends on. As JSON and percent-encoded; the form encodes it once more, as
/// Google's libraries do.
fn caller_identity(keys: &AwsKeys, region: &str, audience: &str, context: &Context) -> Result<Secret, Error> {
    let url = format!("https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15");
    let url = Url::parse(&url).map_err(|error| Error::configuration("make the URL of AWS STS").because(error))?;
    let audience = HeaderValue::from_str(audience)
        .map_err(|error| Error::configuration("sign the name of the provider for AWS").because(error))?;
    // Signed, so that the token is worth nothing at another provider even where that header is not looked at.
    let request = Request::new(Method::POST, url).header(TARGET, audience);
    let request = sign(request, keys, &Scope { time: context.now(), region, service: "sts" })?;
    let headers: Vec<_> = request
        .headers
        .iter()
        .filter_map(|(name, value)| Some(json!({ "key": header_name(name), "value": value.to_str().ok()? })))
        .collect();
    // The path of the URL is left out as Google's libraries leave it out.
    let url = request.url.as_str().replacen("/?", "?", 1);
    let token = Secret::new(json!({ "url": url, "method": "POST", "headers": headers }).to_string());
    Ok(Secret::new(utf8_percent_encode(token.expose(), RESERVED).to_string()))
}

/// As Google's libraries write it.
fn header_name(name: &HeaderName) -> &str {
    if name == http::header::AUTHORIZATION { "Authorization" } else { name.as_str() }
}

/// DER certificates in base64, leaf first.
fn chain(identity: &X509Identity) -> Secret {
    let chain: Vec<String> = identity.chain.iter().map(|der| STANDARD.encode(der)).collect();
    Secret::new(json!(chain).to_string())
}

#[cfg(test)]
mod tests;
