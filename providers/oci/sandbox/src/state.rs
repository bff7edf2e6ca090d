//! What the services share: the tenancy and everything in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use carnet_core::Clock;
use carnet_jose::{Algorithm, KeyError, SigningKey};
use carnet_oci::trust::{
    Checked, Principal,
    policy::{self, Access, Membership},
    signature::{self, KeyId, Options, ReplayCache, SignedRequest, Signer},
};
use carnet_sandbox_kit::{LazyKey, World};
use carnet_trust::{Decision, Grant, Refusal};
use http::request::Parts;
use jiff::Timestamp;

use crate::{
    audit::{Audit, AuditEvent},
    auth::AuthService,
    call::{REGIONS, region_of_host},
    compute::Compute,
    seed,
    storage::Storage,
};

mod directory;
mod rules;

pub(crate) use directory::{Directory, DynamicGroup, Group, User};
pub(crate) use rules::{Compartment, Rules, StoredPolicy};

/// The state of the whole emulated cloud. Cheap to clone; each area has a lock of its own that is never held across an
/// await.
#[derive(Clone, Debug)]
pub struct OciState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    auth: AuthService,
    admin_key: LazyKey,
    compute: Compute,
    directory: RwLock<Directory>,
    rules: RwLock<Rules>,
    storage: RwLock<Storage>,
    replay: ReplayCache,
    audit: Audit,
}

impl OciState {
    /// The seeded world.
    pub(crate) fn seeded(world: World) -> Self {
        let now = world.clock.now();
        Self(Arc::new(Inner {
            auth: AuthService::new(world.clone()),
            admin_key: LazyKey::new(Algorithm::Rs256, "admin"),
            compute: Compute::seeded(world.clone()),
            directory: RwLock::new(Directory::seeded(now)),
            rules: RwLock::new(Rules::seeded(now)),
            storage: RwLock::new(Storage::seeded(now)),
            replay: ReplayCache::default(),
            audit: Audit::default(),
            world,
        }))
    }

    /// Clock, faults, randomness, HTTP.
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    /// The signer and verifier of session tokens.
    pub(crate) fn auth(&self) -> &AuthService {
        &self.0.auth
    }

    /// Instances and functions.
    pub(crate) fn compute(&self) -> &Compute {
        &self.0.compute
    }

    /// The last requests of the signed services, oldest first.
    pub fn audit_events(&self) -> Vec<AuditEvent> {
        self.0.audit.list()
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Users and groups, for reading.
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.0.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Users and groups, for changing.
    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.0.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compartments and policies, for reading.
    pub(crate) fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compartments and policies, for changing.
    pub(crate) fn rules_mut(&self) -> RwLockWriteGuard<'_, Rules> {
        self.0.rules.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buckets and objects, for reading.
    pub(crate) fn storage(&self) -> RwLockReadGuard<'_, Storage> {
        self.0.storage.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buckets and objects, for changing.
    pub(crate) fn storage_mut(&self) -> RwLockWriteGuard<'_, Storage> {
        self.0.storage.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who signed this request, by the clock of `service`. `parts` are as they came in, `body` is the raw body.
    ///
    /// # Errors
    /// The first clause that fails; a service answers every one of them with 401 `NotAuthenticated`.
    pub(crate) fn authenticate_signed_request(
        &self,
        service: &'static str,
        parts: &Parts,
        body: &[u8],
        options: &Options<'_>,
    ) -> Checked<Arc<Principal>> {
        self.authenticate_with(service, parts, body, options, |key_id, now| self.resolve(key_id, now))
    }

    /// As [`Self::authenticate_signed_request`], with another way from `keyId` to the key.
    pub(crate) fn authenticate_with(
        &self,
        service: &'static str,
        parts: &Parts,
        body: &[u8],
        options: &Options<'_>,
        resolve: impl FnOnce(&KeyId<'_>, Timestamp) -> Checked<Signer>,
    ) -> Checked<Arc<Principal>> {
        require_one_host(parts)?;
        let now = self.world().now(service);
        let request = SignedRequest {
            method: &parts.method,
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            headers: &parts.headers,
            body: Some(body),
        };
        self.verify(&request, options, now, resolve).and_then(|principal| {
            require_subscribed(parts)?;
            Ok(principal)
        })
    }

    /// As [`Self::authenticate_with`] for a request of which only the headers are known.
    pub(crate) fn verify(
        &self,
        request: &SignedRequest<'_>,
        options: &Options<'_>,
        now: Timestamp,
        resolve: impl FnOnce(&KeyId<'_>, Timestamp) -> Checked<Signer>,
    ) -> Checked<Arc<Principal>> {
        let verified = signature::verify(request, options, now, |key_id| resolve(key_id, now))?;
        if options.single_use {
            self.0.replay.use_once(&verified.signature, now)?;
        }
        Ok(verified.principal)
    }

    /// From `keyId` to the key, for API keys and session tokens.
    pub(crate) fn resolve(&self, key_id: &KeyId<'_>, now: Timestamp) -> Checked<Signer> {
        let signer = match key_id {
            KeyId::Session(token) => self.auth().verify_session(token, now)?,
            KeyId::ApiKey { tenancy, user, fingerprint } => {
                return self.directory().api_key(tenancy, user, fingerprint);
            }
            other => {
                return Err(unknown_key(format!("{other:?}"), "the keyId of an API key or of a session token (ST$…)"));
            }
        };
        let inactive = self.directory().users.get(&signer.principal.id).is_some_and(|user| !user.active);
        if inactive {
            Err(unknown_key(format!("{}, who is inactive", signer.principal), "an active user"))
        } else {
            Ok(signer)
        }
    }

    /// Whether the policies let `principal` use `permission` in the compartment (an OCID; the tenancy's for the root).
    ///
    /// # Errors
    /// Clause `policy` when no statement allows it, `condition` when one would but for its condition.
    pub(crate) fn authorize(
        &self,
        service: &'static str,
        principal: &Principal,
        permission: &str,
        compartment: &str,
    ) -> Checked<Grant> {
        self.authorize_with(service, principal, permission, compartment, &BTreeMap::new())
    }

    /// As [`Self::authorize`], with variables of the target such as `target.bucket.name`.
    ///
    /// # Errors
    /// As [`Self::authorize`].
    pub(crate) fn authorize_with(
        &self,
        service: &'static str,
        principal: &Principal,
        permission: &str,
        compartment: &str,
        target: &BTreeMap<&'static str, String>,
    ) -> Checked<Grant> {
        let groups = self.memberships(principal);
        let mut variables = target.clone();
        variables.insert("request.region", seed::REGION_KEY.to_owned());
        variables.insert("request.utc-timestamp", self.world().now(service).to_string());
        let access = Access { principal, groups: &groups, permission, compartment, variables: &variables };
        let rules = self.rules();
        if principal.tenancy != seed::TENANCY {
            return Err(Box::new(Refusal::new(
                "policy",
                format!("a principal of the tenancy {}", principal.tenancy),
                seed::TENANCY,
                policy::NOT_AUTHORIZED_OR_NOT_FOUND,
                "use a principal of this tenancy; Endorse and Admit are not evaluated",
            )));
        }
        match policy::evaluate(rules.parsed(), rules.tree(), &access) {
            Decision::Allow(grant) => Ok(grant),
            Decision::Refuse(refusal) => Err(Box::new(refusal)),
        }
    }

    /// The groups that a principal is in.
    pub(crate) fn memberships(&self, principal: &Principal) -> Vec<Membership> {
        self.directory().memberships(principal)
    }

    /// The administrator's API key; made and registered by the first caller.
    pub(crate) fn admin_key(&self) -> Result<Arc<SigningKey>, KeyError> {
        let key = self.0.admin_key.get()?;
        let public = Arc::new(key.public_key()?);
        if let Some(admin) = self.directory_mut().users.get_mut(seed::ADMIN_USER) {
            admin.api_keys.insert(key.oci_fingerprint(), public);
        }
        Ok(key)
    }
}

/// A region that the tenancy is not subscribed to knows none of its principals.
/// A whole URL as the target names a host of its own, which counts before the header that was signed (RFC 9112, 3.2.2):
/// the two must say the same.
fn require_one_host(parts: &Parts) -> Checked<()> {
    let Some(authority) = parts.uri.authority() else { return Ok(()) };
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if authority.as_str().eq_ignore_ascii_case(host) {
        return Ok(());
    }
    Err(Box::new(Refusal::new(
        "host",
        "a target with another host than the header",
        "the same host in both",
        "NotAuthenticated",
        "send the path alone as the target, or the URL of the host that was signed",
    )))
}

fn require_subscribed(parts: &Parts) -> Checked<()> {
    match region_of_host(parts) {
        Some(region) if !REGIONS.iter().any(|(_, name)| *name == region) => Err(Box::new(Refusal::new(
            "region",
            shown_region(region),
            REGIONS.map(|(_, name)| name).join(" or "),
            "NotAuthenticated",
            "use a region that the tenancy is subscribed to, or subscribe it",
        ))),
        _ => Ok(()),
    }
}

fn shown_region(region: &str) -> String {
    region.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect()
}

/// A `keyId` behind which there is no key.
pub(crate) fn unknown_key(seen: impl Into<String>, wanted: impl Into<String>) -> Box<Refusal> {
    Box::new(Refusal::new(
        "key",
        seen,
        wanted,
        "NotAuthenticated",
        "check tenancy, user and fingerprint of the profile, and that the public key was uploaded for that user",
    ))
}
