//! Logging in, keeping the token alive, and giving it back.

mod aws;
mod gcp;
mod login;
mod oci;
mod proof;

use carnet_core::{AccessToken, Context, Credential, Error, Material, Response, Secret};
use carnet_jose::UnverifiedJwt;
use http::Method as Verb;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) use self::{login::Login, proof::Proof};
use crate::{
    endpoint::{Connection, Server, send},
    error::{self, Attempt},
    wire::{self, Issued},
};

/// Facts of a credential of this crate.
pub(crate) mod fact {
    /// The server, without a slash at the end.
    pub(crate) const ADDRESS: &str = "address";
    /// The identity, where it was named.
    pub(crate) const IDENTITY: &str = "principal";
}

/// The token in an answer as a credential. `now` is the time before the request, so that the end is never later than the
/// real one. What is configured may be longer than what the server gives, so the token's own end is looked at too.
fn credential(connection: &Connection, issued: Issued, now: Timestamp) -> Credential {
    let own = UnverifiedJwt::parse(issued.access_token.expose()).ok().and_then(|token| token.unverified_expiry());
    let told = (issued.expires_in > 0).then(|| now.checked_add(SignedDuration::from_secs(issued.expires_in)).ok());
    let access = AccessToken { token: issued.access_token, token_type: "Bearer".to_owned() };
    let mut made = Credential::new(Material::AccessToken(access)).issued_at(now);
    made.expires_at = own.into_iter().chain(told.flatten()).min();
    made.fact(fact::ADDRESS, connection.address())
}

fn parse(response: &Response, what: &str) -> Result<Issued, Error> {
    wire::parse_issued(response.body.expose()).map_err(|wrong| unreadable(response, what, wrong))
}

/// An answer that is not Infisical's.
pub(crate) fn unreadable(response: &Response, what: &str, wrong: &str) -> Error {
    Error::unreachable(format!(
        "read the answer of Infisical to {what} (HTTP {}, {} bytes): {wrong}",
        response.status.as_u16(),
        response.body.len()
    ))
    .hint("check the address, and what stands between here and there")
}

/// The token of a credential of this crate.
pub(crate) fn token(credential: &Credential) -> Result<&Secret, Error> {
    match &credential.material {
        Material::AccessToken(access) => Ok(&access.token),
        _ => Err(Error::internal(format!("use a credential of kind {} as an Infisical token", credential.kind()))),
    }
}

/// Renews the token of a credential: the same token by its id, with a new end.
async fn renew(context: &Context, connection: &Connection, old: &Credential) -> Result<Credential, Error> {
    let what = "renew the Infisical token";
    let body = json!({ "accessToken": token(old)?.expose() });
    let request = connection.request(Verb::POST, "v1/auth/token/renew", None, Some(&body))?;
    let now = context.now();
    let response = send(context, request, what).await?;
    if !response.status.is_success() {
        return Err(error::refusal(&response, what, &Attempt::with_token(old)));
    }
    let mut made = credential(connection, parse(&response, what)?, now);
    made.facts.clone_from(&old.facts);
    Ok(made)
}

/// Gives a token back, with all that it was renewed to.
pub(crate) async fn revoke(context: &Context, connection: &Connection, old: &Credential) -> Result<(), Error> {
    let what = "revoke the Infisical token";
    let body = json!({ "accessToken": token(old)?.expose() });
    let request = connection.request(Verb::POST, "v1/auth/token/revoke", None, Some(&body))?;
    let response = send(context, request, what).await?;
    if response.status.is_success() {
        return Ok(());
    }
    Err(error::refusal(&response, what, &Attempt::with_token(old)))
}

/// The connection of the login that made this credential.
pub(crate) fn connection_of(credential: &Credential, server: &Server, context: &Context) -> Result<Connection, Error> {
    match credential.facts.get(fact::ADDRESS) {
        Some(address) => Connection::of_fact(address, server, context),
        // A token from elsewhere, for instance from a file.
        None => server.connect(context),
    }
}

#[cfg(test)]
mod tests;
