//! What exists when the sandbox starts, under names that never change.

/// Applications, users, roles and trusts of the identity domain.
pub use crate::domain::seed as domain;

/// Realm.
pub const REALM: &str = "oc1";
/// Region identifier; the home region.
pub const REGION: &str = "us-ashburn-1";
/// Three-letter key of the region.
pub const REGION_KEY: &str = "IAD";
/// OCID of the tenancy, which is also the root compartment.
pub const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaacarnetsandboxtenancy0000000000000000000000000000000001";
/// Name of the tenancy.
pub const TENANCY_NAME: &str = "carnetsandbox";
/// OCID of the compartment `ci`.
pub const COMPARTMENT: &str = "ocid1.compartment.oc1..aaaaaaaacarnetsandboxcompartment00000000000000000000000001";
/// Name of that compartment.
pub const COMPARTMENT_NAME: &str = "ci";
/// Object storage namespace.
pub const NAMESPACE: &str = "axcarnetsbx";
/// URL of the identity domain.
pub const DOMAIN_URL: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
/// OCID of the identity domain.
pub const DOMAIN: &str = "ocid1.domain.oc1..aaaaaaaacarnetsandboxdomain00000000000000000000000000000001";

/// OCID of the administrator, who has an API key in the profile `DEFAULT` of the sandbox's OCI configuration.
pub const ADMIN_USER: &str = "ocid1.user.oc1..aaaaaaaacarnetsandboxadmin0000000000000000000000000000000000001";
/// Name of the administrator.
pub const ADMIN_USER_NAME: &str = "admin@carnet-sandbox.example";
/// OCID of the group that may do everything.
pub const ADMIN_GROUP: &str = "ocid1.group.oc1..aaaaaaaacarnetsandboxadmins000000000000000000000000000000000001";
/// Name of that group.
pub const ADMIN_GROUP_NAME: &str = "Administrators";
/// OCID of the service user that external identities may become.
pub const SERVICE_USER: &str = "ocid1.user.oc1..aaaaaaaacarnetsandboxservice00000000000000000000000000000000001";
/// Name of the service user.
pub const SERVICE_USER_NAME: &str = "svc-ci";
/// OCID of the group of the service user.
pub const DEPLOYERS_GROUP: &str = "ocid1.group.oc1..aaaaaaaacarnetsandboxdeployers0000000000000000000000000000000001";
/// Name of that group, which may manage the object family in the compartment `ci`.
pub const DEPLOYERS_GROUP_NAME: &str = "ci-deployers";

/// OCID of the one instance, which lives in the compartment `ci`.
pub const INSTANCE: &str = "ocid1.instance.oc1.iad.anuwcljtcarnetsandboxinstance000000000000000000000000000001";
/// Name of the dynamic group of the instances of the compartment `ci`.
pub const INSTANCE_GROUP_NAME: &str = "ci-instances";
/// OCID of that dynamic group.
pub const INSTANCE_GROUP: &str = "ocid1.dynamicgroup.oc1..aaaaaaaacarnetsandboxinstances00000000000000000000000000001";
/// OCID of the one function, which lives in the compartment `ci`.
pub const FUNCTION: &str = "ocid1.fnfunc.oc1.iad.aaaaaaaacarnetsandboxfunction000000000000000000000000000001";
/// Name of the dynamic group of the functions of the compartment `ci`.
pub const FUNCTION_GROUP_NAME: &str = "ci-functions";
/// OCID of that dynamic group.
pub const FUNCTION_GROUP: &str = "ocid1.dynamicgroup.oc1..aaaaaaaacarnetsandboxfunctions00000000000000000000000000001";

/// A bucket in the compartment `ci`.
pub const BUCKET: &str = "artifacts";
/// An object in that bucket.
pub const OBJECT: &str = "hello.txt";
/// What is in that object.
pub const OBJECT_CONTENT: &str = "hello from the sandbox\n";

/// OCID of the application that the function belongs to: its parent in resource principals 3.0.
pub const FUNCTION_PARENT: &str = "ocid1.fnapp.oc1.iad.aaaaaaaacarnetsandboxfunctionapp000000000000000000000000001";
/// OCID of the virtual cloud network of the compartment `ci`.
pub const VCN: &str = "ocid1.vcn.oc1.iad.amaaaaaacarnetsandboxvcn000000000000000000000000000000000000001";

/// The policies, all at the root: name and statements.
pub const POLICIES: [(&str, &[&str]); 6] = [
    ("Tenant Admin Policy", &["ALLOW GROUP Administrators to manage all-resources IN TENANCY"]),
    (
        "ci-deployers",
        &[
            "Allow group ci-deployers to manage object-family in compartment ci",
            "Allow group ci-deployers to inspect compartments in tenancy",
            "Allow group ci-deployers to inspect vcns in compartment ci",
        ],
    ),
    (
        "ci-instances",
        &[
            "Allow dynamic-group ci-instances to read buckets in compartment ci",
            "Allow dynamic-group ci-instances to read objects in compartment ci",
            "Allow dynamic-group ci-instances to {GET_RPST} in tenancy",
            "Allow dynamic-group ci-instances to inspect authentication in tenancy",
        ],
    ),
    (
        "ci-functions",
        &[
            "Allow dynamic-group ci-functions to read buckets in compartment ci",
            "Allow dynamic-group ci-functions to read objects in compartment ci",
        ],
    ),
    (
        "external-pipelines",
        &[
            "Allow any-user to manage objects in compartment ci where all {request.principal.type = 'identityfederateddomainapp', request.principal.ext_repository = 'carnet-sandbox/app', request.principal.domain.id = 'ocid1.domain.oc1..aaaaaaaacarnetsandboxdomain00000000000000000000000000000001'}",
            "Allow any-user to read buckets in compartment ci where all {request.principal.type = 'identityfederateddomainapp', request.principal.ext_repository = 'carnet-sandbox/app', request.principal.domain.id = 'ocid1.domain.oc1..aaaaaaaacarnetsandboxdomain00000000000000000000000000000001'}",
            "Allow any-user to manage objects in compartment ci where all {request.principal.type = 'identityfederateddomainapp', request.principal.ext_project_path = 'carnet-sandbox/app', request.principal.domain.id = 'ocid1.domain.oc1..aaaaaaaacarnetsandboxdomain00000000000000000000000000000001'}",
            "Allow any-user to read buckets in compartment ci where all {request.principal.type = 'identityfederateddomainapp', request.principal.ext_project_path = 'carnet-sandbox/app', request.principal.domain.id = 'ocid1.domain.oc1..aaaaaaaacarnetsandboxdomain00000000000000000000000000000001'}",
        ],
    ),
    (
        "oke-pods",
        &[
            "Allow any-user to manage buckets in tenancy where all {request.principal.type = 'workload', request.principal.cluster_id = 'ocid1.cluster.oc1.iad.aaaaaaaacarnetsandboxcluster000000000000000000000cprod000001', request.principal.namespace = 'example', request.principal.service_account = 'admin'}",
            "Allow any-user to read buckets in tenancy where all {request.principal.type = 'workload', request.principal.cluster_id = 'ocid1.cluster.oc1.iad.aaaaaaaacarnetsandboxcluster000000000000000000000cprod000001', request.principal.namespace = 'example', request.principal.service_account = 'viewer'}",
        ],
    ),
];

/// A cluster of Kubernetes Engine.
#[derive(Debug)]
pub struct OkeCluster {
    /// The name of its proxymux among the services.
    pub service: &'static str,
    /// OCID.
    pub id: &'static str,
    /// What the OCIDs of its workloads and the names of its nodes have in place of the OCID.
    pub short_id: &'static str,
    /// Its API server, as the cluster's own services reach it.
    pub api: &'static str,
    /// What proxymux shows to the API server: a user who may review tokens.
    pub reviewer_token: &'static str,
    /// Whether it is an enhanced cluster; a basic one has no workload identity.
    pub enhanced: bool,
}

/// OCID of the cluster `prod`, whose pods the policy `oke-pods` is about.
pub const OKE_CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaacarnetsandboxcluster000000000000000000000cprod000001";

/// The clusters: `prod` and `dev` are enhanced, `basic` is not. Their API servers are emulated beside them.
pub static OKE_CLUSTERS: [OkeCluster; 3] = [
    OkeCluster {
        service: "oke-proxymux-prod",
        id: OKE_CLUSTER,
        short_id: "cprod000001",
        api: "https://prod.kubernetes.carnet-sandbox.example",
        reviewer_token: "carnet-sandbox-prod-reviewer",
        enhanced: true,
    },
    OkeCluster {
        service: "oke-proxymux-dev",
        id: "ocid1.cluster.oc1.iad.aaaaaaaacarnetsandboxcluster000000000000000000000cdev0000002",
        short_id: "cdev0000002",
        api: "https://dev.kubernetes.carnet-sandbox.example",
        reviewer_token: "carnet-sandbox-dev-reviewer",
        enhanced: true,
    },
    OkeCluster {
        service: "oke-proxymux-basic",
        id: "ocid1.cluster.oc1.iad.aaaaaaaacarnetsandboxcluster000000000000000000000cbasic00003",
        short_id: "cbasic00003",
        api: "https://basic.kubernetes.carnet-sandbox.example",
        reviewer_token: "carnet-sandbox-basic-reviewer",
        enhanced: false,
    },
];

/// Names of the availability domains of the region.
pub const AVAILABILITY_DOMAINS: [&str; 3] = ["Uocm:US-ASHBURN-AD-1", "Uocm:US-ASHBURN-AD-2", "Uocm:US-ASHBURN-AD-3"];
