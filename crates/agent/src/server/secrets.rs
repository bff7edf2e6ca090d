//! SVIDs and bundles as Envoy's secrets.

use std::collections::BTreeSet;

use carnet_core::Result as CarnetResult;
use carnet_grpc::{
    envoy::{
        config::core::v3::{
            DataSource, Node, TypedExtensionConfig, data_source::Specifier, node::UserAgentVersionType,
        },
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, SpiffeCertValidatorConfig, TlsCertificate, secret::Type,
            spiffe_cert_validator_config,
        },
        service::discovery::v3::DiscoveryResponse,
    },
    prost::{Message, Name},
    prost_types::{Any, value::Kind},
    tonic::Status,
};
use carnet_spiffe::{Bundle, TrustDomain};
use carnet_x509::{der_to_pem, split_der};

use super::{
    feed::{Next, Selectors, Subject},
    no_identity,
};
use crate::{
    core::Core,
    hub::{Snapshot, Wish, X509Svid},
    minter::pem,
    view::{Identity, Progress, domains, identities},
};

/// The validator's name and its setting in a node's metadata (Envoy's and SPIRE's documentation).
const VALIDATOR: &str = "envoy.tls.cert_validator.spiffe";
const WITHOUT_VALIDATOR: &str = "disable_spiffe_cert_validation";
/// The first version of Envoy that has the validator.
const FIRST_WITH_VALIDATOR: (u32, u32) = (1, 18);

/// What one Envoy wants.
pub(super) struct Secrets {
    pub(super) selectors: Selectors,
    /// What it asks for; everything when empty.
    pub(super) names: Vec<String>,
    /// Whether it gets certificates of authorities without the SPIFFE validator.
    pub(super) plain: bool,
}

/// The resource type of everything here.
pub(super) fn type_url() -> String {
    Secret::type_url()
}

/// Whether an Envoy cannot, or does not want to, use the SPIFFE validator.
pub(super) fn wants_plain(node: &Node) -> bool {
    let setting = node.metadata.as_ref().and_then(|metadata| metadata.fields.get(WITHOUT_VALIDATOR));
    let set = match setting.and_then(|value| value.kind.as_ref()) {
        Some(Kind::BoolValue(set)) => *set,
        Some(Kind::StringValue(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    set || version(node).is_some_and(|version| version < FIRST_WITH_VALIDATOR)
}

fn version(node: &Node) -> Option<(u32, u32)> {
    match node.user_agent_version_type.as_ref()? {
        UserAgentVersionType::UserAgentBuildVersion(build) => {
            build.version.as_ref().map(|version| (version.major_number, version.minor_number))
        }
        UserAgentVersionType::UserAgentVersion(text) => {
            let mut numbers = text.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        }
    }
}

impl Subject for Secrets {
    type Message = DiscoveryResponse;

    fn next(&mut self, core: &Core, snapshot: &Snapshot, wish: &mut Wish) -> Result<Next<DiscoveryResponse>, Status> {
        let now = core.context.now();
        let identities = identities(snapshot, &self.selectors, now);
        if identities.is_empty() {
            return Err(no_identity());
        }
        wish.set(identities.iter().map(|identity| identity.key.clone()).collect());
        let mut made = Made { core, snapshot, plain: self.plain, identities, resources: Vec::new(), whole: true };
        let unknown = made.all(&self.names)?;
        if !unknown.is_empty() {
            // As SPIRE writes it, which is how Go prints a list.
            let unknown: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
            let unknown = unknown.join(" ");
            let message = format!("workload is not authorized for the requested identities [{unknown}]");
            return Err(Status::invalid_argument(message));
        }
        let Made { resources, whole, .. } = made;
        if resources.is_empty() {
            return Ok(Next::Coming);
        }
        let message = DiscoveryResponse { resources, type_url: type_url(), ..DiscoveryResponse::default() };
        Ok(Next::Message { message, whole })
    }
}

/// Secrets on their way.
struct Made<'a> {
    core: &'a Core,
    snapshot: &'a Snapshot,
    plain: bool,
    identities: Vec<Identity>,
    resources: Vec<Any>,
    whole: bool,
}

impl Made<'_> {
    /// Makes those of these names, or of all there are. The names that mean nothing for this caller.
    fn all(&mut self, names: &[String]) -> Result<BTreeSet<String>, Status> {
        let own = &self.core.settings.trust_domain;
        let visible = domains(own, &self.identities);
        if names.is_empty() {
            for identity in self.identities.clone() {
                self.certificate(identity.spiffe_id.as_str(), &identity)?;
            }
            for domain in &visible {
                self.validation(domain.id().as_str(), &[domain]);
            }
            return Ok(BTreeSet::new());
        }
        let mut unknown = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for name in names.iter().filter(|name| seen.insert(name.as_str())) {
            if !self.one(name, own, &visible)? {
                unknown.insert(name.clone());
            }
        }
        Ok(unknown)
    }

    fn one(&mut self, name: &str, own: &TrustDomain, visible: &BTreeSet<TrustDomain>) -> Result<bool, Status> {
        let names = &self.core.settings.sds;
        let identity = self.identities.iter().find(|identity| identity.spiffe_id.as_str() == name).cloned();
        if let Some(identity) = identity {
            return self.certificate(name, &identity);
        }
        if let Some(domain) = visible.iter().find(|domain| domain.id().as_str() == name) {
            return Ok(self.validation(name, &[domain]));
        }
        if name == names.default_svid_name {
            return match self.identities.first().cloned() {
                Some(first) => self.certificate(name, &first),
                None => Ok(false),
            };
        }
        if name == names.default_bundle_name {
            return Ok(self.validation(name, &[own]));
        }
        if name == names.default_all_bundles_name {
            if self.plain {
                let message = format!("{name:?} needs the SPIFFE validator, and that is disabled");
                return Err(Status::invalid_argument(message));
            }
            return Ok(self.validation(name, &visible.iter().collect::<Vec<_>>()));
        }
        Ok(false)
    }

    /// `false` when the authority gives none for this identity.
    fn certificate(&mut self, name: &str, identity: &Identity) -> Result<bool, Status> {
        match identity.x509(self.snapshot, self.core.context.now()) {
            Progress::Here(svid) => {
                let certificate = certificate(&svid).map_err(|error| internal(&error))?;
                self.push(name, Type::TlsCertificate(certificate));
                Ok(true)
            }
            Progress::Coming => {
                self.whole = false;
                Ok(true)
            }
            Progress::Refused => Ok(false),
        }
    }

    /// `false` when there is no bundle of these domains.
    fn validation(&mut self, name: &str, domains: &[&TrustDomain]) -> bool {
        let bundles: Vec<&Bundle> =
            domains.iter().filter_map(|domain| self.snapshot.bundles.get(domain)).map(AsRef::as_ref).collect();
        if bundles.is_empty() {
            return false;
        }
        let context = if self.plain {
            let all: String = bundles.iter().map(|bundle| bundle_pem(bundle)).collect();
            CertificateValidationContext { trusted_ca: Some(inline(all)), custom_validator_config: None }
        } else {
            let trust_domains = bundles.iter().map(|bundle| spiffe_cert_validator_config::TrustDomain {
                name: bundle.trust_domain.to_string(),
                trust_bundle: Some(inline(bundle_pem(bundle))),
            });
            let config = SpiffeCertValidatorConfig { trust_domains: trust_domains.collect() };
            let config = TypedExtensionConfig { name: VALIDATOR.to_owned(), typed_config: Some(any(&config)) };
            CertificateValidationContext { trusted_ca: None, custom_validator_config: Some(config) }
        };
        self.push(name, Type::ValidationContext(context));
        true
    }

    fn push(&mut self, name: &str, secret: Type) {
        self.resources.push(any(&Secret { name: name.to_owned(), r#type: Some(secret) }));
    }
}

fn certificate(svid: &X509Svid) -> CarnetResult<TlsCertificate> {
    let chain = split_der(&svid.chain)?;
    let chain: String = chain.iter().map(|one| der_to_pem(one)).collect();
    let key = pem(&svid.private_key)?;
    Ok(TlsCertificate { certificate_chain: Some(inline(chain)), private_key: Some(inline(key.expose().to_owned())) })
}

fn bundle_pem(bundle: &Bundle) -> String {
    bundle.x509_authorities.iter().map(|one| der_to_pem(one)).collect()
}

fn inline(text: String) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(text.into_bytes())) }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn internal(error: &carnet_core::Error) -> Status {
    tracing::error!(error = carnet_core::chain(error).join(": "), "a secret cannot be written");
    Status::internal("a secret cannot be written")
}
