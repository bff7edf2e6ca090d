//! `kubernetes`: the service account of the pod that carnet runs in.

mod projected;
mod request;

use std::{path::PathBuf, sync::Arc};

use carnet_core::{BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want};
use carnet_jose::SubjectToken;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{ApiAccess, ApiConfig, Bound, ServiceAccount, error::RBAC, file::Place};

/// Shortest life of a token that the API server gives, in seconds (`ValidateTokenRequest`: "10 minutes").
const MIN_LIFETIME: u32 = 600;
/// Life of a token unless configured, in seconds: the default of the TokenRequest API.
const LIFETIME: u32 = 3600;

/// The service account of the Kubernetes pod that carnet runs in: a token that the kubelet projects into the pod, read again at
/// each use, or one that the API server is asked for, for any audience.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// `auto` (default): a projected token for the audience, else the API server is asked for one. `projected`: only the
    /// former. `request`: only the latter.
    #[serde(default)]
    pub token: TokenWay,
    /// What the token is for. By default the audience that the next step needs.
    #[serde(default)]
    pub audience: Option<String>,
    /// The projected token. By default the files that EKS, AKS and GKE project and the one that every pod has: the first that
    /// is for the audience.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Whose token the API server is asked for, `NAMESPACE:NAME`. By default that of the pod's own account, bound to the pod.
    #[serde(default)]
    pub service_account: Option<String>,
    /// How long a token that is asked for lives, in seconds: 3600 by default, at least 600. The API server may give another life.
    #[serde(default)]
    pub lifetime: Option<u32>,
    /// How the API server is reached.
    #[serde(default)]
    pub api: Option<ApiConfig>,
}

/// Where the token comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenWay {
    /// A file if one is for the audience, else the API server.
    #[default]
    Auto,
    /// A file.
    Projected,
    /// The API server.
    Request,
}

impl SourceConfig for Kubernetes {
    const NAME: &'static str = "kubernetes";
    const ABOUT: &'static str = "the service account of the Kubernetes pod that carnet runs in";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut misplaced = |field: &str, way: &str| {
            mistakes.push(Mistake::new(field, format!("has no meaning with token = \"{way}\"")));
        };
        match self.token {
            TokenWay::Projected => {
                let of_requests = [
                    ("service_account", self.service_account.is_some()),
                    ("lifetime", self.lifetime.is_some()),
                    ("api", self.api.is_some()),
                ];
                of_requests.iter().filter(|(_, there)| *there).for_each(|(field, _)| misplaced(field, "projected"));
            }
            TokenWay::Request if self.path.is_some() => misplaced("path", "request"),
            TokenWay::Request | TokenWay::Auto => {}
        }
        if self.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
            mistakes.push(Mistake::new("audience", "is empty"));
        }
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            mistakes.push(Mistake::new("path", "is empty"));
        }
        let account = self.service_account.as_deref().map(ServiceAccount::of_pair);
        if account == Some(None) {
            mistakes.push(Mistake::new("service_account", "is not NAMESPACE:NAME"));
        }
        if self.lifetime.is_some_and(|lifetime| lifetime < MIN_LIFETIME) {
            let mistake = Mistake::new("lifetime", format!("is less than {MIN_LIFETIME} seconds"));
            mistakes.push(mistake.hint("the API server gives no shorter life"));
        }
        let api = self.api.unwrap_or_default().check("api", &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Arc::new(Pod {
            way: self.token,
            audience: self.audience,
            file: self.path.map(Place::Named),
            account: account.flatten(),
            lifetime: self.lifetime.unwrap_or(LIFETIME),
            api,
        }))
    }
}

/// See [`Kubernetes`].
#[derive(Debug)]
struct Pod {
    way: TokenWay,
    audience: Option<String>,
    file: Option<Place>,
    account: Option<ServiceAccount>,
    lifetime: u32,
    api: ApiAccess,
}

impl Source for Pod {
    fn name(&self) -> &'static str {
        Kubernetes::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let audience = self.audience.as_deref().or(want.audience.as_deref());
            match self.way {
                TokenWay::Projected => self.projected(context, audience),
                TokenWay::Request => self.requested(context, audience).await,
                // Whoever names another account wants what no file holds.
                TokenWay::Auto if self.account.is_some() => self.requested(context, audience).await,
                TokenWay::Auto => self.either(context, audience).await,
            }
        })
    }
}

impl Pod {
    /// A projected token if one is for the audience. Only when none is, and there is an API server, is that one asked.
    async fn either(&self, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
        let reason = match projected::look(context, self.file.as_ref(), audience)? {
            projected::Looked::Found(credential) => return Ok(Found::Credential(credential)),
            projected::Looked::NotHere(reason) => return Ok(Found::not_here(reason)),
            projected::Looked::Unfit(error) => error,
        };
        let Some(server) = self.api.locate(context)? else { return Err(reason) };
        let Some(audience) = audience else { return Err(reason) };
        match request::ask(context, &server, self.account.as_ref(), audience, self.lifetime).await {
            Ok(credential) => Ok(Found::credential(credential)),
            // Few accounts may: then this place does not give such a token, and another source may.
            Err(error) if error.failed_clause() == Some(RBAC) => Ok(Found::not_here(format!(
                "{reason}; and its account may not ask for another: {}",
                error.hints().join("; ")
            ))),
            Err(error) => Err(error
                .hint(format!("or project a token for {} into the pod: {reason}", carnet_core::safe_text(audience)))),
        }
    }

    fn projected(&self, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
        match projected::look(context, self.file.as_ref(), audience)? {
            projected::Looked::Found(credential) => Ok(Found::Credential(credential)),
            projected::Looked::NotHere(reason) => Ok(Found::not_here(reason)),
            projected::Looked::Unfit(error) => Err(error),
        }
    }

    async fn requested(&self, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
        let Some(server) = self.api.locate(context)? else {
            return Ok(Found::not_here(format!("{} is not set: this is no pod of Kubernetes", crate::api::HOST)));
        };
        let audience = audience.ok_or_else(|| {
            Error::configuration("ask the Kubernetes API server for a token: no audience is known")
                .clause("audience")
                .hint("set `audience`, or put an exchange after this source that needs one")
        })?;
        let asked = request::ask(context, &server, self.account.as_ref(), audience, self.lifetime).await;
        asked.map(Found::credential)
    }
}

/// The credential of a token of a service account, with what it is bound to. The default token of a pod counts for a year and is
/// replaced within the hour; what is cached by its end would outlive its pod, so the earlier time counts as long as it is ahead.
fn credential(token: SubjectToken, now: Timestamp) -> Credential {
    let bound = Bound::of_claims(token.unverified_claims()).ok();
    let mut credential = token.into_credential();
    let Some(bound) = bound else { return credential };
    if let Some(soon) = bound.warn_after.filter(|soon| *soon > now)
        && credential.expires_at.is_none_or(|end| soon < end)
    {
        credential.expires_at = Some(soon);
    }
    let facts = [
        ("principal", Some(bound.account.subject())),
        ("namespace", Some(bound.account.namespace().to_owned())),
        ("service-account", Some(bound.account.name().to_owned())),
        ("pod", bound.pod.map(|pod| pod.name)),
        ("node", bound.node.map(|node| node.name)),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            credential.facts.insert(name, value);
        }
    }
    credential
}

#[cfg(test)]
mod tests;
