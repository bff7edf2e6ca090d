//! The sections of the exchanges.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use carnet_core::{Exchange, ExchangeConfig, Kind, Kinds, Mistake};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    endpoint::{Server, check_path},
    exchange::{Lent, Login, Unwrap},
    trust::parse_seconds,
};

/// Longest life of a wrapping token, in seconds: what it hands over should be taken at once.
const MAX_WRAP: i64 = 86_400;

/// How to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A JWT of any issuer (auth method `jwt`).
    #[default]
    Jwt,
    /// The token of a Kubernetes service account (auth method `kubernetes`).
    Kubernetes,
    /// A certificate, shown in TLS (auth method `cert`).
    Cert,
    /// A request signed with an OCI key or session (auth method `oci`; Vault only).
    Oci,
    /// A request to AWS signed with AWS keys (auth method `aws`, type `iam`; Vault only).
    Aws,
    /// A JWT of any issuer, at a role that is a CEL program (auth method `jwt`; OpenBao only).
    Cel,
}

impl Method {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Cert => "cert",
            Self::Oci => "oci",
            Self::Aws => "aws",
            Self::Cel => "cel",
        }
    }

    /// Where it usually is.
    pub const fn mount(self) -> &'static str {
        match self {
            Self::Cel => "jwt",
            method => method.name(),
        }
    }

    /// What it takes.
    pub const fn takes(self) -> Kinds {
        match self {
            Self::Aws => Kinds::of(&[Kind::AwsKeys]),
            Self::Cel | Self::Jwt | Self::Kubernetes => Kinds::of(&[Kind::Jwt]),
            Self::Cert => Kinds::of(&[Kind::X509]),
            Self::Oci => Kinds::of(&[Kind::OciApiKey, Kind::OciSession]),
        }
    }
}

/// When `carnet run` gives a token back that it obtained (`auth/token/revoke-self`), with what was made by it: leases, child
/// tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Revoke {
    /// When its command has ended.
    End,
    /// When its command has ended, and half a minute after a new token was delivered in a file in its place.
    Replaced,
    /// Never: it lives until its own end.
    #[default]
    Never,
}

/// Logs in at Vault or OpenBao. Gives a Vault token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// The server, for instance `https://vault.example:8200`. By default from `BAO_ADDR` or `VAULT_ADDR`.
    #[serde(default)]
    pub address: Option<String>,
    /// The namespace. By default from `BAO_NAMESPACE` or `VAULT_NAMESPACE`, else the root.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A file with the certificates (PEM) of the server's authority, in place of the system's. By default from `BAO_CACERT` or
    /// `VAULT_CACERT`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `jwt` (default), `kubernetes`, `cert`, `oci`, `aws` or `cel`.
    #[serde(default)]
    pub method: Method,
    /// Where the auth method is mounted, without `auth/`. By default the name of the method, and `jwt` for `cel`.
    #[serde(default)]
    pub mount: Option<String>,
    /// The role. Needed for `kubernetes` and `oci`; without it a `jwt` mount takes its default role, a `cert` mount tries all, and
    /// an `aws` mount takes that of the principal's name.
    #[serde(default)]
    pub role: Option<String>,
    /// The audience that the JWT must name: one of `bound_audiences` of the role.
    #[serde(default)]
    pub audience: Option<String>,
    /// With `aws`: the region whose STS the server asks. By default the global one, as servers do.
    #[serde(default)]
    pub aws_region: Option<String>,
    /// With `aws`: the server that the proof is for, `iam_server_id_header_value` of the mount. Without it the proof logs in at every
    /// server that asks for none.
    #[serde(default)]
    pub server_id: Option<String>,
    /// Wraps the token: what is given then is a token that gives it once, within this time, for instance `5m`.
    #[serde(default)]
    pub wrap_ttl: Option<String>,
    /// Whether the token is renewed while that is possible, in place of a new login each time.
    #[serde(default)]
    pub renew: bool,
    /// When `carnet run` gives the token back, with the leases and child tokens that were made by it: `end` when the command has
    /// ended; `replaced` as well when a file has got a new token; `never` (default). A batch token cannot be given back.
    #[serde(default)]
    pub revoke: Option<Revoke>,
}

impl ExchangeConfig for Vault {
    const NAME: &'static str = "vault";
    const ABOUT: &'static str = "a JWT, a certificate, AWS keys or an OCI identity to a token of Vault or OpenBao";
    const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys, Kind::Jwt, Kind::OciApiKey, Kind::OciSession, Kind::X509]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(self.check()?))
    }
}

impl Vault {
    /// Checks the raw form, reporting all mistakes.
    pub(crate) fn check(self) -> Result<Login, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let server = Server::check(self.address.as_deref(), self.namespace.as_deref(), self.ca_file, &mut mistakes);
        let mount = self.mount.unwrap_or_else(|| self.method.mount().to_owned());
        let mount = mount.trim_matches('/').to_owned();
        if mount.starts_with("auth/") {
            mistakes.push(Mistake::new("mount", "begins with `auth/`").hint("leave `auth/` out: it is added"));
        }
        mistakes.extend(check_path("mount", &mount).err());
        if let Some(role) = &self.role {
            let wrong = check_path("role", role).is_err() || role.contains('/');
            mistakes.extend(wrong.then(|| Mistake::new("role", "is not the name of a role")));
        } else if matches!(self.method, Method::Kubernetes | Method::Oci) {
            mistakes.push(Mistake::new("role", format!("is needed for the method `{}`", self.method.name())));
        }
        if self.audience.is_some() && !matches!(self.method, Method::Cel | Method::Jwt | Method::Kubernetes) {
            mistakes.push(Mistake::new("audience", "only applies to tokens").hint("leave it out"));
        }
        if self.audience.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("audience", "is empty").hint("one of `bound_audiences` of the role"));
        }
        for (field, given) in [("aws_region", &self.aws_region), ("server_id", &self.server_id)] {
            if given.is_some() && self.method != Method::Aws {
                mistakes.push(Mistake::new(field, "only applies to the method `aws`").hint("leave it out"));
            }
        }
        if self.aws_region.as_deref().is_some_and(|region| !is_region(region)) {
            mistakes
                .push(Mistake::new("aws_region", "is not the name of a region").hint("for instance `eu-central-1`"));
        }
        if self.server_id.as_deref().is_some_and(|id| id.is_empty() || !id.chars().all(|c| c.is_ascii_graphic())) {
            let hint = "`iam_server_id_header_value` of the mount, for instance `vault.example`";
            mistakes.push(Mistake::new("server_id", "is not one word of visible ASCII").hint(hint));
        }
        let wrap_ttl = self.wrap_ttl.as_deref().and_then(|text| {
            let seconds = parse_seconds(text).filter(|seconds| (1..=MAX_WRAP).contains(seconds));
            if seconds.is_none() {
                mistakes.push(Mistake::new("wrap_ttl", "is not a time from 1s to 24h").hint("for instance `5m`"));
            }
            seconds
        });
        if self.wrap_ttl.is_some() && self.renew {
            mistakes.push(
                Mistake::new("renew", "does not apply to a token that is wrapped").hint("leave it or `wrap_ttl` out"),
            );
        }
        if self.wrap_ttl.is_some() && self.revoke.is_some_and(|revoke| revoke != Revoke::Never) {
            let hint = "set it where the token is unwrapped: `revoke` of `vault-unwrap`";
            mistakes.push(Mistake::new("revoke", "does not apply to a token that is wrapped").hint(hint));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Login {
            server,
            method: self.method,
            mount,
            role: self.role,
            audience: self.audience,
            aws_region: self.aws_region,
            server_id: self.server_id,
            wrap_ttl,
            renew: self.renew,
            held: Mutex::new(None),
            lent: Lent::new(self.revoke),
        })
    }
}

/// It becomes part of a host name, so nothing else passes.
fn is_region(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 32
        && text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Takes a wrapping token and gives the token inside. Before that it asks where the token was made, so that an answer that
/// somebody else put in is not believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultUnwrap {
    /// As in `vault`.
    #[serde(default)]
    pub address: Option<String>,
    /// As in `vault`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// As in `vault`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The path whose answer must be inside, for instance `auth/jwt/login`.
    pub creation_path: String,
    /// As in `vault`, for the token inside.
    #[serde(default)]
    pub revoke: Option<Revoke>,
}

impl ExchangeConfig for VaultUnwrap {
    const NAME: &'static str = "vault-unwrap";
    const ABOUT: &'static str = "a wrapping token of Vault to the token inside";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let server = Server::check(self.address.as_deref(), self.namespace.as_deref(), self.ca_file, &mut mistakes);
        mistakes.extend(check_path("creation_path", &self.creation_path).err());
        if mistakes.is_empty() {
            Ok(Arc::new(Unwrap { server, creation_path: self.creation_path, lent: Lent::new(self.revoke) }))
        } else {
            Err(mistakes)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mistakes(section: Value) -> Vec<String> {
        let section: Vault = serde_json::from_value(section).unwrap();
        section.check().unwrap_err().into_iter().map(|mistake| mistake.field).collect()
    }

    #[test]
    fn rejects_each_field_that_cannot_work() {
        for (section, field) in [
            (json!({ "address": "http://vault.example" }), "address"),
            (json!({ "address": "https://vault.example/v1/" }), "address"),
            (json!({ "address": "https://u@vault.example" }), "address"),
            (json!({ "namespace": "a/../b" }), "namespace"),
            (json!({ "mount": "auth/jwt" }), "mount"),
            (json!({ "role": "a/b" }), "role"),
            (json!({ "role": "a?b" }), "role"),
            (json!({ "method": "oci" }), "role"),
            (json!({ "method": "cert", "audience": "a" }), "audience"),
            (json!({ "audience": "" }), "audience"),
            (json!({ "aws_region": "eu-central-1" }), "aws_region"),
            (json!({ "server_id": "vault.example" }), "server_id"),
            (json!({ "method": "aws", "aws_region": "evil.example/" }), "aws_region"),
            (json!({ "method": "aws", "server_id": "a b" }), "server_id"),
            (json!({ "method": "aws", "audience": "a" }), "audience"),
            (json!({ "wrap_ttl": "25h" }), "wrap_ttl"),
            (json!({ "wrap_ttl": "soon" }), "wrap_ttl"),
            (json!({ "wrap_ttl": "5m", "renew": true }), "renew"),
            (json!({ "wrap_ttl": "5m", "revoke": "end" }), "revoke"),
        ] {
            assert_eq!(mistakes(section.clone()), [field], "{section}");
        }
    }

    #[test]
    fn the_method_says_what_is_taken_and_where_it_is_mounted() {
        for (method, kind, mount) in [
            ("jwt", Kind::Jwt, "jwt"),
            ("kubernetes", Kind::Jwt, "kubernetes"),
            ("cert", Kind::X509, "cert"),
            ("oci", Kind::OciSession, "oci"),
            ("aws", Kind::AwsKeys, "aws"),
            ("cel", Kind::Jwt, "jwt"),
        ] {
            let section: Vault = serde_json::from_value(json!({ "method": method, "role": "r" })).unwrap();
            let login = section.check().unwrap();
            assert!(login.takes().contains(kind) && Vault::TAKES.contains(kind) && login.mount == mount);
        }
    }
}
