//! Instances and functions, and the certificates and keys that the platform gives them.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeyError, PublicKey, SigningKey};
use carnet_sandbox_kit::{LazyKey, World};
use carnet_x509::{Authority, Certificate, LeafProfile, X509Error, der_to_pem};
use jiff::{SignedDuration, Timestamp};

use crate::seed;

/// How long an instance's certificate lives. The platform replaces it several times a day.
const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(6);
/// How long before its end it is replaced.
const LEAF_MARGIN: SignedDuration = SignedDuration::from_mins(30);
/// How long the authorities live, either way from the start: the sandbox's clock can be moved far.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365 * 10);

/// A resource that can be a principal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource {
    pub(crate) id: &'static str,
    /// Its type in lower case.
    pub(crate) kind: &'static str,
    /// The resource for which it may act in resource principals 3.0.
    pub(crate) parent: Option<&'static str>,
    /// The instance on which it runs and which may ask for its token in resource principals 1.1.
    pub(crate) host: Option<&'static str>,
    /// Whether it has a registered key.
    pub(crate) keyed: bool,
}

/// The resources of the seeded world, all in the compartment `ci`.
pub(crate) const RESOURCES: [Resource; 3] = [
    Resource {
        id: seed::FUNCTION,
        kind: "fnfunc",
        parent: Some(seed::FUNCTION_PARENT),
        host: Some(seed::INSTANCE),
        keyed: true,
    },
    Resource { id: seed::FUNCTION_PARENT, kind: "fnapp", parent: None, host: None, keyed: false },
    Resource { id: seed::INSTANCE, kind: "instance", parent: None, host: Some(seed::INSTANCE), keyed: false },
];

/// The platform: its certificate authority, the instance's current certificate, the function's key.
#[derive(Debug)]
pub(crate) struct Compute {
    world: World,
    identity: Mutex<Identity>,
    function_key: LazyKey,
}

#[derive(Debug, Default)]
struct Identity {
    authorities: Option<Arc<Authorities>>,
    leaf: Option<Arc<Leaf>>,
}

/// Root and intermediate of instance certificates.
#[derive(Debug)]
pub(crate) struct Authorities {
    root: Authority,
    intermediate: Authority,
}

/// The instance's certificate and key.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    pub(crate) key_pem: Secret,
}

impl Compute {
    pub(crate) fn seeded(world: World) -> Self {
        Self { world, identity: Mutex::default(), function_key: LazyKey::new(Algorithm::Rs256, "function") }
    }

    /// The resource of this OCID.
    pub(crate) fn resource(id: &str) -> Option<Resource> {
        RESOURCES.into_iter().find(|resource| resource.id == id)
    }

    /// The registered key of the function.
    pub(crate) fn function_key(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.function_key.get()
    }

    /// The registered public key of a resource, if it has one.
    pub(crate) fn resource_key(&self, resource: Resource) -> Option<Arc<PublicKey>> {
        let key = resource.keyed.then(|| self.function_key()).and_then(Result::ok)?;
        key.public_key().ok().map(Arc::new)
    }

    /// Root and intermediate; made by the first caller.
    pub(crate) fn authorities(&self) -> Result<Arc<Authorities>, X509Error> {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        identity.authorities(self.now())
    }

    /// The current certificate of the instance; made by the first caller, and again before it ends.
    pub(crate) fn leaf(&self) -> Result<Arc<Leaf>, X509Error> {
        let now = self.now();
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = &identity.leaf
            && leaf.certificate.not_before() <= now
            && now.saturating_add(LEAF_MARGIN).is_ok_and(|soon| soon < leaf.certificate.not_after())
        {
            return Ok(Arc::clone(leaf));
        }
        let leaf = Arc::new(identity.authorities(now)?.issue(now)?);
        identity.leaf = Some(Arc::clone(&leaf));
        Ok(leaf)
    }

    /// Replaces the instance's certificate and key, as the platform does several times a day.
    pub(crate) fn rotate_leaf(&self) {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).leaf = None;
    }

    /// Makes the instance's certificate. A failure shows at the first use, with its reason.
    pub(crate) fn warm(&self) {
        let _ = self.leaf();
    }

    fn now(&self) -> Timestamp {
        self.world.now("oci-imds")
    }
}

impl Identity {
    fn authorities(&mut self, now: Timestamp) -> Result<Arc<Authorities>, X509Error> {
        if let Some(found) = &self.authorities {
            return Ok(Arc::clone(found));
        }
        let from = now.saturating_sub(AUTHORITY_LIFETIME).unwrap_or(now);
        let until = now.saturating_add(AUTHORITY_LIFETIME).unwrap_or(now);
        let root = Authority::root("PKISVC Identity Root", Algorithm::Es256, from, until)?;
        let intermediate =
            root.intermediate("PKISVC Identity Intermediate us-ashburn-1", Algorithm::Es256, from, until)?;
        let made = Arc::new(Authorities { root, intermediate });
        self.authorities = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Authorities {
    /// The root, DER.
    pub(crate) fn root(&self) -> &[u8] {
        self.root.certificate()
    }

    /// The intermediate, PEM.
    pub(crate) fn intermediate_pem(&self) -> String {
        der_to_pem(self.intermediate.certificate())
    }

    /// A leaf as the platform writes it: who the instance is stands in organisational units.
    fn issue(&self, now: Timestamp) -> Result<Leaf, X509Error> {
        let unit = |name: &str, value: &str| ("OU", format!("{name}:{value}"));
        let issued = self.intermediate.issue(&LeafProfile {
            subject: vec![
                ("CN", seed::INSTANCE.to_owned()),
                unit("opc-certtype", "instance"),
                unit("opc-compartment", seed::COMPARTMENT),
                unit("opc-instance", seed::INSTANCE),
                unit("opc-tenant", seed::TENANCY),
            ],
            dns: Vec::new(),
            ip: Vec::new(),
            uri: Vec::new(),
            server: false,
            client: false,
            // The clock of a client may be a little behind.
            not_before: now.saturating_sub(SignedDuration::from_mins(5)).unwrap_or(now),
            not_after: now.saturating_add(LEAF_LIFETIME).unwrap_or(now),
            key: Algorithm::Rs256,
        })?;
        let key_pem = SigningKey::from_pkcs8(Algorithm::Rs256, &issued.private_key)
            .and_then(|key| key.to_pkcs8_pem())
            .map_err(|error| X509Error(error.to_string()))?;
        Ok(Leaf { certificate: Certificate::from_der(&issued.certificate)?, key_pem })
    }
}
