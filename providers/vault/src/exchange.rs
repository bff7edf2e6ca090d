//! Logging in, keeping the token alive, and giving it back.

mod aws;
mod lent;
mod login;
mod oci;
mod unwrap;

use std::sync::Arc;

use carnet_core::{AccessToken, Context, Credential, Error, Material, Response, Secret, X509Identity};
use http::Method as Verb;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) use self::{lent::Lent, login::Login, unwrap::Unwrap};
use crate::{
    endpoint::{Connection, Server, send},
    error::{self, Attempt},
    wire::{self, Auth, Issued, Wrapped},
};

/// Facts of a credential of this crate.
pub(crate) mod fact {
    /// The server, without a slash at the end.
    pub(crate) const ADDRESS: &str = "address";
    /// The namespace, if there is one.
    pub(crate) const NAMESPACE: &str = "namespace";
    /// Names the token without being it.
    pub(crate) const ACCESSOR: &str = "accessor";
    /// `yes` when renewal is possible.
    pub(crate) const RENEWABLE: &str = "renewable";
    /// `service`, `batch` or `wrapping`.
    pub(crate) const TOKEN_TYPE: &str = "token_type";
}

/// The token in an answer as a credential. `now` is the time before the request, so that the end is never later than the
/// real one.
fn credential(connection: &Connection, auth: Auth, now: Timestamp) -> Credential {
    let safe = carnet_core::safe_text;
    let mut made = placed(connection, auth.client_token).issued_at(now);
    if auth.lease_duration > 0 {
        made.expires_at = now.checked_add(SignedDuration::from_secs(auth.lease_duration)).ok();
    }
    let optional = [
        (fact::ACCESSOR, auth.accessor),
        (fact::TOKEN_TYPE, auth.token_type),
        ("principal", auth.entity_id),
        ("policies", auth.policies.map(|policies| policies.join(" "))),
        ("role", auth.metadata.and_then(|mut metadata| metadata.remove("role"))),
    ];
    for (name, value) in optional {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            made.facts.insert(name, safe(&value));
        }
    }
    made.fact(fact::RENEWABLE, if auth.renewable { "yes" } else { "no" })
}

fn wrapping(connection: &Connection, wrapped: Wrapped, now: Timestamp) -> Credential {
    let mut made = placed(connection, wrapped.token).issued_at(now);
    made.expires_at = now.checked_add(SignedDuration::from_secs(wrapped.ttl)).ok();
    let optional = [(fact::ACCESSOR, wrapped.accessor), ("wrapped_accessor", wrapped.wrapped_accessor)];
    for (name, value) in optional {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            made.facts.insert(name, carnet_core::safe_text(&value));
        }
    }
    made.fact(fact::TOKEN_TYPE, "wrapping").fact("creation_path", carnet_core::safe_text(&wrapped.creation_path))
}

fn placed(connection: &Connection, token: Secret) -> Credential {
    let made = Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() }));
    let made = made.fact(fact::ADDRESS, connection.address());
    match &connection.namespace {
        Some(namespace) => made.fact(fact::NAMESPACE, namespace),
        None => made,
    }
}

fn parse(response: &Response, what: &str) -> Result<Issued, Error> {
    wire::parse_issued(response.body.expose()).map_err(|wrong| {
        Error::unreachable(format!(
            "read the answer of Vault to {what} (HTTP {}, {} bytes): {wrong}",
            response.status.as_u16(),
            response.body.len()
        ))
        .hint("check the address, and what stands between here and there")
    })
}

/// The token of a credential of this crate.
pub(crate) fn token(credential: &Credential) -> Result<&Secret, Error> {
    match &credential.material {
        Material::AccessToken(access) => Ok(&access.token),
        _ => Err(Error::internal(format!("use a credential of kind {} as a Vault token", credential.kind()))),
    }
}

/// Renews the token of a credential (`auth/token/renew-self`). The credential that is given has the same token and a new end.
/// A login by certificate is renewed with the certificate that made it.
async fn renew(
    context: &Context,
    connection: &Connection,
    old: &Credential,
    certificate: Option<Arc<X509Identity>>,
) -> Result<Credential, Error> {
    let what = "renew the Vault token";
    let body = json!({});
    let mut request = connection.request(Verb::POST, "auth/token/renew-self", Some(token(old)?), Some(&body))?;
    request.identity = certificate;
    let now = context.now();
    let response = send(context, request, what).await?;
    if !response.status.is_success() {
        return Err(error::refusal(&response, what, &attempt_with_token(connection, token(old)?)));
    }
    match parse(&response, what)? {
        Issued::Auth(auth) => Ok(credential(connection, auth, now)),
        Issued::Wrapped(_) => {
            Err(Error::unreachable("renew the Vault token: the answer is wrapped, which was not asked for"))
        }
    }
}

/// Gives a token back (`auth/token/revoke-self`); its children and leases go with it. A batch token cannot be given back. A
/// login by certificate shows that again: a server may want one of everybody.
pub(crate) async fn revoke(
    context: &Context,
    connection: &Connection,
    old: &Credential,
    certificate: Option<Arc<X509Identity>>,
) -> Result<(), Error> {
    if is_batch(old) {
        return Ok(());
    }
    let what = "revoke the Vault token";
    let mut request = connection.request(Verb::POST, "auth/token/revoke-self", Some(token(old)?), None)?;
    request.identity = certificate;
    let response = send(context, request, what).await?;
    if response.status.is_success() || error::is_gone(&response) {
        return Ok(());
    }
    let attempt = Attempt { revocation: true, ..attempt_with_token(connection, token(old)?) };
    Err(error::refusal(&response, what, &attempt))
}

/// Whether nothing of it is stored at the server, so that it can be neither renewed nor given back.
fn is_batch(credential: &Credential) -> bool {
    credential.facts.get(fact::TOKEN_TYPE).is_some_and(|kind| kind == "batch")
}

/// The connection of the login that made this credential.
pub(crate) fn connection_of(credential: &Credential, server: &Server, context: &Context) -> Result<Connection, Error> {
    match credential.facts.get(fact::ADDRESS) {
        Some(address) => Connection::of_facts(address, credential.facts.get(fact::NAMESPACE), server, context),
        // A token from elsewhere, for instance from a file.
        None => server.connect(context),
    }
}

pub(crate) fn attempt_with_token<'a>(connection: &'a Connection, token: &'a Secret) -> Attempt<'a> {
    let namespace = connection.namespace.as_deref();
    Attempt { mount: "token", namespace, secrets: vec![token], ..Attempt::default() }
}

#[cfg(test)]
mod tests;
