//! The custom resources of the group `carnet.dev`: what stands in them, and where they are.

mod agent;
mod authority;
mod discovery;
mod entry;
mod rule;
mod shared;

pub use agent::{AgentSpec, Csi, CsiRegistrar};
pub(crate) use agent::{KUBELET, SOCKETS};
pub use authority::{AuthoritySpec, Postgres, Store, Volume};
pub use discovery::{BundleEndpoint, DiscoverySource, DiscoverySpec, WorkloadApi};
pub use entry::{EntrySpec, PodSelector};
pub(crate) use rule::{camel, rule_of};
pub use shared::{Bootstrap, Exposure, ExposureKind, KeyRef, Placement};

/// The group of all custom resources.
pub const GROUP: &str = "carnet.dev";
/// The version that is served and stored.
pub const VERSION: &str = "v1alpha1";
/// What holds workloads until what they have in the whole cluster is gone. Earlier versions held entries and rules by it, too.
pub const FINALIZER: &str = "carnet.dev/operator";
/// Which operator keeps a RegistrationEntry: the namespace and name of its lease.
pub const KEPT_BY: &str = "carnet.dev/kept-by";

/// Where objects of one kind are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The group; empty for the core.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// As in paths.
    pub plural: &'static str,
    /// As in `kind`.
    pub kind: &'static str,
    /// Whether the objects are in namespaces.
    pub namespaced: bool,
}

impl Resource {
    const fn own(plural: &'static str, kind: &'static str, namespaced: bool) -> Self {
        Self { group: GROUP, version: VERSION, plural, kind, namespaced }
    }

    const fn new(
        group: &'static str,
        version: &'static str,
        plural: &'static str,
        kind: &'static str,
        namespaced: bool,
    ) -> Self {
        Self { group, version, plural, kind, namespaced }
    }

    /// As in `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Authorities.
pub const AUTHORITIES: Resource = Resource::own("authorities", "Authority", true);
/// Agents on the nodes.
pub const AGENTS: Resource = Resource::own("agents", "Agent", true);
/// Discovery documents.
pub const DISCOVERY_PROVIDERS: Resource = Resource::own("discoveryproviders", "DiscoveryProvider", true);
/// Entries for pods of the entry's own namespace.
pub const REGISTRATION_ENTRIES: Resource = Resource::own("registrationentries", "RegistrationEntry", true);
/// Entries without bounds, for who administers the cluster.
pub const CLUSTER_REGISTRATION_ENTRIES: Resource =
    Resource::own("clusterregistrationentries", "ClusterRegistrationEntry", false);
/// Trust rules.
pub const TRUST_RULES: Resource = Resource::own("trustrules", "TrustRule", false);

pub(crate) const CONFIG_MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) const EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);
pub(crate) const NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);
pub(crate) const SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) const SERVICE_ACCOUNTS: Resource = Resource::new("", "v1", "serviceaccounts", "ServiceAccount", true);
pub(crate) const SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
pub(crate) const DAEMON_SETS: Resource = Resource::new("apps", "v1", "daemonsets", "DaemonSet", true);
pub(crate) const DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments", "Deployment", true);
pub(crate) const STATEFUL_SETS: Resource = Resource::new("apps", "v1", "statefulsets", "StatefulSet", true);
pub(crate) const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases", "Lease", true);
pub(crate) const INGRESSES: Resource = Resource::new("networking.k8s.io", "v1", "ingresses", "Ingress", true);
pub(crate) const ROUTES: Resource = Resource::new("route.openshift.io", "v1", "routes", "Route", true);
pub(crate) const CSI_DRIVERS: Resource = Resource::new("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false);
const RBAC: &str = "rbac.authorization.k8s.io";
pub(crate) const ROLES: Resource = Resource::new(RBAC, "v1", "roles", "Role", true);
pub(crate) const ROLE_BINDINGS: Resource = Resource::new(RBAC, "v1", "rolebindings", "RoleBinding", true);
pub(crate) const CLUSTER_ROLES: Resource = Resource::new(RBAC, "v1", "clusterroles", "ClusterRole", false);
pub(crate) const CLUSTER_ROLE_BINDINGS: Resource =
    Resource::new(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", false);
