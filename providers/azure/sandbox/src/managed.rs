//! The managed identity endpoints of one machine: the metadata service of a virtual machine, the endpoint of App
//! Service and Container Apps, and the agent of Azure Arc. All three give tokens of the same identities.

pub(crate) mod app_service;
mod arc;
mod imds;

use std::sync::Arc;

use carnet_azure::trust::{Client, unknown_resource};
use carnet_core::Secret;
use carnet_trust::{Grant, Refusal};
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    call::Call,
    reply::{Answer, ApiError, ok, with_header},
    seed,
    state::{Inner, State},
    tokens::{self, Order},
};

/// The metadata service.
pub(crate) const IMDS: &str = "azure-imds";
/// The endpoint of App Service.
pub(crate) const APP_SERVICE: &str = "azure-app-service";
/// The agent of Arc.
pub(crate) const ARC: &str = "azure-arc";
/// How long a token of a managed identity lives: services that check continuously are given a day.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// What names a user-assigned identity in a query, by which of its names.
const SELECTORS: [(&str, Name); 5] = [
    ("client_id", Name::Client),
    ("object_id", Name::Object),
    ("principal_id", Name::Object),
    ("msi_res_id", Name::Resource),
    ("mi_res_id", Name::Resource),
];

#[derive(Clone, Copy, Debug)]
enum Name {
    Client,
    Object,
    Resource,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, service: &'static str, call: &Call) -> Answer {
    let desk = Desk { state, service, call, now: state.world.now(service) };
    let response = match service {
        APP_SERVICE => app_service::answer(&desk),
        ARC => arc::answer(&desk),
        _ => imds::answer(&desk),
    }?;
    Ok(with_header(response, header::SERVER, "IMDS/150.870.65.1854"))
}

/// The file that the Arc agent of this sandbox names.
pub(crate) fn arc_key_name(state: &State) -> String {
    arc::key_name(state)
}

/// Who asks, and when.
struct Desk<'a> {
    state: &'a State,
    service: &'static str,
    call: &'a Call,
    now: Timestamp,
}

/// A token of an identity of the machine.
#[derive(Debug)]
struct Issued {
    token: Secret,
    client: Arc<Client>,
    lifetime: SignedDuration,
    /// The parameter that chose the identity, with its value: some agents repeat it.
    selector: Option<(String, String)>,
}

/// The identity that was asked for.
struct Chosen {
    client: Arc<Client>,
    resource_id: String,
    selector: Option<(String, String)>,
}

/// Why there is no token.
#[derive(Debug)]
enum NoToken {
    /// The machine has no such identity, or two were named.
    Identity(Box<Refusal>),
    /// The tenant has no such resource.
    Resource(Box<Refusal>),
    /// The key cannot be made.
    Internal(String),
}

impl Desk<'_> {
    /// A token of the identity that the query names, else of the machine's own.
    fn issue(&self, resource: &str) -> Result<Issued, NoToken> {
        let inner = self.state.lock();
        let Chosen { client, resource_id, selector } = self.identity(&inner).map_err(NoToken::Identity)?;
        let found = tokens::resource(&inner, resource);
        drop(inner);
        let found = found.ok_or_else(|| NoToken::Resource(unknown_resource(resource, seed::DOMAIN)))?;
        let ordinary = tokens::lifetime(&self.state.world, self.service, &self.call.raw_path);
        let lifetime = if ordinary.is_zero() { ordinary } else { LIFETIME };
        let order = Order {
            client: &client,
            resource: &found,
            now: self.now,
            lifetime,
            resource_id: Some(&resource_id),
            continuous: false,
        };
        let token = order.mint(self.state).map_err(|error| NoToken::Internal(error.to_string()))?;
        let attributes = [("client_id", client.client_id.as_str()), ("resource", resource)];
        self.state.world.decisions.allowed(
            self.service,
            &Grant {
                principal: client.object_id.clone(),
                lifetime: Some(lifetime),
                attributes: attributes
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), carnet_core::safe_text(value)))
                    .collect(),
                held: vec!["identity", "resource"],
                ..Grant::default()
            },
        );
        Ok(Issued { token, client, lifetime, selector })
    }

    fn identity(&self, inner: &Inner) -> Result<Chosen, Box<Refusal>> {
        let refuse = |seen: String, wanted: &str, fix: &str| {
            Err(Box::new(Refusal::new("identity", seen, wanted, "invalid_request", fix)))
        };
        let mut named = SELECTORS.iter().filter_map(|(parameter, name)| {
            let value = self.call.parameter(parameter).filter(|value| !value.is_empty())?;
            Some((*parameter, *name, value))
        });
        let chosen = named.next();
        if named.next().is_some() {
            return refuse("two identities are named".to_owned(), "one", "name the identity by one of its ids");
        }
        let principal = match chosen {
            None => inner.attached.first().and_then(|client_id| inner.directory.client(client_id)),
            Some((_, Name::Client, value)) => inner.directory.client(value),
            Some((_, Name::Object, value)) => inner.directory.principal(value),
            Some((_, Name::Resource, value)) => inner.directory.resource(value),
        };
        let attached = |client_id: &str| inner.attached.iter().any(|own| own.eq_ignore_ascii_case(client_id));
        let principal = principal.filter(|own| attached(&own.client.client_id));
        let Some((principal, identity)) = principal.and_then(|own| Some((own, own.identity()?))) else {
            let seen = chosen.map_or_else(String::new, |(_, _, value)| carnet_core::safe_text(value));
            return refuse(
                seen,
                "an identity of this machine",
                "assign the identity to the machine, or correct its id",
            );
        };
        let selector = chosen.map(|(parameter, _, value)| (parameter.to_owned(), value.to_owned()));
        Ok(Chosen { client: Arc::clone(&principal.client), resource_id: identity.resource_id.clone(), selector })
    }
}

impl Issued {
    /// The answer of the metadata service and of Arc: every number is a text.
    fn body(&self, resource: &str, now: Timestamp) -> Value {
        let left = self.lifetime.as_secs().saturating_sub(1).max(0).to_string();
        json!({
            "access_token": self.token.expose(),
            "client_id": self.client.client_id,
            "expires_in": left,
            "expires_on": now.as_second().saturating_add(self.lifetime.as_secs()).to_string(),
            "ext_expires_in": left,
            "not_before": now.as_second().saturating_sub(300).to_string(),
            "resource": resource,
            "token_type": "Bearer",
        })
    }
}

/// An answer that nobody keeps.
fn fresh(body: &Value) -> axum::response::Response {
    with_header(ok(body), header::CACHE_CONTROL, "no-store, no-cache")
}

/// An error in the form of OAuth.
fn oauth(status: StatusCode, code: &str, description: &str) -> ApiError {
    ApiError::json(status, &json!({ "error": code, "error_description": description }))
}

/// How the endpoints word the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let body = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            json!({ "error": "too_many_requests", "error_description": "Too many requests" })
        }
        _ => json!({ "error": "unknown", "error_description": "Failed to retrieve token from the Active directory." }),
    };
    ("application/json", body.to_string())
}
