//! All that the emulated server knows, in one place and bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_core::Secret;
use carnet_infisical::trust::{ClientSecret, Lockout, Method};
use carnet_jose::{KeySet, sha256};
use carnet_sandbox_kit::World;
use jiff::Timestamp;

use crate::{SERVICE, reply::ApiError, tokens::Tokens};

/// Most entries of each kind.
pub(crate) const MAX_ENTRIES: usize = 1000;

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) organization: Organization,
    /// By id.
    pub(crate) identities: BTreeMap<String, Identity>,
    /// By id.
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) tokens: Tokens,
    /// Bundles of trust domains that were fetched, by endpoint, and when.
    pub(crate) bundles: BTreeMap<String, (KeySet, Timestamp)>,
}

/// The one organisation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) slug: String,
    /// Sub-organisations by slug: their ids and the identities that may enter.
    pub(crate) below: BTreeMap<String, (String, BTreeSet<String>)>,
}

/// A machine identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// Whether it may change identities and projects.
    pub(crate) admin: bool,
    /// By name.
    pub(crate) methods: BTreeMap<&'static str, Method>,
    /// Of Universal Auth.
    pub(crate) client_id: String,
    pub(crate) client_secrets: Vec<StoredSecret>,
    pub(crate) lockout: Option<Lockout>,
}

/// A client secret, kept hashed.
#[derive(Clone, Debug)]
pub(crate) struct StoredSecret {
    pub(crate) id: String,
    digest: [u8; 32],
    pub(crate) about: ClientSecret,
}

/// A project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) slug: String,
    /// By slug.
    pub(crate) environments: BTreeMap<String, Environment>,
    /// Identities by id.
    pub(crate) members: BTreeMap<String, Role>,
}

/// What a member of a project may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Read and change secrets.
    Member,
    /// Nothing.
    NoAccess,
    /// Read secrets.
    Viewer,
}

/// An environment: folders by path, `/` and `/api` for instance.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) name: String,
    pub(crate) folders: BTreeMap<String, Folder>,
}

/// A folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) id: String,
    /// By name.
    pub(crate) secrets: BTreeMap<String, StoredValue>,
    /// Environment and path of what is imported, in order.
    pub(crate) imports: Vec<(String, String)>,
}

/// A secret.
#[derive(Clone, Debug)]
pub(crate) struct StoredValue {
    pub(crate) id: String,
    pub(crate) value: Secret,
    pub(crate) comment: String,
    pub(crate) version: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl State {
    /// An empty server.
    pub(crate) fn new(world: World) -> Self {
        let inner = Inner { tokens: Tokens::new(&world), ..Inner::default() };
        Self { world, inner: Mutex::new(inner) }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, by the clock of this server.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now(SERVICE)
    }

    /// A random UUID.
    pub(crate) fn uuid(&self) -> String {
        let hex = self.world.random_hex::<16>();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl StoredSecret {
    pub(crate) fn new(id: String, secret: &Secret, about: ClientSecret) -> Self {
        Self { id, digest: sha256(secret.expose().as_bytes()), about }
    }

    /// Whether this is the secret. Digests are compared, so the time tells nothing of it.
    pub(crate) fn is(&self, shown: &Secret) -> bool {
        self.digest == sha256(shown.expose().as_bytes())
    }
}

impl Environment {
    /// With its root folder.
    pub(crate) fn new(name: &str, folder_id: String) -> Self {
        let root = Folder { id: folder_id, ..Folder::default() };
        Self { name: name.to_owned(), folders: [("/".to_owned(), root)].into() }
    }
}

impl Role {
    /// The role of this slug.
    pub(crate) fn from_slug(slug: &str) -> Option<Self> {
        Some(match slug {
            "admin" => Self::Admin,
            "member" => Self::Member,
            "no-access" => Self::NoAccess,
            "viewer" => Self::Viewer,
            _ => return None,
        })
    }

    /// Whether it may read, or change, secrets.
    pub(crate) const fn allows(self, change: bool) -> bool {
        match self {
            Self::Admin | Self::Member => true,
            Self::Viewer => !change,
            Self::NoAccess => false,
        }
    }
}

impl Inner {
    /// An identity.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn identity_mut(&mut self, id: &str) -> Result<&mut Identity, ApiError> {
        let missing = || ApiError::not_found(format!("Failed to find identity with ID {id}"));
        self.identities.get_mut(id).ok_or_else(missing)
    }

    /// A project.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn project_mut(&mut self, id: &str) -> Result<&mut Project, ApiError> {
        let missing = || ApiError::not_found(format!("Project with ID '{id}' not found"));
        self.projects.get_mut(id).ok_or_else(missing)
    }
}
