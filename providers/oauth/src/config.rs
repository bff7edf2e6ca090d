//! The section `oauth`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use carnet_core::{Exchange, ExchangeConfig, Kind, Kinds, Mistake, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    client_auth::{ClientAuthMethod, ClientFields},
    endpoint::{Endpoint, Issuer, check_issuer, check_origin, check_url},
    exchange::{Actor, Federation},
    metadata::MetadataForm,
    token_type::{self, ID_TOKEN, JWT},
};

/// Names that the exchange sets itself, so that `parameters` cannot.
const OWN: [&str; 16] = [
    "grant_type",
    "assertion",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "audience",
    "resource",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "username",
    "password",
];

/// Exchanges a token at any token endpoint that speaks RFC 8693 or RFC 7523.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The token endpoint. Either this or `issuer`.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The issuer whose metadata names the token endpoint, exactly as the metadata writes it. It is looked up at each use.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Which document of the issuer to read: `oauth-authorization-server` or `openid-configuration`. By default the first,
    /// and the second where that does not exist.
    #[serde(default)]
    pub metadata: Option<MetadataForm>,
    /// The origin (`https://host`) where the token endpoint may be when it is not at that of `issuer`.
    #[serde(default)]
    pub token_origin: Option<String>,
    /// `token-exchange` (default), `jwt-bearer`, or `client-credentials` with the credential as the client's assertion.
    #[serde(default)]
    pub grant: Grant,
    /// Names of the services that the token is wanted for. By default what the next step needs.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Addresses of the services that the token is wanted for (RFC 8707).
    #[serde(default)]
    pub resources: Vec<String>,
    /// Scopes of the token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The type of token asked for: `access-token`, `jwt`, `id-token`, or a URI. By default the other side chooses.
    #[serde(default)]
    pub requested_token_type: Option<String>,
    /// What the answer is taken for: `access-token` or `jwt`, which the next step can show to others. By default by
    /// `requested_token_type`.
    #[serde(default)]
    pub kind: Option<TokenKind>,
    /// How the credential is announced: `access-token`, `jwt`, `id-token`, or a URI. By default by its kind.
    #[serde(default)]
    pub subject_token_type: Option<String>,
    /// The audience that the credential must name. By default, where it serves as an assertion, the issuer or the token
    /// endpoint; else any.
    #[serde(default)]
    pub subject_audience: Option<String>,
    /// File with the token of who acts for the subject. Read at each use.
    #[serde(default)]
    pub actor_token_file: Option<PathBuf>,
    /// How that token is announced. By default `jwt`.
    #[serde(default)]
    pub actor_token_type: Option<String>,
    /// The client's id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// How the client proves itself: `none`, `client_secret_basic`, `client_secret_post`, or `private_key_jwt` with the
    /// credential. By default what fits the other fields.
    #[serde(default)]
    pub client_auth: Option<ClientAuthMethod>,
    /// The client's secret, from a variable: `${NAME}`.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// File with the client's secret. Read at each use.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Further parameters that the other side's manual asks for. Nothing secret.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// How the credential is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// As the subject token (RFC 8693).
    #[default]
    TokenExchange,
    /// As an assertion of who is meant (RFC 7523, 2.1).
    JwtBearer,
    /// As an assertion of the client (RFC 7523, 2.2), which acts for itself.
    ClientCredentials,
}

/// What an answer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// A token that only its audience reads.
    AccessToken,
    /// A JSON Web Token, whose issuer, audience and end are read and checked.
    Jwt,
}

impl ExchangeConfig for OAuth {
    const NAME: &'static str = "oauth";
    const ABOUT: &'static str = "a token to another one at any token endpoint (RFC 8693, RFC 7523)";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt, Kind::AccessToken]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(self.check()?))
    }
}

impl OAuth {
    /// Checks the raw form, reporting all mistakes.
    fn check(mut self) -> Result<Federation, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let endpoint = self.endpoint(&mut mistakes);
        self.check_lists(&mut mistakes);
        self.check_grant(&mut mistakes);
        let mut uri = |field: &str, text: &Option<String>| {
            let checked = text.as_deref().map(|text| token_type::check(field, text));
            checked.and_then(|checked| checked.map_err(|mistake| mistakes.push(mistake)).ok())
        };
        let requested = uri("requested_token_type", &self.requested_token_type);
        let subject_type = uri("subject_token_type", &self.subject_token_type);
        let actor_type = uri("actor_token_type", &self.actor_token_type);
        let kind = self.kind(requested.as_deref(), &mut mistakes);
        let client = ClientFields {
            method: self.client_auth,
            client_id: self.client_id.take(),
            client_secret: self.client_secret.take(),
            client_secret_file: self.client_secret_file.take(),
        };
        let default = match self.grant {
            Grant::ClientCredentials => ClientAuthMethod::PrivateKeyJwt,
            _ => ClientAuthMethod::None,
        };
        let client = client.check(default, &mut mistakes);
        if client.as_ref().is_some_and(|client| self.grant == Grant::ClientCredentials && !client.is_assertion()) {
            mistakes.push(
                Mistake::new(
                    "client_auth",
                    "leaves the credential out: client-credentials shows it only as the client's assertion",
                )
                .hint("set `private_key_jwt`, or another `grant`"),
            );
        }
        match (endpoint, client) {
            (Some(endpoint), Some(client)) if mistakes.is_empty() => Ok(Federation {
                endpoint,
                grant: self.grant,
                audiences: self.audiences,
                resources: self.resources,
                scopes: self.scopes,
                requested,
                kind,
                subject_type,
                subject_audience: self.subject_audience,
                actor: self
                    .actor_token_file
                    .map(|file| Actor { file, token_type: actor_type.unwrap_or_else(|| JWT.to_owned()) }),
                client,
                parameters: self.parameters,
            }),
            _ => Err(mistakes),
        }
    }

    fn endpoint(&self, mistakes: &mut Vec<Mistake>) -> Option<Endpoint> {
        let mut note = |checked: Result<url::Url, Mistake>| checked.map_err(|mistake| mistakes.push(mistake)).ok();
        match (&self.token_url, &self.issuer) {
            (Some(url), None) => {
                let url = note(check_url("token_url", url));
                for (field, given) in
                    [("metadata", self.metadata.is_some()), ("token_origin", self.token_origin.is_some())]
                {
                    if given {
                        let unused = Mistake::new(field, "only applies to `issuer`");
                        mistakes.push(unused.hint("leave it out: `token_url` is used as it is"));
                    }
                }
                url.map(Endpoint::Named)
            }
            (None, Some(identifier)) => {
                let url = note(check_issuer("issuer", identifier));
                let origin = self.token_origin.as_deref().map(|text| note(check_origin("token_origin", text)));
                let issuer = Issuer {
                    identifier: identifier.clone(),
                    url: url?,
                    form: self.metadata,
                    token_origin: origin.flatten(),
                };
                Some(Endpoint::Discovered(issuer))
            }
            (Some(_), Some(_)) => {
                mistakes.push(Mistake::new("token_url", "stands beside issuer").hint("keep one of them"));
                None
            }
            (None, None) => {
                mistakes.push(
                    Mistake::new("", "names neither token_url nor issuer").hint(
                        "name the token endpoint in `token_url`, or the issuer whose metadata names it in `issuer`",
                    ),
                );
                None
            }
        }
    }

    fn check_lists(&self, mistakes: &mut Vec<Mistake>) {
        if self.audiences.iter().any(String::is_empty) {
            mistakes.push(Mistake::new("audiences", "holds an empty one"));
        }
        if self.subject_audience.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("subject_audience", "is empty").hint("leave it out"));
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            mistakes.push(
                Mistake::new("scopes", "holds an empty scope or several in one").hint("give one scope per element"),
            );
        }
        // RFC 8707, 2: an absolute URI without fragment.
        let is_resource = |text: &String| url::Url::parse(text).is_ok_and(|url| url.fragment().is_none());
        if !self.resources.iter().all(is_resource) {
            mistakes.push(
                Mistake::new("resources", "holds what is not an absolute URI without fragment")
                    .hint("a name that is not an address belongs into `audiences`"),
            );
        }
        for name in self.parameters.keys().filter(|name| name.is_empty() || OWN.contains(&name.as_str())) {
            mistakes.push(
                Mistake::new(format!("parameters.{name}"), "is set by the exchange itself")
                    .hint("use the field that is made for it"),
            );
        }
    }

    /// What only RFC 8693 knows, and what an assertion needs.
    fn check_grant(&self, mistakes: &mut Vec<Mistake>) {
        if self.actor_token_type.is_some() && self.actor_token_file.is_none() {
            mistakes.push(Mistake::new("actor_token_type", "stands without actor_token_file"));
        }
        if self.actor_token_file.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            mistakes.push(Mistake::new("actor_token_file", "is empty"));
        }
        if self.grant == Grant::TokenExchange {
            return;
        }
        for (field, given) in [
            ("requested_token_type", self.requested_token_type.is_some()),
            ("subject_token_type", self.subject_token_type.is_some()),
            ("actor_token_file", self.actor_token_file.is_some()),
        ] {
            if given {
                mistakes.push(
                    Mistake::new(field, "only applies to the grant token-exchange")
                        .hint("leave it out, or set `grant = \"token-exchange\"`"),
                );
            }
        }
    }

    fn kind(&self, requested: Option<&str>, mistakes: &mut Vec<Mistake>) -> TokenKind {
        let by_type = match requested {
            Some(JWT | ID_TOKEN) => TokenKind::Jwt,
            _ => TokenKind::AccessToken,
        };
        let kind = self.kind.unwrap_or(by_type);
        if kind == TokenKind::AccessToken && requested == Some(ID_TOKEN) {
            mistakes.push(
                Mistake::new("kind", "is access-token, and an ID token is asked for: no API takes one")
                    .hint("leave it out"),
            );
        }
        kind
    }
}

#[cfg(test)]
mod tests;
