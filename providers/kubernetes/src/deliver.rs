//! `kubernetes-exec-credential`: what `kubectl` and every client library read of a credential plugin ("client-go credential
//! plugins"; "Client Authentication (v1)").

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake, Output,
    Secret, SecretBytes, X509Identity, check_token,
};
use carnet_jose::private_key_to_pem;
use carnet_x509::der_to_pem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the client tells its plugin: the version that it reads, above all.
const INFO: &str = "KUBERNETES_EXEC_INFO";
/// The versions that clients still read. Their fields are the same.
const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";
/// The only type of token that a client sends.
const BEARER: &str = "bearer";
/// More than the longest document: a token is at most 64 KiB, a chain some more.
const ROOM: usize = 128 * 1024;

/// A token, or a certificate with its key, as an `ExecCredential` on standard output: for the section `exec` of a kubeconfig. The
/// client keeps it until it ends, and asks again when the API server answers 401.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecCredential {
    /// The version. By default the one that the client asks for in `KUBERNETES_EXEC_INFO`, else `v1`.
    #[serde(default)]
    pub version: Option<ExecVersion>,
}

/// A version of `client.authentication.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecVersion {
    /// Since Kubernetes 1.22.
    V1,
    /// Before.
    V1beta1,
}

impl DeliveryConfig for ExecCredential {
    const NAME: &'static str = "kubernetes-exec-credential";
    const ABOUT: &'static str = "the credential as kubectl's plugins print it";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt, Kind::AccessToken, Kind::X509]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for ExecCredential {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let version = self.version(context)?;
            let output = document(version, credential)?;
            Ok(Delivered { output: Some(output), ..Delivered::default() })
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    api_version: String,
    kind: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    status: Status<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<&'a str>,
}

impl ExecCredential {
    /// The version to write. A client refuses every other than the one that its configuration names.
    fn version(&self, context: &Context) -> Result<&'static str, Error> {
        let asked = match context.env(INFO) {
            Some(text) => Some(asked(&text)?),
            None => None,
        };
        let named = self.version.map(|version| match version {
            ExecVersion::V1 => V1,
            ExecVersion::V1beta1 => V1BETA1,
        });
        match (named, asked) {
            (Some(named), Some(asked)) if named != asked => Err(Error::configuration(format!(
                "write an exec credential: {named} is configured, and the client reads {asked}"
            ))
            .hint("leave `version` out: the client says what it reads")),
            (Some(version), _) | (None, Some(version)) => Ok(version),
            (None, None) => Ok(V1),
        }
    }
}

fn asked(info: &str) -> Result<&'static str, Error> {
    let attempt = || Error::configuration(format!("read the environment variable {INFO}"));
    let info: Info = serde_json::from_str(info)
        .map_err(|_quoting| attempt().hint("the client that runs this plugin sets it; unset it elsewhere"))?;
    match (info.kind.as_str(), info.api_version.as_str()) {
        ("ExecCredential", V1) => Ok(V1),
        ("ExecCredential", V1BETA1) => Ok(V1BETA1),
        (kind, version) => {
            let seen = carnet_core::safe_text(&format!("{kind} of {version}"));
            Err(attempt()
                .because(format!("it asks for {seen}"))
                .hint(format!("write apiVersion: {V1} in the section exec of the kubeconfig")))
        }
    }
}

fn document(api_version: &'static str, credential: &Credential) -> Result<SecretBytes, Error> {
    // Whole seconds, as Kubernetes writes times; cut off, so that it never ends later than it does.
    let end = credential.expires_at.map(|end| end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    match &credential.material {
        Material::Jwt(token) => write(api_version, Status { expiration_timestamp: end, ..with_token(token)? }),
        Material::AccessToken(access) if access.token_type.eq_ignore_ascii_case(BEARER) => {
            write(api_version, Status { expiration_timestamp: end, ..with_token(&access.token)? })
        }
        Material::AccessToken(_) => Err(Error::configuration("write an exec credential: the token is no bearer token")
            .hint("clients of Kubernetes send tokens as `Authorization: Bearer` only")),
        Material::X509(identity) => {
            let (chain, key) = pems(identity)?;
            let status = Status {
                expiration_timestamp: end,
                client_certificate_data: Some(&chain),
                client_key_data: Some(key.expose()),
                ..Status::default()
            };
            write(api_version, status)
        }
        _ => Err(Error::internal(format!("write an exec credential of kind {}", credential.kind()))),
    }
}

fn write(api_version: &'static str, status: Status<'_>) -> Result<SecretBytes, Error> {
    // Large enough at once, so that no half of it stays behind in a buffer that was outgrown.
    let mut bytes = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut bytes, &Document { api_version, kind: "ExecCredential", status })
        .map_err(|error| Error::internal("write the exec credential").because(error))?;
    Ok(SecretBytes::new(bytes))
}

fn with_token(token: &Secret) -> Result<Status<'_>, Error> {
    check_token(token).map_err(|wrong| {
        Error::internal(format!("write an exec credential: {wrong}"))
            .hint("it came that way from the last step of the route: look at what answers there")
    })?;
    Ok(Status { token: Some(token.expose()), ..Status::default() })
}

/// Leaf first, then the key.
fn pems(identity: &X509Identity) -> Result<(String, Secret), Error> {
    let chain: String = identity.chain.iter().map(|der| der_to_pem(der)).collect();
    if chain.is_empty() {
        return Err(Error::internal("write an exec credential: the identity has no certificate"));
    }
    Ok((chain, private_key_to_pem(&identity.private_key)?))
}

#[cfg(test)]
mod tests;
