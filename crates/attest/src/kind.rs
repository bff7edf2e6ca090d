//! The methods by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A method of node attestation. Its name stands in the agent's identity and in the selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A token that an operator made, good for one node.
    JoinToken,
    /// A certificate that the node already has, with its key.
    X509pop,
    /// A projected service account token of Kubernetes.
    K8s,
    /// The identity certificate of an OCI instance, with its key.
    Oci,
    /// The instance identity document of an AWS instance.
    Aws,
    /// The identity token of a Google Cloud instance.
    Gcp,
    /// The attested document of an Azure virtual machine.
    Azure,
    /// The access token of an Azure virtual machine's own managed identity.
    AzureMsi,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::JoinToken, Self::X509pop, Self::K8s, Self::Oci, Self::Aws, Self::Gcp, Self::Azure, Self::AzureMsi];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JoinToken => "join-token",
            Self::X509pop => "x509pop",
            Self::K8s => "k8s",
            Self::Oci => "oci",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::AzureMsi => "azure-msi",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no method has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such method of attestation; those known are join-token, x509pop, k8s, oci, aws, gcp, azure and azure-msi"
)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownKind)
    }
}
