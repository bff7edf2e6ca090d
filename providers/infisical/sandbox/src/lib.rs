//! Infisical, emulated: identities and their auth methods, logins, tokens, projects, secrets.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its own
//! test. Only the trust model is shared, because there the question is ours and must have one answer. What Infisical asks of
//! others (Oracle, AWS, issuers, clusters) is asked of the other emulators, under the real names.

use std::{path::Path, sync::Arc};

use carnet_sandbox_kit::{Emulator, Service, Urls, World};

mod call;
mod identities;
mod login;
mod projects;
mod references;
mod reply;
mod route;
mod secrets;
pub mod seed;
mod state;
mod tokens;
mod upstream;

use state::State;

/// The name of the service.
pub(crate) const SERVICE: &str = "infisical";

/// A server over this world, with an organisation, identities, a project and its secrets: [`seed`].
pub fn emulator(world: World) -> impl Emulator {
    let state = State::new(world);
    seed::fill(&state);
    InfisicalEmulator(Arc::new(state))
}

#[derive(Debug)]
struct InfisicalEmulator(Arc<State>);

impl Emulator for InfisicalEmulator {
    fn services(&self) -> Vec<Service> {
        // The cloud's own names belong to the relying party of that name, which knows one login only.
        vec![Service::new(SERVICE, Vec::new(), call::router(Arc::clone(&self.0))).error_body(reply::error_body)]
    }

    fn environment(&self, urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        let Some(urls) = urls.get(SERVICE) else { return Vec::new() };
        vec![
            ("INFISICAL_DOMAIN".to_owned(), urls.plain_origin()),
            ("INFISICAL_API_URL".to_owned(), format!("{}/api", urls.plain_origin())),
        ]
    }
}
