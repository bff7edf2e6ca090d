//! What the services share: the tenancy and everything in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use carnet_jose::PublicKey;
use carnet_oci::trust::{Checked, Principal, signature::Options};
use carnet_sandbox_kit::World;
use carnet_trust::Refusal;
use http::request::Parts;
use jiff::Timestamp;

use crate::auth::AuthService;

/// The state of the whole emulated cloud. Cheap to clone; each area has a lock of its own that is never held across an
/// await.
#[derive(Clone, Debug)]
pub struct OciState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    auth: AuthService,
    directory: RwLock<Directory>,
}

/// Users and groups.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// By OCID.
    pub(crate) users: BTreeMap<String, User>,
    /// By OCID.
    pub(crate) groups: BTreeMap<String, Group>,
    /// By OCID.
    pub(crate) dynamic_groups: BTreeMap<String, DynamicGroup>,
}

/// A user of the tenancy.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) email: Option<String>,
    pub(crate) active: bool,
    pub(crate) time_created: Timestamp,
    /// OCIDs of the groups it is in.
    pub(crate) groups: BTreeSet<String>,
    /// By fingerprint.
    pub(crate) api_keys: BTreeMap<String, Arc<PublicKey>>,
}

/// A group of users.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) time_created: Timestamp,
}

/// A group of instances and resources, by rule.
#[derive(Clone, Debug)]
pub(crate) struct DynamicGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) matching_rule: String,
    pub(crate) time_created: Timestamp,
}

impl OciState {
    /// The seeded world.
    pub(crate) fn seeded(world: World) -> Self {
        Self(Arc::new(Inner { auth: AuthService::new(world.clone()), world, directory: RwLock::default() }))
    }

    /// Clock, faults, randomness, HTTP.
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    /// The signer and verifier of session tokens.
    pub(crate) fn auth(&self) -> &AuthService {
        &self.0.auth
    }

    /// Users and groups, for reading.
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.0.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Users and groups, for changing.
    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.0.directory.write().unwrap_or_else(PoisonError::into_inner)
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
        let _ = (service, parts, body, options);
        Err(Box::new(Refusal::new("signature", "", "", "NotAuthenticated", "")))
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
    ) -> Checked<()> {
        let _ = (service, principal, permission, compartment);
        Err(Box::new(Refusal::new("policy", "", "", "NotAuthorizedOrNotFound", "")))
    }

    /// Makes the keys that will be needed soon, most likely first.
    pub(crate) fn warm(&self) {
        self.auth().warm();
    }
}
