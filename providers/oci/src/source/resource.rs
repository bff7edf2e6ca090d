//! `oci-resource`: the identity that Oracle's platform gives to a function, a container instance, a data science job
//! and the like (resource principal), in every version of the environment that describes it.
//!
//! Oracle's SDKs: Go `common/auth/resource_principal_key_provider.go` and `resource_principals_v{1,3}.go`, Python
//! `oci/auth/signers/` and `oci/auth/rpt_path_providers.py`.

mod environment;

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Destination, Error, Found, Kind, Kinds, Mistake, Secret, Source, SourceConfig, Want,
};
use carnet_jose::SigningKey;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use self::environment::{Given, Variables};
use super::{
    instance::{Instance, InstanceConfig, Looked},
    rpst::{resource_tokens, session_token},
};
use crate::{
    endpoint,
    regions::Region,
    session_key::SessionKeyConfig,
    signer::{OciSigner, parse_key},
    token::{SessionToken, issued},
};

/// Most parents that are climbed to, as in Oracle's Go SDK.
const MAX_DEPTH: usize = 10;
/// The header that names the parent's resource principal token.
const PARENT: &str = "opc-parent-rpt-url";
/// The versions, for errors.
const VERSIONS: &str = "1.1, 2.1, 2.1.1, 2.1.2, 2.2 and 3.0";

/// The identity that OCI gives to a function, container instance, data science job and the like (resource principal).
/// Everything is read from the variables `OCI_RESOURCE_PRINCIPAL_*` that the platform sets.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceConfig {
    /// Version 1.1 only: base of the metadata service, see `oci-instance`.
    #[serde(default)]
    pub metadata_url: Option<String>,
    /// URL of the auth service where the variables name none, see `oci-instance`.
    #[serde(default)]
    pub auth_url: Option<String>,
    /// Version 1.1 only: the key that the session token gets bound to. The other versions bring their own.
    #[serde(default)]
    pub session_key: Option<SessionKeyConfig>,
}

impl SourceConfig for ResourceConfig {
    const NAME: &'static str = "oci-resource";
    const ABOUT: &'static str = "the OCI function, container instance or other resource that carnet runs in";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let auth_url = endpoint::configured("auth_url", self.auth_url.clone(), &mut mistakes);
        let instance =
            InstanceConfig { metadata_url: self.metadata_url, auth_url: self.auth_url, session_key: self.session_key };
        match instance.checked() {
            Ok(instance) => Ok(Arc::new(Resource { instance, auth_url })),
            Err(mistakes) => Err(mistakes),
        }
    }
}

/// See [`ResourceConfig`].
#[derive(Debug)]
pub(crate) struct Resource {
    instance: Instance,
    auth_url: Option<Url>,
}

/// A session of a resource, with what is needed to climb to its parent.
struct Session {
    token: SessionToken,
    text: Secret,
    key: Arc<SigningKey>,
    region: Option<Region>,
    tenancy: Option<String>,
}

/// A session, or why there is none here.
enum Step {
    Session(Box<Session>),
    NotHere(String),
}

impl Source for Resource {
    fn name(&self) -> &'static str {
        ResourceConfig::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::OciSession])
    }

    fn find<'a>(&'a self, context: &'a Context, _: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let variables = Variables::of_resource(context);
            let Some(version) = variables.version() else {
                return Ok(Found::not_here(format!("{} is not set", variables.version_name())));
            };
            let step = if version == "3.0" {
                self.nested(context).await?
            } else {
                self.plain(context, &variables, &version).await?
            };
            Ok(match step {
                Step::Session(session) => Found::credential(session.into_credential()?),
                Step::NotHere(reason) => Found::not_here(reason),
            })
        })
    }
}

impl Resource {
    async fn plain(&self, context: &Context, variables: &Variables<'_>, version: &str) -> Result<Step, Error> {
        match version {
            "1.1" => self.stacked(context, variables).await,
            "2.1" | "2.1.1" | "2.1.2" => self.exchanged(context, variables, version).await.map(Step::session),
            "2.2" => given(context, variables),
            other => Err(Error::configuration(format!(
                "use the resource principal: {} is {}, which is none of {VERSIONS}",
                variables.version_name(),
                carnet_core::safe_text(other)
            ))
            .hint(format!(
                "the platform sets this variable; if it was set by hand, write one of {VERSIONS}, or unset it"
            ))),
        }
    }

    /// Version 1.1: built on the instance that the resource runs on.
    async fn stacked(&self, context: &Context, variables: &Variables<'_>) -> Result<Step, Error> {
        let base = variables.required_url("RPT_ENDPOINT")?;
        let principal = match self.instance.look(context).await? {
            Looked::Found(principal) => *principal,
            Looked::NotHere(reason) => {
                let wanted = "resource principal 1.1 needs an instance";
                return Ok(Step::NotHere(format!("{wanted}: {reason}")));
            }
        };
        let id = match variables.get("RPT_ID") {
            Some(id) => id,
            None => principal.imds.text(context, "instance/id").await?,
        };
        let path = variables.path("/20180711/resourcePrincipalToken/{id}", &id)?;
        let signer = OciSigner::new(&principal.credential)?;
        let url = endpoint::join(&base, &path);
        let (tokens, _) = resource_tokens(context, &signer, url, Destination::Configured, None).await?;
        let auth = self.auth_service(context, variables, Some(&principal.region))?;
        let token = session_token(context, &signer, &auth, &tokens, &principal.key).await?;
        Session::issued(context, token, principal.key, Some(principal.region), None).map(Step::session)
    }

    /// Versions 2.1 to 2.1.2: the platform gives a key that its service knows, and that key is the session key too.
    async fn exchanged(&self, context: &Context, variables: &Variables<'_>, version: &str) -> Result<Session, Error> {
        let base = variables.required_url("RPT_ENDPOINT")?;
        let id = variables.required_id("RESOURCE_ID")?;
        let (key_id, tenancy) = if version == "2.1" {
            (format!("resource/v2.1/{id}"), None)
        } else {
            let tenancy = variables.required_id("TENANCY_ID")?;
            (format!("resource/v{version}/{tenancy}/{id}"), Some(tenancy))
        };
        let region = variables.region()?;
        let key = parse_key(&variables.private_key()?)?;
        let (default_path, extra) = if version == "2.1.2" {
            let value = HeaderValue::from_str(&variables.required("SECURITY_CONTEXT")?).map_err(|_quotes_it| {
                Error::configuration(format!("send {}: it is not visible ASCII", variables.name("SECURITY_CONTEXT")))
            })?;
            let header = (HeaderName::from_static("security-context"), value);
            ("/20180711/resourcePrincipalTokenV212/{id}", Some(header))
        } else {
            ("/20180711/resourcePrincipalTokenV2/{id}", None)
        };
        let url = endpoint::join(&base, &variables.path(default_path, &id)?);
        let signer = OciSigner::with_key_id(Secret::new(key_id), Arc::clone(&key));
        let (tokens, _) = resource_tokens(context, &signer, url, Destination::Configured, extra).await?;
        let auth = self.auth_service(context, variables, region.as_ref())?;
        let token = session_token(context, &signer, &auth, &tokens, &key).await?;
        Session::issued(context, token, key, region, tenancy)
    }

    /// Version 3.0: a leaf resource that acts for its parents. The session key stays the same all the way up.
    async fn nested(&self, context: &Context) -> Result<Step, Error> {
        let leaf = Variables::of_leaf(context);
        let version = leaf.required_version()?;
        if version == "3.0" {
            let message = format!("use the resource principal: {} cannot itself be 3.0", leaf.version_name());
            return Err(Error::configuration(message));
        }
        let first = environment::parent_url(context, "OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE")?
            .ok_or_else(|| environment::missing("OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE"))?;
        let mut session = match self.plain(context, &leaf, &version).await? {
            Step::Session(session) => *session,
            not_here @ Step::NotHere(_) => return Ok(not_here),
        };
        let auth = match environment::parent_url(context, "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT_FOR_PARENT_RESOURCE")? {
            Some(url) => url,
            None => self.region_auth_service(context, session.region.as_ref())?,
        };
        let mut next = Some(first.clone());
        for _ in 0..MAX_DEPTH {
            let Some(url) = next.take() else { return Ok(Step::session(session)) };
            // An address that an answer names is not one that the user configured.
            let destination =
                if url.origin() == first.origin() { Destination::Configured } else { Destination::Untrusted };
            let signer = session.signer();
            let (tokens, response) = resource_tokens(context, &signer, url.clone(), destination, None).await?;
            let token = session_token(context, &signer, &auth, &tokens, &session.key).await?;
            session = Session::issued(context, token, session.key, session.region, session.tenancy)?;
            next = parent_of(response.header(PARENT), &url)?;
        }
        Ok(Step::session(session))
    }

    fn auth_service(
        &self,
        context: &Context,
        variables: &Variables<'_>,
        region: Option<&Region>,
    ) -> Result<Url, Error> {
        match variables.url("RPST_ENDPOINT")? {
            Some(url) => Ok(url),
            None => self.region_auth_service(context, region),
        }
    }

    fn region_auth_service(&self, context: &Context, region: Option<&Region>) -> Result<Url, Error> {
        match (region, &self.auth_url) {
            (_, Some(url)) => Ok(url.clone()),
            (Some(region), None) => endpoint::auth_service(context, None, region),
            (None, None) => Err(environment::missing("OCI_RESOURCE_PRINCIPAL_REGION")),
        }
    }
}

/// Version 2.2: token and key are there, as values or as files that the platform renews.
fn given(context: &Context, variables: &Variables<'_>) -> Result<Step, Error> {
    let (rpst, pem) = (variables.given("RPST"), variables.given("PRIVATE_PEM"));
    if rpst.is_none() && pem.is_none() && context.env("KUBERNETES_SERVICE_HOST").is_some() {
        // Oracle's Go SDK wants the version set in a Kubernetes pod too, where nothing else of 2.2 is.
        return Ok(Step::NotHere(format!("{} is not set; this is a Kubernetes pod", variables.name("RPST"))));
    }
    let rpst = rpst.ok_or_else(|| environment::missing(&variables.name("RPST")))?;
    let inline = matches!(rpst, Given::Value(_));
    let what = format!("the token in {}", variables.describe("RPST", &rpst));
    let region = variables.region()?;
    let mut pair = None;
    // The platform replaces token and key one after the other; a pair that does not fit is read once more.
    for _ in 0..2 {
        let text = variables.token("RPST", &rpst)?;
        let key = parse_key(&variables.private_key()?)?;
        let token = SessionToken::parse(&text, &what)
            .map_err(|error| Error::configuration(format!("use {what}")).because(error))?;
        let fits = token.refuse_other_key(&what, &key);
        let done = fits.is_ok();
        pair = Some((token, text, key, fits));
        if done || inline {
            break;
        }
    }
    let (token, text, key, fits) = pair.ok_or_else(|| Error::internal("read the resource principal"))?;
    fits?;
    token.refuse_expired(&what, context.now()).map_err(|error| {
        if inline {
            error.hint("a token that is a value in the environment cannot be renewed: have the process restarted")
        } else {
            error.hint("the platform did not renew the file in time")
        }
    })?;
    let text = Secret::new(text.trim());
    Ok(Step::session(Session { token, text, key, region, tenancy: None }))
}

/// The parent's URL, unless it is absent, empty, or the one just used.
fn parent_of(header: Option<&str>, last: &Url) -> Result<Option<Url>, Error> {
    let Some(text) = header.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let url = Url::parse(text)
        .map_err(|error| Error::unreachable(format!("read the header {PARENT}: it is not a URL")).because(error))?;
    Ok((url != *last).then_some(url))
}

impl Step {
    fn session(session: Session) -> Self {
        Self::Session(Box::new(session))
    }
}

impl Session {
    fn issued(
        context: &Context,
        text: Secret,
        key: Arc<SigningKey>,
        region: Option<Region>,
        tenancy: Option<String>,
    ) -> Result<Self, Error> {
        let token = issued(&text, &key, "the resource principal's session token", context.now())?;
        Ok(Self { token, text, key, region, tenancy })
    }

    fn signer(&self) -> OciSigner {
        let text = self.text.expose();
        let text = text.strip_prefix("ST$").unwrap_or(text);
        OciSigner::with_key_id(Secret::new(format!("ST${text}")), Arc::clone(&self.key))
    }

    fn into_credential(self) -> Result<Credential, Error> {
        let compartment = self.token.claims().str("res_compartment").map(carnet_core::safe_text);
        let region = self.region.map(|region| region.identifier().to_owned());
        let credential = self.token.into_credential(self.key.to_pkcs8()?, region, self.tenancy);
        Ok(match compartment {
            Some(compartment) => credential.fact("compartment", compartment),
            None => credential,
        })
    }
}

#[cfg(test)]
mod tests;
