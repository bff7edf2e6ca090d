//! What each method shows.

use carnet_core::{Context, Credential, Error, Material, Secret};
use serde_json::{Map, Value, json};

use super::{aws, gcp, oci};
use crate::config::Method;

/// How the proof is made.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A signed `GetCallerIdentity` for this region.
    Aws { region: Option<String> },
    /// A JWT that this service account signs.
    GcpIam { service_account: Option<String> },
    /// A signed "get user" for this region.
    Oci { region: Option<String> },
    /// The token as it is.
    Token(Method),
    /// The token is the secret of this client.
    Universal { client_id: Option<String> },
}

impl Proof {
    /// The fields of the login that are the method's own.
    ///
    /// # Errors
    /// When the proof cannot be made.
    pub(crate) async fn body(
        &self,
        context: &Context,
        identity: &str,
        subject: &Credential,
    ) -> Result<Map<String, Value>, Error> {
        match (self, &subject.material) {
            (Self::Aws { region }, Material::AwsKeys(keys)) => aws::proof(context, keys, region.as_deref()),
            (Self::GcpIam { service_account }, Material::AccessToken(access)) => {
                let token = gcp::signed_jwt(context, &access.token, service_account.as_deref(), identity).await?;
                Ok(jwt(&token))
            }
            (Self::Oci { region }, Material::OciApiKey(key)) => oci::proof(context, key, subject, region.as_deref()),
            (Self::GcpIam { .. } | Self::Token(_), Material::Jwt(token)) => Ok(jwt(token)),
            (Self::Token(Method::Azure), Material::AccessToken(access)) => Ok(jwt(&access.token)),
            (Self::Universal { client_id }, Material::AccessToken(access)) => {
                client(context, client_id.as_deref(), &access.token)
            }
            _ => Err(Error::internal(format!("log in at Infisical with a credential of kind {}", subject.kind()))),
        }
    }
}

fn jwt(token: &Secret) -> Map<String, Value> {
    fields([("jwt", json!(token.expose()))])
}

fn client(context: &Context, client_id: Option<&str>, secret: &Secret) -> Result<Map<String, Value>, Error> {
    let client_id = client_id.map(ToOwned::to_owned).or_else(|| context.env("INFISICAL_UNIVERSAL_AUTH_CLIENT_ID"));
    let client_id = client_id.ok_or_else(|| {
        Error::configuration("log in at Infisical: no client id is known")
            .hint("set `client_id` in the exchange, or the variable INFISICAL_UNIVERSAL_AUTH_CLIENT_ID")
    })?;
    Ok(fields([("clientId", json!(client_id)), ("clientSecret", json!(secret.expose()))]))
}

pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
