//! The authority's half of all methods.

use carnet_core::{Context, Error, Mistake};
use carnet_jose::{CacheLimits, CachedKeySets};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Attested, Kind,
    attested::refused,
    aws::verify::{AwsConfig, AwsVerifier},
    azure::verify::{AzureConfig, AzureVerifier},
    azure_msi::verify::{AzureMsiConfig, AzureMsiVerifier},
    gcp::verify::{GcpConfig, GcpVerifier},
    join_token,
    k8s::verify::{K8sConfig, K8sVerifier, check as check_clusters},
    oci::verify::{OciConfig, OciVerifier},
    x509pop::verify::{X509popConfig, X509popVerifier},
};

/// The methods by which nodes may become agents. One that is not named here is not offered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestConfig {
    /// Tokens that operators make. Default: true; without such tokens nobody gets in.
    #[serde(default = "yes")]
    pub join_token: bool,
    /// Certificates that nodes already have.
    #[serde(default)]
    pub x509pop: Option<X509popConfig>,
    /// Kubernetes clusters by name.
    #[serde(default)]
    pub k8s: K8sConfig,
    /// OCI instances.
    #[serde(default)]
    pub oci: Option<OciConfig>,
    /// AWS instances.
    #[serde(default)]
    pub aws: Option<AwsConfig>,
    /// Google Cloud instances.
    #[serde(default)]
    pub gcp: Option<GcpConfig>,
    /// Azure virtual machines.
    #[serde(default)]
    pub azure: Option<AzureConfig>,
    /// Azure virtual machines, by the tokens of their own managed identities.
    #[serde(default)]
    pub azure_msi: Option<AzureMsiConfig>,
}

fn yes() -> bool {
    true
}

impl Default for AttestConfig {
    fn default() -> Self {
        Self {
            join_token: true,
            x509pop: None,
            k8s: K8sConfig::new(),
            oci: None,
            aws: None,
            gcp: None,
            azure: None,
            azure_msi: None,
        }
    }
}

/// See [`AttestConfig`]. What it was loaded from is read once; load it again when a file has changed.
#[derive(Debug)]
pub struct Attestors {
    context: Context,
    join_token: bool,
    x509pop: Option<X509popVerifier>,
    k8s: K8sVerifier,
    k8s_offered: bool,
    oci: Option<OciVerifier>,
    aws: Option<AwsVerifier>,
    gcp: Option<GcpVerifier>,
    azure: Option<AzureVerifier>,
    azure_msi: Option<AzureMsiVerifier>,
}

impl AttestConfig {
    /// Looks at everything but the files that are named.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_clusters(&self.k8s, &mut mistakes);
        self.oci.iter().for_each(|config| config.check(&mut mistakes));
        self.aws.iter().for_each(|config| config.check(&mut mistakes));
        self.gcp.iter().for_each(|config| config.check(&mut mistakes));
        self.azure.iter().for_each(|config| config.check(&mut mistakes));
        self.azure_msi.iter().for_each(|config| config.check(&mut mistakes));
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// Reads the files that are named.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(&self, context: &Context) -> Result<Attestors, Vec<Mistake>> {
        let mut mistakes = self.check().err().unwrap_or_default();
        let fetched = CachedKeySets::new(context.clone(), CacheLimits::default());
        let attestors = Attestors {
            context: context.clone(),
            join_token: self.join_token,
            x509pop: self.x509pop.as_ref().map(|config| config.load(context, &mut mistakes)),
            k8s: K8sVerifier::load(&self.k8s, context, fetched.clone(), &mut mistakes),
            k8s_offered: !self.k8s.is_empty(),
            oci: self.oci.as_ref().map(|config| config.load(context, &mut mistakes)),
            aws: self.aws.as_ref().map(|config| config.load(context, &mut mistakes)),
            gcp: self.gcp.as_ref().map(|config| GcpVerifier::load(config, context, fetched.clone())),
            azure: self.azure.as_ref().map(|config| config.load(context, &mut mistakes)),
            azure_msi: (self.azure_msi.as_ref()).map(|config| AzureMsiVerifier::load(config, context, fetched)),
        };
        if mistakes.is_empty() { Ok(attestors) } else { Err(mistakes) }
    }
}

impl Attestors {
    /// Whether nodes may come by this method.
    pub fn offers(&self, kind: Kind) -> bool {
        match kind {
            Kind::JoinToken => self.join_token,
            Kind::X509pop => self.x509pop.is_some(),
            Kind::K8s => self.k8s_offered,
            Kind::Oci => self.oci.is_some(),
            Kind::Aws => self.aws.is_some(),
            Kind::Gcp => self.gcp.is_some(),
            Kind::Azure => self.azure.is_some(),
            Kind::AzureMsi => self.azure_msi.is_some(),
        }
    }

    /// Believes the evidence for this nonce, or does not.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Policy`] with the clause that failed; [`carnet_core::ErrorKind::Unreachable`] when somebody
    /// who must be asked does not answer.
    pub async fn verify(&self, kind: Kind, evidence: &Value, nonce: &[u8]) -> Result<Attested, Error> {
        let now = self.context.now();
        let not_offered = || {
            refused(kind, "method", "this method is not offered")
                .hint("the authority's configuration names the methods that it offers")
        };
        if !self.offers(kind) {
            return Err(not_offered());
        }
        match kind {
            Kind::JoinToken => join_token::verify::verify(evidence),
            Kind::X509pop => self.x509pop.as_ref().ok_or_else(not_offered)?.verify(evidence, nonce, now),
            Kind::K8s => self.k8s.verify(evidence).await,
            Kind::Oci => self.oci.as_ref().ok_or_else(not_offered)?.verify(evidence, nonce, now),
            Kind::Aws => self.aws.as_ref().ok_or_else(not_offered)?.verify(evidence, now),
            Kind::Gcp => self.gcp.as_ref().ok_or_else(not_offered)?.verify(evidence, nonce).await,
            Kind::Azure => self.azure.as_ref().ok_or_else(not_offered)?.verify(evidence, nonce, now),
            Kind::AzureMsi => self.azure_msi.as_ref().ok_or_else(not_offered)?.verify(evidence).await,
        }
    }
}
