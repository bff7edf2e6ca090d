//! All that the emulated server knows, in one place and bounded.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_sandbox_kit::World;
use carnet_vault::trust::{CheckedCelRole, CheckedConfig, CheckedRole, TokenFields};
use jiff::Timestamp;

use crate::{
    auth::{AwsMethod, CertMethod, KubernetesMethod, OciMethod, TokenRole},
    behaviour::Behaviour,
    identity::Identities,
    issuers::IssuerKeys,
    kv::{Cubbyholes, Kv, MAX_STORED},
    policy::Policy,
    sys::Seal,
    tokens::Tokens,
    tuning::Tuning,
    wrapping::Wrapped,
};

/// Most entries of each other kind in a namespace.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// Most roles of an auth method and entities of a namespace: many trusts are to be tried out.
pub(crate) const MAX_TRUSTS: usize = 20_000;

/// The id of the root namespace.
pub(crate) const ROOT_NAMESPACE: &str = "root";

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) service: &'static str,
    pub(crate) issuers: IssuerKeys,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) seal: Seal,
    pub(crate) behaviour: Behaviour,
    /// By path: empty for the root, else with a slash at the end.
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    pub(crate) tokens: Tokens,
    pub(crate) wrapped: Wrapped,
    pub(crate) cubbyholes: Cubbyholes,
}

/// What one namespace holds.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) id: String,
    /// By path, with a slash at the end.
    pub(crate) mounts: BTreeMap<String, Mount>,
    /// By path below `auth/`, with a slash at the end.
    pub(crate) auths: BTreeMap<String, AuthMount>,
    pub(crate) policies: BTreeMap<String, PolicyEntry>,
    /// The tokens' own method.
    pub(crate) token: About,
    /// Roles of the tokens' own method.
    pub(crate) token_roles: BTreeMap<String, TokenRole>,
    pub(crate) identities: Identities,
}

/// A secrets engine.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    pub(crate) about: About,
    pub(crate) kv: Kv,
}

/// An auth method.
#[derive(Clone, Debug)]
pub(crate) struct AuthMount {
    pub(crate) about: About,
    /// `jwt` or `oidc`, which are the same, `aws`, `cert`, `kubernetes` or `oci`.
    pub(crate) kind: String,
    pub(crate) method: Method,
}

/// What an auth method knows.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    /// Tokens of an issuer.
    Jwt(Box<JwtMethod>),
    /// Signed requests to AWS.
    Aws(Box<AwsMethod>),
    /// Certificates shown in TLS.
    Cert(Box<CertMethod>),
    /// Tokens of a cluster's service accounts.
    Kubernetes(Box<KubernetesMethod>),
    /// Signed requests to OCI.
    Oci(Box<OciMethod>),
}

impl Method {
    /// Whether there is a role of this name, in lower case.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        match self {
            Self::Jwt(method) => method.roles.contains_key(name),
            Self::Aws(method) => method.has_role(name),
            Self::Cert(method) => method.has_role(name),
            Self::Kubernetes(method) => method.has_role(name),
            Self::Oci(method) => method.has_role(name),
        }
    }

    /// What tokens of a role become.
    pub(crate) fn token_fields(&self, role: &str) -> Option<&TokenFields> {
        match self {
            Self::Jwt(method) => Some(&method.roles.get(role)?.role().token),
            Self::Aws(method) => method.token_fields(role),
            Self::Cert(method) => method.token_fields(role),
            Self::Kubernetes(method) => method.token_fields(role),
            Self::Oci(method) => method.token_fields(role),
        }
    }
}

/// A JWT method.
#[derive(Clone, Debug, Default)]
pub(crate) struct JwtMethod {
    pub(crate) config: Option<CheckedConfig>,
    pub(crate) roles: BTreeMap<String, CheckedRole>,
    /// Roles that are programs, by their names as they were written.
    pub(crate) cel_roles: BTreeMap<String, CheckedCelRole>,
}

/// What a mount says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) accessor: String,
    pub(crate) uuid: String,
    pub(crate) description: String,
    pub(crate) tuning: Tuning,
}

/// A policy with its text.
#[derive(Clone, Debug)]
pub(crate) struct PolicyEntry {
    pub(crate) text: String,
    pub(crate) policy: Policy,
}

impl AuthMount {
    /// A JWT method.
    pub(crate) fn jwt(&self) -> Option<&JwtMethod> {
        if let Method::Jwt(method) = &self.method { Some(method) } else { None }
    }

    /// A JWT method to change.
    pub(crate) fn jwt_mut(&mut self) -> Option<&mut JwtMethod> {
        if let Method::Jwt(method) = &mut self.method { Some(method) } else { None }
    }

    /// A method of AWS.
    pub(crate) fn aws(&self) -> Option<&AwsMethod> {
        if let Method::Aws(method) = &self.method { Some(method) } else { None }
    }

    /// A method of AWS to change.
    pub(crate) fn aws_mut(&mut self) -> Option<&mut AwsMethod> {
        if let Method::Aws(method) = &mut self.method { Some(method) } else { None }
    }
}

impl State {
    /// A server that has never been initialised.
    pub(crate) fn new(world: World, service: &'static str) -> Self {
        let issuers = IssuerKeys::new(&world);
        let root = Namespace::new(ROOT_NAMESPACE);
        let inner = Inner { namespaces: [(String::new(), root)].into(), ..Inner::default() };
        Self { world, service, issuers, inner: Mutex::new(inner) }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, by the clock of this server.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now(self.service)
    }

    /// A random UUID.
    pub(crate) fn uuid(&self) -> String {
        let hex = self.world.random_hex::<16>();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    /// What a new mount of this type says of itself.
    pub(crate) fn about(&self, class: &str, kind: &str, description: &str) -> About {
        About {
            accessor: format!("{class}{kind}_{}", self.world.random_hex::<4>()),
            uuid: self.uuid(),
            description: description.to_owned(),
            tuning: Tuning::default(),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Namespace {
    /// With the policy `default` only.
    pub(crate) fn new(id: &str) -> Self {
        let text = crate::sys::DEFAULT_POLICY.to_owned();
        // A test shows that it parses.
        let policy = crate::policy::parse_policy(&text).unwrap_or_default();
        Self {
            id: id.to_owned(),
            mounts: BTreeMap::new(),
            auths: BTreeMap::new(),
            policies: [("default".to_owned(), PolicyEntry { text, policy })].into(),
            token: About {
                accessor: "auth_token_builtin".to_owned(),
                uuid: String::new(),
                description: "token based credentials".to_owned(),
                tuning: Tuning::default(),
            },
            token_roles: BTreeMap::new(),
            identities: Identities::default(),
        }
    }

    /// The secrets engine of a path and the rest of the path.
    pub(crate) fn mount<'a>(&self, path: &'a str) -> Option<(&str, &'a str)> {
        longest(&self.mounts, path)
    }

    /// The auth method of a path below `auth/` and the rest of the path.
    pub(crate) fn auth<'a>(&self, path: &'a str) -> Option<(&str, &'a str)> {
        longest(&self.auths, path)
    }
}

fn longest<'m, 'a, T>(mounts: &'m BTreeMap<String, T>, path: &'a str) -> Option<(&'m str, &'a str)> {
    let matching = mounts.keys().filter_map(|mount| Some((mount.as_str(), path.strip_prefix(mount.as_str())?)));
    matching.max_by_key(|(mount, _)| mount.len())
}

impl Inner {
    /// How much more secrets may take, in bytes. They are weighed anew each time, so that no sum can drift from them.
    pub(crate) fn room(&self) -> usize {
        let mounts = self.namespaces.values().flat_map(|namespace| namespace.mounts.values());
        let taken = mounts.map(|mount| mount.kv.weight()).fold(self.cubbyholes.weight(), usize::saturating_add);
        MAX_STORED.saturating_sub(taken)
    }

    /// The namespace that a header and the beginning of a path name, and the rest of the path.
    pub(crate) fn resolve(&self, header: &str, path: &str) -> Option<(String, String)> {
        let mut namespace = if header.is_empty() { String::new() } else { format!("{header}/") };
        if !self.namespaces.contains_key(&namespace) {
            return None;
        }
        let mut rest = path;
        while let Some((part, after)) = rest.split_once('/') {
            let below = format!("{namespace}{part}/");
            if !self.namespaces.contains_key(&below) {
                break;
            }
            namespace = below;
            rest = after;
        }
        Some((namespace, rest.to_owned()))
    }
}
