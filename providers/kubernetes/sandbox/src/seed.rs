//! What exists when the sandbox starts, under names that never change.

use carnet_jose::Algorithm;

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Its name.
    pub name: &'static str,
    /// The name of its service.
    pub service: &'static str,
    /// The host name under which other emulators reach its API server.
    pub host: &'static str,
    /// `iss` of its tokens, which is also the API server's own audience (the default of `--api-audiences`).
    pub issuer: &'static str,
    /// Where the documents of the issuer are for everybody. `None`: only service accounts may read them, at the API server.
    pub public_host: Option<&'static str>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Bearer token of a member of `system:masters`.
    pub admin_token: &'static str,
    /// Bearer token of a user who may review tokens, and nothing else: what the cloud's own services show.
    pub reviewer_token: &'static str,
}

/// `iss` of a cluster that nobody gave another: most have the same, so that it says nothing about which one it is.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// `iss` of the cluster `prod`, in the form of Kubernetes Engine with OIDC discovery ("Using OpenID Connect (OIDC) Discovery").
pub const PUBLIC_ISSUER: &str = "https://objectstorage.us-ashburn-1.oci.customer-oci.com/n/okecustprod/b/oidc/o/ca12e700-0000-4000-8000-00000000001a";

/// The clusters.
pub static CLUSTERS: [Cluster; 3] = [
    Cluster {
        name: "prod",
        service: "kubernetes-prod",
        host: "prod.kubernetes.carnet-sandbox.example",
        issuer: PUBLIC_ISSUER,
        public_host: Some("objectstorage.us-ashburn-1.oci.customer-oci.com"),
        algorithm: Algorithm::Rs256,
        admin_token: "carnet-sandbox-prod-admin",
        reviewer_token: "carnet-sandbox-prod-reviewer",
    },
    Cluster {
        name: "dev",
        service: "kubernetes-dev",
        host: "dev.kubernetes.carnet-sandbox.example",
        issuer: DEFAULT_ISSUER,
        public_host: None,
        algorithm: Algorithm::Es256,
        admin_token: "carnet-sandbox-dev-admin",
        reviewer_token: "carnet-sandbox-dev-reviewer",
    },
    Cluster {
        name: "basic",
        service: "kubernetes-basic",
        host: "basic.kubernetes.carnet-sandbox.example",
        issuer: DEFAULT_ISSUER,
        public_host: None,
        algorithm: Algorithm::Es256,
        admin_token: "carnet-sandbox-basic-admin",
        reviewer_token: "carnet-sandbox-basic-reviewer",
    },
];

/// The namespace of the example's pods.
pub const NAMESPACE: &str = "example";
/// The account that may make tokens of itself, list the pods of its namespace and, at OCI, manage buckets.
pub const ADMIN: &str = "admin";
/// The account that may do nothing in the cluster and, at OCI, read buckets.
pub const VIEWER: &str = "viewer";
/// The namespace and the name of the account that may review tokens (`system:auth-delegator`).
pub const AUTHORITY: (&str, &str) = ("carnet", "authority");
/// The node of all pods.
pub const NODE: &str = "worker-1";

/// The pods: namespace, name, service account.
pub const PODS: [(&str, &str, &str); 3] =
    [(NAMESPACE, "admin-0", ADMIN), (NAMESPACE, "viewer-0", VIEWER), (AUTHORITY.0, "authority-0", AUTHORITY.1)];
/// The namespaces. Each has an account `default`.
pub const NAMESPACES: [&str; 4] = ["default", "kube-system", NAMESPACE, AUTHORITY.0];
