//! What is shown to the authority: a token, or a request that a principal of OCI or AWS signs in place of one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Context, Credential, Error, Kind, Kinds, Material, Secret};

use super::Carnet;
use crate::exchange::shown;

const OCI_REQUEST: &str = "urn:carnet:token-type:oci-request";
const AWS_REQUEST: &str = "urn:carnet:token-type:aws-request";

impl Carnet {
    /// The subject token and its type. A signature is made for the authority, and for the rule if one is configured; it is good once.
    pub(super) fn subject(&self, context: &Context, credential: &Credential) -> Result<(Secret, &'static str), Error> {
        let region = self.region.as_deref();
        let audience = match &self.rule {
            Some(rule) => format!("{}#{rule}", self.url),
            None => self.url.clone(),
        };
        let (login, kind) = match &credential.material {
            Material::OciApiKey(_) | Material::OciSession(_) => {
                let login = carnet_oci::login::sign_login(context, credential, &audience, region)?;
                (serde_json::to_vec(&login), OCI_REQUEST)
            }
            Material::AwsKeys(keys) => {
                let account = self.account.as_deref().unwrap_or_default();
                let login = carnet_aws::sign_login(context, keys, account, &audience, region)?;
                (serde_json::to_vec(&login), AWS_REQUEST)
            }
            _ => {
                let token = shown(credential, Kinds::of(&[Kind::Jwt]))?;
                return Ok((token.clone(), self.subject_token_type.identifier()));
            }
        };
        let login = login.map_err(|error| Error::internal("write a login").because(error))?;
        Ok((Secret::new(URL_SAFE_NO_PAD.encode(login)), kind))
    }
}
