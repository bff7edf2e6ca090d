//! Asking the API server: `POST /apis/authentication.k8s.io/v1/tokenreviews`.

use std::path::PathBuf;

use carnet_core::{Context, Error, Request, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Bound, Named};
use crate::{Kind, attested::refused, load};

/// How to ask.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewConfig {
    /// The API server, `https://HOST:PORT`.
    pub url: Url,
    /// PEM file with the API server's authorities.
    pub ca_file: PathBuf,
    /// File with the token of an account that may create token reviews (role `system:auth-delegator`). It is read anew
    /// each time.
    pub token_file: PathBuf,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: Map<String, Value>,
}

impl ReviewConfig {
    pub(super) async fn ask(&self, context: &Context, token: &Secret, audience: &str) -> Result<Bound, Error> {
        let what = "ask the Kubernetes API server about a token";
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token.expose(), "audiences": [audience] },
        });
        let own = load::file(context, &self.token_file)?;
        let own = std::str::from_utf8(&own)
            .map_err(|_quoting| Error::configuration(format!("read {}: it is not text", self.token_file.display())))?;
        let mut url = self.url.clone();
        url.set_path("/apis/authentication.k8s.io/v1/tokenreviews");
        let mut request = Request::post_json(url, &body).bearer(&Secret::new(own.trim()))?;
        request.ca_pem = Some(load::file(context, &self.ca_file)?.into());
        let response =
            context.http.send(request).await.map_err(|error| Error::unreachable(what).because(Error::from(error)))?;
        if !response.status.is_success() {
            return Err(Error::unreachable(format!("{what}: the answer was HTTP {}", response.status.as_u16()))
                .hint("the account of token_file needs the cluster role system:auth-delegator"));
        }
        response.json::<Review>("the token review")?.status.bound(audience)
    }
}

impl Status {
    fn bound(self, audience: &str) -> Result<Bound, Error> {
        if !self.authenticated {
            return Err(refused(Kind::K8s, "token", "the API server does not believe the token"));
        }
        // A server that knows no audiences answers without them, and would believe tokens for anybody.
        if !self.audiences.iter().any(|known| known == audience) {
            return Err(refused(
                Kind::K8s,
                "audience",
                "the API server does not say that the token is for this audience",
            ));
        }
        let user = self.user;
        let (namespace, service_account) = account(&user.username)?;
        let named = |what: &str| {
            let name = user.one(&format!("authentication.kubernetes.io/{what}-name"))?;
            let uid = user.one(&format!("authentication.kubernetes.io/{what}-uid"))?;
            Ok::<_, Error>(Named { name, uid })
        };
        Ok(Bound { namespace, service_account, pod: named("pod")?, node: named("node")? })
    }
}

impl User {
    fn one(&self, name: &str) -> Result<String, Error> {
        match self.extra.get(name).and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(value)]) if !value.is_empty() => Ok(value.clone()),
            _ => Err(refused(Kind::K8s, "claims", format!("the token review has no {name}"))
                .hint("the token must be bound to a pod; its node is told from Kubernetes 1.30 on")),
        }
    }
}

/// `system:serviceaccount:NAMESPACE:NAME`.
pub(super) fn account(subject: &str) -> Result<(String, String), Error> {
    let parts = subject.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match parts {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains(':') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err(refused(Kind::K8s, "subject", "the token is not a service account's")),
    }
}
