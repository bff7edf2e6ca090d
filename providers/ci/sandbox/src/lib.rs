//! An OIDC issuer that plays GitHub Actions and GitLab: their discovery documents, their key sets, their claims, and the
//! endpoint where a GitHub job asks for its token.
//!
//! Tokens carry the real issuer names and are signed with keys that the sandbox makes when it starts, so whoever trusts
//! the real keys refuses them. [`CiEmulator::mint`] makes any token, good or broken in one place, for tests and demos.

mod github;
mod gitlab;
mod keys;
mod mint;
pub mod seed;

use std::{path::Path, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use carnet_core::{Error, ErrorKind};
use carnet_sandbox_kit::{Emulator, Host, Service, Urls, World};
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

pub use crate::mint::{Flaw, Issuer, MintRequest};
use crate::{keys::KeyRing, mint::mint};

/// The emulated CI systems.
pub fn emulator(world: World) -> CiEmulator {
    let request_token = world.random_hex::<32>();
    CiEmulator(Arc::new(Inner {
        github: KeyRing::new("carnet-sandbox-github"),
        gitlab: KeyRing::new("carnet-sandbox-gitlab"),
        request_token,
        world,
    }))
}

/// The emulated CI systems. Cheap to clone; clones share keys and clock.
#[derive(Clone, Debug)]
pub struct CiEmulator(Arc<Inner>);

struct Inner {
    world: World,
    github: KeyRing,
    gitlab: KeyRing,
    /// What a GitHub job shows to get its ID token.
    request_token: String,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CiEmulator")
    }
}

impl Inner {
    fn keys(&self, issuer: Issuer) -> &KeyRing {
        match issuer {
            Issuer::Github => &self.github,
            Issuer::Gitlab => &self.gitlab,
        }
    }
}

impl CiEmulator {
    /// A token of this issuer, as it would be given to a job or broken on purpose.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn mint(&self, request: &MintRequest) -> Result<String, Error> {
        let now = self.0.world.now(request.issuer.service());
        mint(self.0.keys(request.issuer), request, now, &self.0.world)
    }

    /// The variables that a job of this CI system finds. Not every process in the sandbox is a job, so they are no part
    /// of [`Emulator::environment`]. For GitLab, `id_tokens` are the names and audiences that a job's definition has under
    /// that word; the tokens are made now and live for an hour. GitHub's job asks for its token itself.
    ///
    /// # Errors
    /// When a key cannot be made, or `urls` does not say where the service listens.
    pub fn job_environment(
        &self,
        job: Issuer,
        urls: &Urls,
        id_tokens: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, Error> {
        match job {
            Issuer::Github => github::job_environment(&self.0, urls),
            Issuer::Gitlab => gitlab::job_environment(self, id_tokens),
        }
    }

    /// Signs with a new key from now on. The old one stays in the key set for an hour, as an orderly rotation does.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn roll_keys(&self, issuer: Issuer) -> Result<(), Error> {
        Ok(self.0.keys(issuer).roll(self.0.world.now(issuer.service()))?)
    }
}

impl Emulator for CiEmulator {
    fn services(&self) -> Vec<Service> {
        vec![
            Service::new(
                Issuer::Github.service(),
                [
                    Host::Exact("token.actions.githubusercontent.com"),
                    Host::Exact("pipelines.actions.githubusercontent.com"),
                ],
                github::router(Arc::clone(&self.0)),
            ),
            Service::new(Issuer::Gitlab.service(), [Host::Exact("gitlab.com")], gitlab::router(Arc::clone(&self.0))),
        ]
    }

    fn environment(&self, _urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        Vec::new()
    }

    fn job_environment(
        &self,
        job: &str,
        audience: Option<&str>,
        urls: &Urls,
    ) -> Option<Result<Vec<(String, String)>, Error>> {
        let issuer = match job {
            "github" => Issuer::Github,
            "gitlab" => Issuer::Gitlab,
            _ => return None,
        };
        // A GitLab job's tokens have fixed audiences; without one it has no token.
        let id_tokens: Vec<(&str, &str)> =
            audience.map(|audience| (seed::GITLAB_VARIABLE, audience)).into_iter().collect();
        Some(Self::job_environment(self, issuer, urls, &id_tokens))
    }

    fn warm(&self) {
        // A key that cannot be made is reported by the first request that needs it.
        drop((self.0.github.active(), self.0.gitlab.active()));
    }

    fn rotate_keys(&self, service: &str) {
        for issuer in [Issuer::Github, Issuer::Gitlab] {
            if issuer.service() == service {
                self.0.keys(issuer).replace();
            }
        }
    }

    fn control(&self) -> Option<Router> {
        let router = Router::new().route("/mint", post(mint_route)).route("/roll", post(roll_route));
        Some(router.with_state(self.clone()))
    }
}

async fn mint_route(State(emulator): State<CiEmulator>, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| emulator.mint(&request)).map(|token| json!({ "token": token })))
}

/// What a person or a script asks for; the message names what is not known, and what is.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::configuration(format!("read what is asked for: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    issuer: Issuer,
}

async fn roll_route(State(emulator): State<CiEmulator>, body: Bytes) -> Response {
    answer(read(&body).and_then(|request: Roll| emulator.roll_keys(request.issuer)).map(|()| json!({})))
}

fn answer(result: Result<serde_json::Value, Error>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error) => {
            let asked = error.kind() == ErrorKind::Configuration;
            let status = if asked { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
