//! The section of the exchange.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use carnet_core::{Exchange, ExchangeConfig, Kind, Kinds, Mistake};
use carnet_oci::regions::Region;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    endpoint::Server,
    exchange::{Login, Proof},
};

/// How to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// AWS keys: a signed `GetCallerIdentity`, which Infisical sends on.
    Aws,
    /// An access token of an Azure managed identity.
    Azure,
    /// An ID token of Google whose audience is the identity's id.
    Gcp,
    /// A JWT that a Google service account signs for the identity: with an access token that may ask for it, or signed already.
    GcpIam,
    /// A JWT that keys verify which the auth method names.
    Jwt,
    /// The token of a Kubernetes service account.
    Kubernetes,
    /// An OCI API key: a signed "get user", which Infisical sends on.
    Oci,
    /// A JWT of an issuer with a discovery document.
    #[default]
    Oidc,
    /// A JWT-SVID.
    Spiffe,
    /// A client id, with the client secret as an access token of the source, for instance `file` with `kind = "access-token"`.
    Universal,
}

impl Method {
    /// Its name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::GcpIam => "gcp-iam",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Oci => "oci",
            Self::Oidc => "oidc",
            Self::Spiffe => "spiffe",
            Self::Universal => "universal",
        }
    }

    /// Its part of the path of the login.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Aws => "aws-auth",
            Self::Azure => "azure-auth",
            Self::Gcp | Self::GcpIam => "gcp-auth",
            Self::Jwt => "jwt-auth",
            Self::Kubernetes => "kubernetes-auth",
            Self::Oci => "oci-auth",
            Self::Oidc => "oidc-auth",
            Self::Spiffe => "spiffe-auth",
            Self::Universal => "universal-auth",
        }
    }

    /// What it takes.
    pub const fn takes(self) -> Kinds {
        match self {
            Self::Aws => Kinds::of(&[Kind::AwsKeys]),
            Self::Azure | Self::GcpIam => Kinds::of(&[Kind::AccessToken, Kind::Jwt]),
            Self::Gcp | Self::Jwt | Self::Kubernetes | Self::Oidc | Self::Spiffe => Kinds::of(&[Kind::Jwt]),
            Self::Oci => Kinds::of(&[Kind::OciApiKey]),
            Self::Universal => Kinds::of(&[Kind::AccessToken]),
        }
    }
}

/// Logs a machine identity in at Infisical. Gives an access token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Infisical {
    /// The server, for instance `https://eu.infisical.com`. By default from `INFISICAL_DOMAIN` or `INFISICAL_API_URL`, else
    /// `https://app.infisical.com`.
    #[serde(default)]
    pub address: Option<String>,
    /// A file with the certificates (PEM) of the server's authority, in place of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `oidc` (default), `jwt`, `kubernetes`, `spiffe`, `aws`, `azure`, `gcp`, `gcp-iam`, `oci` or `universal`.
    #[serde(default)]
    pub method: Method,
    /// The id of the machine identity. By default from `INFISICAL_MACHINE_IDENTITY_ID`. Not for `universal`.
    #[serde(default)]
    pub identity_id: Option<String>,
    /// The client id, for `universal`. By default from `INFISICAL_UNIVERSAL_AUTH_CLIENT_ID`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The sub-organisation to enter. By default from `INFISICAL_AUTH_ORGANIZATION_SLUG`, else the identity's own.
    #[serde(default)]
    pub organization_slug: Option<String>,
    /// The audience that the token must name: one that the auth method takes. For `gcp` it is the identity's id and need not be
    /// given. For `oidc`, `jwt`, `kubernetes`, `spiffe` and `gcp` only.
    #[serde(default)]
    pub audience: Option<String>,
    /// For `oci` the region whose identity service Infisical asks, by default that of the credential. For `aws` that whose STS
    /// it asks, by default from `AWS_REGION` or `AWS_DEFAULT_REGION`, else `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// The service account that signs, for `gcp-iam` with an access token: its e-mail address.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Whether the token is renewed while that is possible, in place of a new login each time.
    #[serde(default)]
    pub renew: bool,
}

impl ExchangeConfig for Infisical {
    const NAME: &'static str = "infisical";
    const ABOUT: &'static str = "a JWT, AWS keys, an OCI API key or a client secret to an access token of Infisical";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::AwsKeys, Kind::Jwt, Kind::OciApiKey]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(self.check()?))
    }
}

impl Infisical {
    /// Checks the raw form, reporting all mistakes.
    pub(crate) fn check(self) -> Result<Login, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let server = Server::check(self.address.as_deref(), self.ca_file.clone(), &mut mistakes);
        self.check_words(&mut mistakes);
        self.check_method(&mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let proof = match self.method {
            Method::Aws => Proof::Aws { region: self.region },
            Method::GcpIam => Proof::GcpIam { service_account: self.service_account },
            Method::Oci => Proof::Oci { region: self.region },
            Method::Universal => Proof::Universal { client_id: self.client_id },
            method => Proof::Token(method),
        };
        let audience = match self.method {
            Method::Gcp => self.audience.or_else(|| self.identity_id.clone()),
            _ => self.audience,
        };
        Ok(Login {
            server,
            method: self.method,
            proof,
            identity_id: self.identity_id,
            organization_slug: self.organization_slug,
            audience,
            renew: self.renew,
            held: Mutex::new(None),
        })
    }

    fn check_words(&self, mistakes: &mut Vec<Mistake>) {
        let words = [
            ("identity_id", &self.identity_id, "the id of the identity, a UUID"),
            ("client_id", &self.client_id, "the client id of Universal Auth"),
            ("organization_slug", &self.organization_slug, "the slug of the sub-organisation"),
        ];
        for (field, value, hint) in words {
            if value.as_deref().is_some_and(|value| !is_word(value)) {
                mistakes.push(Mistake::new(field, "is not one word of letters, digits, `-` and `_`").hint(hint));
            }
        }
        if self.audience.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("audience", "is empty").hint("one of those that the auth method takes"));
        }
        let account = self.service_account.as_deref();
        if account.is_some_and(|account| !is_address(account)) {
            let hint = "for instance app@project.iam.gserviceaccount.com";
            mistakes.push(Mistake::new("service_account", "is not the e-mail address of a service account").hint(hint));
        }
        match (self.method, self.region.as_deref()) {
            (Method::Aws, Some(region)) if !is_word(region) || region.len() > MAX_AWS_REGION => {
                mistakes
                    .push(Mistake::new("region", "is not the name of an AWS region").hint("for instance eu-central-1"));
            }
            (Method::Oci, Some(region)) if !is_commercial(region) => {
                mistakes.push(Mistake::new("region", "is not a region of OCI's commercial realm").hint(COMMERCIAL));
            }
            _ => {}
        }
    }

    /// What applies to other methods only.
    fn check_method(&self, mistakes: &mut Vec<Mistake>) {
        let method = self.method;
        let with_audience =
            matches!(method, Method::Gcp | Method::Jwt | Method::Kubernetes | Method::Oidc | Method::Spiffe);
        let given = [
            ("audience", self.audience.is_some(), with_audience),
            ("region", self.region.is_some(), matches!(method, Method::Aws | Method::Oci)),
            ("service_account", self.service_account.is_some(), method == Method::GcpIam),
            ("client_id", self.client_id.is_some(), method == Method::Universal),
            ("identity_id", self.identity_id.is_some(), method != Method::Universal),
        ];
        for (field, given, applies) in given {
            if given && !applies {
                let message = format!("does not apply to the method `{}`", method.name());
                mistakes.push(Mistake::new(field, message).hint("leave it out"));
            }
        }
    }
}

/// Longest name of a region that Infisical takes (`identity-aws-auth-service.ts`).
const MAX_AWS_REGION: usize = 20;
/// Why another region of OCI does not do.
pub(crate) const COMMERCIAL: &str = "Infisical asks hosts of the form identity.REGION.oraclecloud.com only";

/// Whether Infisical asks the identity service of this region.
pub(crate) fn is_commercial(region: &str) -> bool {
    Region::built_in(region).is_some_and(|region| region.realm() == Some("oc1"))
}

/// Letters, digits, `-` and `_`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// One `@` between plain parts. It becomes part of a URL, so nothing passes that would lead elsewhere.
pub(crate) fn is_address(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    text.split_once('@').is_some_and(|(name, domain)| plain(name) && plain(domain))
}

#[cfg(test)]
mod tests;
