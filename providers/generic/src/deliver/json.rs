//! A credential as JSON.

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake, Output,
    Secret, SecretBytes,
};
use carnet_jose::{Algorithm, SigningKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pem::{Pem, certificates};

/// The version of the shape. A member may be added without a new one; none is removed or given another meaning.
const VERSION: u32 = 1;

/// More than the longest document: a token is at most 64 KiB, everything else small beside it.
const ROOM: usize = 128 * 1024;

/// The credential as one JSON object on standard output, with its end and what is known about it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Json {}

impl DeliveryConfig for Json {
    const NAME: &'static str = "json";
    const ABOUT: &'static str = "the credential as JSON on standard output";
    // Not an OCI API key: it lives for years, and whoever has it has the file it came from.
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::AwsKeys, Kind::Jwt, Kind::OciSession, Kind::X509]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for Json {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let document = document(credential)?;
            // Large enough at once, so that no half of it stays behind in a buffer that was outgrown.
            let mut bytes = Vec::with_capacity(ROOM);
            serde_json::to_writer(&mut bytes, &document)
                .map_err(|error| Error::internal("write the credential as JSON").because(error))?;
            Ok(Delivered { output: Some(SecretBytes::new(bytes)), ..Delivered::default() })
        })
    }
}

/// The document. Times are RFC 3339 in UTC; members that do not apply are absent.
#[derive(Default, Serialize)]
struct Document<'a> {
    version: u32,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    /// PKCS#8, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<Pem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// PEM, leaf first.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_chain: Option<String>,
    /// PEM, of the authorities of the trust domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenancy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    facts: BTreeMap<&'static str, &'a str>,
}

fn document(credential: &Credential) -> Result<Document<'_>, Error> {
    let mut document = Document {
        version: VERSION,
        kind: credential.kind().name(),
        issued_at: credential.issued_at.map(|at| at.to_string()),
        expires_at: credential.expires_at.map(|at| at.to_string()),
        facts: credential.facts.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        ..Document::default()
    };
    match &credential.material {
        Material::AccessToken(access) => {
            document.token = Some(access.token.expose());
            document.token_type = Some(&access.token_type);
        }
        Material::Jwt(token) => document.token = Some(token.expose()),
        Material::AwsKeys(keys) => {
            document.access_key_id = Some(&keys.access_key_id);
            document.secret_access_key = Some(keys.secret_access_key.expose());
            document.session_token = keys.session_token.as_ref().map(Secret::expose);
        }
        Material::OciSession(session) => {
            let key = SigningKey::from_pkcs8(Algorithm::Rs256, &session.private_key)?;
            document.token = Some(session.token.expose());
            document.private_key = Some(Pem::new("PRIVATE KEY", session.private_key.expose()));
            document.fingerprint = Some(key.oci_fingerprint());
            document.region = session.region.as_deref();
            document.tenancy = session.tenancy.as_deref();
        }
        Material::X509(identity) => {
            document.private_key = Some(Pem::new("PRIVATE KEY", identity.private_key.expose()));
            document.certificate_chain = Some(certificates(&identity.chain));
            document.bundle = Some(certificates(&identity.bundle)).filter(|bundle| !bundle.is_empty());
        }
        Material::OciApiKey(_) => return Err(Error::internal("write an OCI API key as JSON")),
    }
    Ok(document)
}
