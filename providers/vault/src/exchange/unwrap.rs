//! `sys/wrapping/unwrap`.

use carnet_core::{BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig as _, Kinds, Release, Want};
use http::Method as Verb;
use serde_json::json;

use super::{Lent, attempt_with_token, connection_of, credential, parse, token};
use crate::{
    config::VaultUnwrap,
    endpoint::{Server, send},
    error,
    wire::{self, Issued},
};

/// The exchange `vault-unwrap`, checked.
#[derive(Debug)]
pub(crate) struct Unwrap {
    pub(crate) server: Server,
    pub(crate) creation_path: String,
    /// What is to be given back.
    pub(crate) lent: Lent,
}

impl Exchange for Unwrap {
    fn name(&self) -> &'static str {
        VaultUnwrap::NAME
    }

    fn takes(&self) -> Kinds {
        VaultUnwrap::TAKES
    }

    fn gives(&self) -> Kinds {
        VaultUnwrap::GIVES
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        wrapped: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let connection = connection_of(wrapped, &self.server, context)?;
            let wrapping_token = token(wrapped)?;
            let what = "look at the wrapping token";
            let body = json!({ "token": wrapping_token.expose() });
            let request = connection.request(Verb::POST, "sys/wrapping/lookup", None, Some(&body))?;
            let response = send(context, request, what).await?;
            if !response.status.is_success() {
                return Err(error::refusal(&response, what, &attempt_with_token(&connection, wrapping_token)));
            }
            let seen = wire::parse_creation_path(response.body.expose()).unwrap_or_default();
            if seen != self.creation_path {
                return Err(Error::policy(format!(
                    "unwrap the token: it was made at {}, not at {}",
                    carnet_core::safe_text(&seen),
                    self.creation_path
                ))
                .clause("wrapping")
                .hint("somebody may have put another answer in: do not use it, and look into the audit log"));
            }
            let what = "unwrap the token";
            let request = connection.request(Verb::POST, "sys/wrapping/unwrap", Some(wrapping_token), None)?;
            let now = context.now();
            let response = send(context, request, what).await?;
            if !response.status.is_success() {
                return Err(error::refusal(&response, what, &attempt_with_token(&connection, wrapping_token)));
            }
            match parse(&response, what)? {
                // The end is counted from the unwrapping and not from the login, so it may be later than the real one.
                Issued::Auth(auth) => Ok(self.lent.note(credential(&connection, auth, now), None, now)),
                Issued::Wrapped(_) => Err(Error::unreachable("unwrap the token: what is inside is wrapped again")),
            }
        })
    }

    fn release<'a>(&'a self, context: &'a Context, which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.lent.release(context, &self.server, which))
    }

    fn forget(&self, credential: &Credential) {
        self.lent.forget(credential);
    }
}
