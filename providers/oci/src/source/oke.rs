//! `oci-oke`: the service account of a pod on Oracle's Kubernetes Engine (workload identity).
//!
//! The pod shows the token of its service account to proxymux, which stands beside the API server on a port of its own, and
//! gets a session token that is bound to its key. Oracle, "Granting Workloads Access to OCI Resources"
//! (docs.oracle.com, ContEng/Tasks/contenggrantingworkloadaccesstoresources.htm); SDKs: Go
//! `common/auth/resource_principal_key_provider.go` and `federation_client_oke_workload_identity.go`, Python
//! `oci/auth/signers/oke_workload_identity_resource_principal_signer.py`. Oracle's Go SDK wants `OCI_RESOURCE_PRINCIPAL_VERSION` and
//! `OCI_RESOURCE_PRINCIPAL_REGION` as well; the region stands in the identity's OCID, and nothing else is needed.

mod answer;
mod place;

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, HttpErrorKind, Kind, Kinds, Mistake, Request, Response, Secret,
    Source, SourceConfig, Want,
};
use carnet_jose::{SigningKey, SubjectToken};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use url::Url;

pub use self::answer::parse_answer;
use self::place::{Files, Proxymux};
use crate::{
    endpoint,
    regions::Region,
    session_key::{SessionKeyConfig, SessionKeys},
    token::{SessionToken, issued},
};

/// How long proxymux may take: the time of Oracle's Go SDK.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take where nobody said that this is Kubernetes Engine: the connection alone has 10 s in Oracle's Python SDK, and
/// in clusters of others that port swallows packets.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// The variable in which Oracle's SDKs look for the region.
const REGION: &str = "OCI_RESOURCE_PRINCIPAL_REGION";
/// Three groups of 32 hexadecimal digits, as the SDKs write it.
const REQUEST_ID: HeaderName = HeaderName::from_static("opc-request-id");

/// The service account of the pod that carnet runs in, on an enhanced cluster of Oracle's Kubernetes Engine (workload identity).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OkeConfig {
    /// File with the service account's token, read again at each use. Default:
    /// `/var/run/secrets/kubernetes.io/serviceaccount/token`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file with the cluster's authorities. Default: `OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH`, else
    /// `/var/run/secrets/kubernetes.io/serviceaccount/ca.crt`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// URL of proxymux. Default: `https://` with `KUBERNETES_SERVICE_HOST` and port 12250, or the port in
    /// `KUBERNETES_SERVICE_PORT_PROXYMUX`.
    #[serde(default)]
    pub url: Option<String>,
    /// Region identifier or short code. Default: `OCI_RESOURCE_PRINCIPAL_REGION`, else the one in the workload's OCID.
    #[serde(default)]
    pub region: Option<String>,
    /// How the public key is written into the request: `base64` (default; as Oracle's Python and TypeScript SDKs do) or `pem` (as its Go
    /// SDK does). Proxymux reads both.
    #[serde(default)]
    pub pod_key: PodKey,
    /// The key that the session token gets bound to.
    #[serde(default)]
    pub session_key: Option<SessionKeyConfig>,
}

/// How the public key is written into the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodKey {
    /// DER in base64.
    #[default]
    Base64,
    /// The whole PEM text.
    Pem,
}

impl SourceConfig for OkeConfig {
    const NAME: &'static str = "oci-oke";
    const ABOUT: &'static str = "the pod on Oracle's Kubernetes Engine that carnet runs in";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        for (field, file) in [("token_file", &self.token_file), ("ca_file", &self.ca_file)] {
            if file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
                mistakes.push(Mistake::new(field, "is empty"));
            }
        }
        let url = endpoint::configured("url", self.url, &mut mistakes);
        Region::check("region", self.region.as_ref(), &mut mistakes);
        let keys = SessionKeys::build(self.session_key, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let files = Files { token: self.token_file, ca: self.ca_file };
        Ok(Arc::new(Oke { files, url, region: self.region, pod_key: self.pod_key, keys }))
    }
}

/// See [`OkeConfig`].
#[derive(Debug)]
struct Oke {
    files: Files,
    url: Option<Url>,
    region: Option<String>,
    pod_key: PodKey,
    keys: SessionKeys,
}

/// The service account as its token tells it, safe to show.
struct Account {
    token: Secret,
    name: String,
    issuer: String,
}

/// What proxymux answered, or why it cannot be asked here.
enum Asked {
    Answer(Response),
    NotHere(String),
}

impl Source for Oke {
    fn name(&self) -> &'static str {
        OkeConfig::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::OciSession])
    }

    fn find<'a>(&'a self, context: &'a Context, _: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let proxymux = match Proxymux::locate(context, self.url.as_ref(), self.files.is_named())? {
                Ok(proxymux) => proxymux,
                Err(reason) => return Ok(Found::not_here(reason)),
            };
            let Some(Account { token, name, issuer }) = self.account(context, &proxymux)? else {
                return Ok(Found::not_here(format!("{} does not exist", self.files.token_place().display())));
            };
            if !proxymux.expected && is_of_another_cloud(&issuer) {
                return Ok(Found::not_here(format!("the cluster is not one of OKE: its issuer is {issuer}")));
            }
            let ca = self.files.ca(context)?;
            self.keys.prepare();
            let key = self.keys.get(context).await?;
            let request = self.request(context, &proxymux, &token, ca, &key)?;
            let response = match ask(context, &proxymux, request).await? {
                Asked::Answer(response) => response,
                Asked::NotHere(reason) => return Ok(Found::not_here(reason)),
            };
            let text = answer::read(&response, &proxymux.what(), &token)?;
            let session = issued(&text, &key, "the pod's session token", context.now())?;
            self.credential(context, session, &key, name).map(Found::credential)
        })
    }
}

impl Oke {
    /// The service account. `None` where a pod would have its token and there is none.
    fn account(&self, context: &Context, proxymux: &Proxymux) -> Result<Option<Account>, Error> {
        let shown = self.files.token_place().display().to_string();
        let shown = carnet_core::safe_text(&shown);
        let Some(token) = self.files.token(context)? else {
            if proxymux.expected {
                return Err(Error::configuration(format!("read {shown}: it does not exist"))
                    .hint("a pod has it unless automountServiceAccountToken is false"));
            }
            return Ok(None);
        };
        let parsed = SubjectToken::parse(token.clone()).map_err(|error| {
            Error::configuration(format!("use the token in {shown}"))
                .because(error)
                .hint("it holds the service account's token and nothing else")
        })?;
        let claims = parsed.unverified_claims();
        // Oracle's SDKs refuse a token without an end too.
        if claims.time("exp").is_none() {
            return Err(Error::configuration(format!("use the token in {shown}: it carries no exp"))
                .clause("claim")
                .hint("use a projected token; those of secrets (legacy) never end"));
        }
        parsed.refuse_expired(&format!("the token in {shown}"), context.now())?;
        let shown = |name: &str| claims.str(name).map(carnet_core::safe_text).unwrap_or_default();
        Ok(Some(Account { token, name: shown("sub"), issuer: shown("iss") }))
    }

    fn request(
        &self,
        context: &Context,
        proxymux: &Proxymux,
        token: &Secret,
        ca: Vec<u8>,
        key: &SigningKey,
    ) -> Result<Request, Error> {
        let pod_key = match self.pod_key {
            PodKey::Base64 => STANDARD.encode(key.public_spki()),
            PodKey::Pem => key.public_pem()?,
        };
        let id = [(); 3].map(|()| context.random_hex::<16>()).join("/");
        let id = HeaderValue::from_str(&id).map_err(|error| Error::internal("write a request id").because(error))?;
        let mut request = Request::post_json(proxymux.sessions(), &json!({ "podKey": pod_key }))
            .header(REQUEST_ID, id)
            .timeout(if proxymux.expected { TIMEOUT } else { PROBE_TIMEOUT })
            .bearer(token)?;
        request.ca_pem = Some(ca.into());
        Ok(request)
    }

    fn credential(
        &self,
        context: &Context,
        session: SessionToken,
        key: &SigningKey,
        account: String,
    ) -> Result<Credential, Error> {
        let region = match &self.region {
            Some(text) => Some(Region::resolve(context, text)?),
            None => match Region::of_variable(context, REGION)? {
                Some(region) => Some(region),
                None => session.claims().str("sub").and_then(region_of),
            },
        };
        let region = region.map(|region| region.identifier().to_owned());
        let mut credential = session.into_credential(key.to_pkcs8()?, region, None);
        credential.facts.extend(self.keys.warning(context).map(|warning| ("warning", warning)));
        Ok(credential.fact("service-account", account))
    }
}

/// Asks once. Where nobody said that this is Kubernetes Engine, silence on that port means that it is not.
async fn ask(context: &Context, proxymux: &Proxymux, request: Request) -> Result<Asked, Error> {
    match context.http.send(request).await {
        Ok(response) => Ok(Asked::Answer(response)),
        Err(error) if !proxymux.expected && matches!(error.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout) => {
            Ok(Asked::NotHere(format!("nobody answers at {}: this is no cluster of OKE", proxymux.origin())))
        }
        Err(error) => {
            let error = Error::from(error);
            Err(Error::new(error.kind(), proxymux.what()).because(error).hint(
                "proxymux listens on port 12250 beside the API server, and its certificate is checked with the cluster's \
                 authority (ca.crt); network policies of the pod must let it through",
            ))
        }
    }
}

/// Whether the cluster is one of EKS, GKE or AKS, whose issuers are their own. Their networks swallow what is sent to the port of
/// proxymux, and nobody should wait for that.
fn is_of_another_cloud(issuer: &str) -> bool {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    (host.starts_with("oidc.eks.") && host.contains(".amazonaws.com"))
        || host == "container.googleapis.com"
        || host.ends_with(".oic.prod-aks.azure.com")
}

/// The region in the OCID of a workload: `ocid1.workload.oc1.nrt.…`.
fn region_of(ocid: &str) -> Option<Region> {
    let mut parts = ocid.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("ocid1"), Some("workload"), Some(_), Some(region)) => Region::built_in(region),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
