//! The agent's half of all methods.

use carnet_core::{Context, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Kind, aws::evidence::AwsEvidence, azure::evidence::AzureEvidence, azure_msi::evidence::AzureMsiEvidence,
    gcp::evidence::GcpEvidence, join_token::evidence::JoinTokenEvidence, k8s::evidence::K8sEvidence,
    oci::evidence::OciEvidence, x509pop::evidence::X509popEvidence,
};

/// How this node proves what it is, for instance `attest = { k8s = { cluster = "production" } }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A token that an operator made.
    JoinToken(JoinTokenEvidence),
    /// A certificate that the node already has.
    X509pop(X509popEvidence),
    /// A projected service account token.
    K8s(K8sEvidence),
    /// The identity certificate of an OCI instance.
    Oci(OciEvidence),
    /// The instance identity document of an AWS instance.
    Aws(AwsEvidence),
    /// The identity token of a Google Cloud instance.
    Gcp(GcpEvidence),
    /// The attested document of an Azure virtual machine.
    Azure(AzureEvidence),
    /// The access token of an Azure virtual machine's own managed identity.
    AzureMsi(AzureMsiEvidence),
}

impl Evidence {
    /// The method.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::JoinToken(_) => Kind::JoinToken,
            Self::X509pop(_) => Kind::X509pop,
            Self::K8s(_) => Kind::K8s,
            Self::Oci(_) => Kind::Oci,
            Self::Aws(_) => Kind::Aws,
            Self::Gcp(_) => Kind::Gcp,
            Self::Azure(_) => Kind::Azure,
            Self::AzureMsi(_) => Kind::AzureMsi,
        }
    }

    /// Gathers what [`crate::protocol::AttestRequest::payload`] takes, for the nonce of this attempt. It may hold a token.
    ///
    /// # Errors
    /// When a file or the metadata service is not there, or does not give what it should.
    pub async fn gather(&self, nonce: &[u8], context: &Context) -> Result<Value, Error> {
        match self {
            Self::JoinToken(evidence) => evidence.gather(context),
            Self::X509pop(evidence) => evidence.gather(nonce, context),
            Self::K8s(evidence) => evidence.gather(context),
            Self::Oci(evidence) => evidence.gather(nonce, context).await,
            Self::Aws(evidence) => evidence.gather(context).await,
            Self::Gcp(evidence) => evidence.gather(nonce, context).await,
            Self::Azure(evidence) => evidence.gather(nonce, context).await,
            Self::AzureMsi(evidence) => evidence.gather(context).await,
        }
    }
}

pub(crate) fn to_value(payload: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(payload).map_err(|_quoting| Error::internal("write the evidence as JSON"))
}
