//! `oci-instance`: the identity of a compute instance.
//!
//! Oracle, "Calling Services from an Instance" (docs.oracle.com, Identity/Tasks/callingservicesfrominstances.htm): the
//! metadata service gives a certificate and its key; the auth service gives a session token for them.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, HttpErrorKind, Kind, Kinds, Mistake, Request, Response, Secret,
    Source, SourceConfig, Want,
};
use carnet_jose::{SigningKey, private_key_from_pem};
use carnet_x509::{Certificate, pem_to_der};
use futures_util::future::{join4, try_join3};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::imds::{Imds, parse_base};
use crate::{
    client::SigningClient,
    endpoint,
    regions::Region,
    session_key::{SessionKeyConfig, SessionKeys},
    signer::{OciSigner, parse_key},
    token::issued,
    wire::Scope,
};

const CERTIFICATE: &str = "identity/cert.pem";
const KEY: &str = "identity/key.pem";
const INTERMEDIATE: &str = "identity/intermediate.pem";
const REGION: &str = "instance/region";

/// The identity of the compute instance that carnet runs on (instance principal).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceConfig {
    /// Base of the metadata service including `/opc/v2`. Default: `OCI_METADATA_BASE_URL`, else
    /// `http://169.254.169.254/opc/v2`. Loopback, link-local and unique-local addresses only.
    #[serde(default)]
    pub metadata_url: Option<String>,
    /// URL of the auth service. Default: `OCI_SDK_AUTH_CLIENT_REGION_URL`, else that of the instance's region.
    #[serde(default)]
    pub auth_url: Option<String>,
    /// The key that the session token gets bound to.
    #[serde(default)]
    pub session_key: Option<SessionKeyConfig>,
}

impl SourceConfig for InstanceConfig {
    const NAME: &'static str = "oci-instance";
    const ABOUT: &'static str = "the OCI compute instance that carnet runs on";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        self.checked().map(|source| Arc::new(source) as Arc<dyn Source>)
    }
}

impl InstanceConfig {
    pub(crate) fn checked(self) -> Result<Instance, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let metadata_url = self.metadata_url.and_then(|text| {
            parse_base(&text).map_err(|message| mistakes.push(Mistake::new("metadata_url", message))).ok()
        });
        let mut auth_url = endpoint::configured("auth_url", self.auth_url, &mut mistakes);
        if let Some(url) = &mut auth_url {
            // Oracle's Python SDK and CLI call the whole URL the federation endpoint.
            let base = url.path().trim_end_matches('/').trim_end_matches("/v1/x509").to_owned();
            url.set_path(&base);
        }
        let keys = SessionKeys::build(self.session_key, &mut mistakes);
        if mistakes.is_empty() {
            Ok(Instance { metadata_url, auth_url, keys, tenancy: Mutex::new(None) })
        } else {
            Err(mistakes)
        }
    }
}

/// See [`InstanceConfig`].
#[derive(Debug)]
pub(crate) struct Instance {
    metadata_url: Option<Url>,
    auth_url: Option<Url>,
    keys: SessionKeys,
    /// The tenancy of the first token. An instance does not move to another one.
    tenancy: Mutex<Option<String>>,
}

/// The instance's certificate with its key.
struct Identity {
    leaf: Certificate,
    intermediates: Vec<Vec<u8>>,
    key: Arc<SigningKey>,
    tenancy: String,
}

/// What an instance principal is, for sources that build on it.
pub(crate) struct InstancePrincipal {
    pub(crate) credential: Credential,
    pub(crate) region: Region,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) imds: Imds,
}

/// An instance principal, or why there is none here.
pub(crate) enum Looked {
    Found(Box<InstancePrincipal>),
    NotHere(String),
}

impl Source for Instance {
    fn name(&self) -> &'static str {
        InstanceConfig::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::OciSession])
    }

    fn find<'a>(&'a self, context: &'a Context, _: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            Ok(match self.look(context).await? {
                Looked::Found(principal) => Found::credential(principal.credential),
                Looked::NotHere(reason) => Found::not_here(reason),
            })
        })
    }
}

impl Instance {
    pub(crate) async fn look(&self, context: &Context) -> Result<Looked, Error> {
        let imds = Imds::locate(context, self.metadata_url.as_ref())?;
        if imds.is_expected() {
            self.keys.prepare();
        }
        // One round trip instead of four. The certificate decides whether this is the place.
        let (certificate, key, intermediate, region) = join4(
            imds.probe(context, CERTIFICATE),
            imds.probe(context, KEY),
            imds.probe(context, INTERMEDIATE),
            imds.probe(context, REGION),
        )
        .await;
        let certificate = match certificate {
            Ok(response) if response.status.is_success() => response,
            Ok(response) => return not_an_instance(&imds, &response),
            Err(error) if error.kind == HttpErrorKind::Blocked => return Err(error.into()),
            // Somebody said that it is there, and somebody answers: another identity would be the wrong one.
            Err(error) if imds.is_expected() && error.kind != HttpErrorKind::Connect => {
                return Err(Error::unreachable(format!("ask the metadata service at {}", imds.base()))
                    .because(error)
                    .hint("if it is not there, unset OCI_METADATA_BASE_URL or correct it"));
            }
            Err(error) => {
                return Ok(Looked::NotHere(format!("no metadata service at {}: {}", imds.base(), error.message)));
            }
        };
        self.keys.prepare();
        let document = |path: &str, answer: Result<Response, _>| {
            let what = format!("read {path} from the metadata service at {}", imds.base());
            let response: Response =
                answer.map_err(|error: carnet_core::HttpError| Error::unreachable(&what).because(error))?;
            if response.status.is_success() {
                return Ok(response);
            }
            Err(Error::unreachable(format!("{what}: the answer was HTTP {}", response.status.as_u16())))
        };
        let key = document(KEY, key)?;
        let intermediate = document(INTERMEDIATE, intermediate)?;
        let region = document(REGION, region)?;
        let region = imds.region(context, region.text().unwrap_or_default()).await?;
        let identity = match Identity::read(&certificate, &key, &intermediate)? {
            Some(identity) => identity,
            None => self.read_again(context, &imds).await?,
        };
        let (credential, session_key) = self.federate(context, &region, &identity).await?;
        Ok(Looked::Found(Box::new(InstancePrincipal { credential, region, key: session_key, imds })))
    }

    /// Certificates rotate several times a day, and for a moment certificate and key may not belong together.
    async fn read_again(&self, context: &Context, imds: &Imds) -> Result<Identity, Error> {
        let (certificate, key, intermediate) =
            try_join3(imds.get(context, CERTIFICATE), imds.get(context, KEY), imds.get(context, INTERMEDIATE)).await?;
        Identity::read(&certificate, &key, &intermediate)?.ok_or_else(|| {
            Error::unreachable(format!(
                "read the instance's identity from {}: certificate and key do not belong together, twice",
                imds.base()
            ))
            .clause("key")
            .hint("they rotate several times a day; try again in a moment")
        })
    }

    /// Trades the certificate for a session token.
    async fn federate(
        &self,
        context: &Context,
        region: &Region,
        identity: &Identity,
    ) -> Result<(Credential, Arc<SigningKey>), Error> {
        self.refuse_another_tenancy(&identity.tenancy)?;
        let url = endpoint::join(&endpoint::auth_service(context, self.auth_url.as_ref(), region)?, "/v1/x509");
        let session_key = self.keys.get(context).await?;
        let body = json!({
            "certificate": STANDARD.encode(identity.leaf.der()),
            "publicKey": STANDARD.encode(session_key.public_spki()),
            "intermediateCertificates":
                identity.intermediates.iter().map(|der| STANDARD.encode(der)).collect::<Vec<_>>(),
            "fingerprintAlgorithm": "SHA256",
        });
        let signer = OciSigner::with_key_id(identity.key_id(), Arc::clone(&identity.key));
        let what = format!("get a session token for this instance from {}", url.origin().ascii_serialization());
        let response = SigningClient::new(context, &signer)
            .send_scoped(Request::post_json(url, &body), Scope::WithoutHost, &what)
            .await?;
        let answer: TokenAnswer = response.json("the session token")?;
        let token = issued(&answer.token, &session_key, "the instance's session token", context.now())?;
        self.remember_tenancy(&identity.tenancy);
        let mut credential = token.into_credential(
            session_key.to_pkcs8()?,
            Some(region.identifier().to_owned()),
            Some(identity.tenancy.clone()),
        );
        credential.facts.extend(self.keys.warning(context).map(|warning| ("warning", warning)));
        Ok((credential, session_key))
    }

    fn refuse_another_tenancy(&self, tenancy: &str) -> Result<(), Error> {
        match self.tenancy.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            Some(first) if first != tenancy => Err(Error::refused(format!(
                "renew this instance's identity: it was of tenancy {first} and is now of {tenancy}"
            ))
            .clause("tenancy")
            .hint(
                "an instance does not change its tenancy; whatever answers as metadata service is not to be trusted",
            )),
            _ => Ok(()),
        }
    }

    fn remember_tenancy(&self, tenancy: &str) {
        self.tenancy.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| tenancy.to_owned());
    }
}

/// What the metadata service answered is not what OCI's answers.
const NOT_OCI: &str =
    "see what answers as metadata service: `metadata_url`, OCI_METADATA_BASE_URL, and what stands between";

/// `{"token": …}`: what the auth service and the token endpoint answer.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) token: Secret,
}

impl Identity {
    /// `None` when certificate and key do not belong together.
    fn read(certificate: &Response, key: &Response, intermediate: &Response) -> Result<Option<Self>, Error> {
        let leaf = Certificate::from_pem(certificate.body.expose())
            .map_err(|error| Error::unreachable("read the instance's certificate").because(error).hint(NOT_OCI))?;
        let der = private_key_from_pem(key.body.expose(), None)
            .map_err(|error| Error::unreachable("read the instance's key").because(error).hint(NOT_OCI))?;
        let key = parse_key(&der)?;
        if key.public_spki() != leaf.spki() {
            return Ok(None);
        }
        let intermediates = pem_to_der(intermediate.body.expose()).map_err(|error| {
            Error::unreachable("read the instance's intermediate certificate").because(error).hint(NOT_OCI)
        })?;
        let tenancy = tenancy_of(&leaf).ok_or_else(|| {
            Error::unreachable("read the tenancy in the instance's certificate: its subject names none")
                .clause("tenancy")
                .hint(NOT_OCI)
        })?;
        Ok(Some(Self { leaf, intermediates, key, tenancy }))
    }

    /// As Oracle's Go SDK names the certificate. Its Python SDK still names it by SHA-1; the auth service takes both, and
    /// the newer form leaves SHA-1 out altogether.
    fn key_id(&self) -> Secret {
        let fingerprint: Vec<String> = self.leaf.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
        Secret::new(format!("{}/fed-x509-sha256/{}", self.tenancy, fingerprint.join(":")))
    }
}

/// Any attribute of the subject that begins with `opc-tenant:`, or else with `opc-identity:`.
fn tenancy_of(leaf: &Certificate) -> Option<String> {
    let values = leaf.subject_values();
    ["opc-tenant:", "opc-identity:"]
        .iter()
        .find_map(|prefix| {
            values.iter().find_map(|value| value.strip_prefix(prefix)).filter(|tenancy| {
                !tenancy.is_empty()
                    && tenancy.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            })
        })
        .map(str::to_owned)
}

fn not_an_instance(imds: &Imds, response: &Response) -> Result<Looked, Error> {
    let status = response.status.as_u16();
    if status == 429 || status >= 500 {
        return Err(Error::unreachable(format!(
            "read {CERTIFICATE} from the metadata service at {}: the answer was HTTP {status}",
            imds.base()
        ))
        .hint("the metadata service is busy; the same request may succeed later"));
    }
    Ok(Looked::NotHere(format!(
        "the metadata service at {} gives no instance certificate (HTTP {status}): this is not an OCI instance, or its \
         metadata service does not offer version 2",
        imds.base()
    )))
}

#[cfg(test)]
mod tests;
