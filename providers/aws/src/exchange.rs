//! Exchanges: to AWS, by certificate to AWS, and from AWS to anywhere.

mod roles_anywhere;
mod token;
mod web_identity;

pub use self::{
    roles_anywhere::AwsRolesAnywhere,
    token::{AwsWebIdentityToken, TokenAlgorithm},
    web_identity::Aws,
};

use carnet_core::{AwsKeys, Context, Error, Request, Response};
use carnet_sigv4::{Scope, sign};
use url::Url;

use crate::{endpoint::Endpoint, error, wire::Fields};

/// The query protocol's request.
fn form(url: Url, fields: &Fields, token: Option<(&str, &str)>) -> Request {
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend(token);
    Request::post_form(url, &fields)
}

/// A signed request to the Security Token Service; the answer is a success.
async fn call(
    context: &Context,
    endpoint: &Endpoint,
    keys: &AwsKeys,
    fields: &Fields,
    what: &str,
    subject: &carnet_core::Credential,
) -> Result<Response, Error> {
    let region = endpoint.region(context)?;
    let request = form(endpoint.url(context, &region)?, fields, None);
    let scope = Scope { time: context.now(), region: &region, service: endpoint.service };
    let response = error::send(context, sign(request, keys, &scope)?, what).await?;
    if response.status.is_success() {
        Ok(response)
    } else {
        Err(error::refusal(what, &response, Some(subject), context.now()))
    }
}
