//! Pods of Oracle's Kubernetes Engine: each gets what its service account may have, and not what its node may.

use carnet_sandbox::{gcp, kubernetes, oci, vault};

use super::{bent::Bent, calls::Call, clouds, crossings::Crossing};

/// The cluster whose pods policies and trusts name.
pub(super) const CLUSTER: &str = "prod";
/// Its pods with the accounts `admin` and `viewer`.
pub(super) const ADMIN: &str = "admin-0";
const VIEWER: &str = "viewer-0";
/// What the OCIDs of the cluster's workloads begin with.
const WORKLOAD: &str = "ocid1.workload.oc1.iad.cprod000001.";
/// Files of a pod, which others have at the usual places.
const FILES: &str = "token_file = \"${CARNET_SANDBOX_POD_TOKEN_FILE}\", ca_file = \"${CARNET_SANDBOX_POD_CA_FILE}\"";

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    let google = format!(
        "{{ oci-domain = {{ url = \"{}\" }} }}, {{ gcp = {{ audience = \"{}\", service_account = \"{}\" }} }}",
        oci::DOMAIN_URL,
        gcp::audience(gcp::ORACLE),
        gcp::READER
    );
    let google = format!("{}\nthrough = [{google}]", session());
    let row =
        |name, pod, route, principal, call: Call| Crossing::new(name, route, principal, call).within(CLUSTER, pod);
    vec![
        row("OKE admin pod makes a bucket", ADMIN, session(), WORKLOAD, Call::OciCreateBucket("from-a-pod")),
        row("OKE admin pod lists buckets", ADMIN, session(), WORKLOAD, Call::OciListBuckets),
        row("OKE viewer pod lists buckets", VIEWER, session(), WORKLOAD, Call::OciListBuckets),
        row("OKE pod to Google, impersonating", ADMIN, google, gcp::READER, Call::GoogleListBuckets),
        Crossing::new(
            "OKE pod to Vault to a secret",
            to_vault(),
            kubernetes::ADMIN,
            Call::VaultSecret(clouds::own_secret()),
        )
        .within(CLUSTER, ADMIN),
    ]
}

/// What must be refused.
pub(super) fn bent() -> Vec<Bent> {
    let list = Call::OciListBuckets;
    let row = |name, clause, route: String, cluster, pod, call: Call| {
        Bent::new(Crossing::new(name, route, "", call).within(cluster, pod), clause)
    };
    let stolen = "source = { oci-oke = { token_file = \"${DEMO}/../kubernetes/dev/example/admin-0/token\", \
                  ca_file = \"${CARNET_SANDBOX_POD_CA_FILE}\" } }";
    let stranger = format!(
        "source = {{ file = {{ path = \"${{CARNET_SANDBOX_POD_TOKEN_FILE}}\" }} }}\nthrough = [{}]",
        vault_for(kubernetes::PUBLIC_ISSUER)
    );
    vec![
        row(
            "OKE viewer pod makes a bucket",
            "condition",
            session(),
            CLUSTER,
            VIEWER,
            Call::OciCreateBucket("not-a-viewers"),
        ),
        row("an OKE pod of the same name in another cluster", "condition", session(), "dev", ADMIN, list),
        row("a pod's token at another cluster's proxymux", "token", stolen.to_owned(), CLUSTER, ADMIN, list),
        row(
            "an OKE pod that may make no tokens",
            "rbac",
            to_vault(),
            CLUSTER,
            VIEWER,
            Call::VaultSecret(clouds::own_secret()),
        ),
        row("a pod of a basic OKE cluster", "cluster-type", session(), "basic", ADMIN, list),
        row(
            "another pod of the cluster, at Vault",
            "subject",
            stranger,
            CLUSTER,
            VIEWER,
            Call::VaultSecret(clouds::own_secret()),
        ),
    ]
}

/// The pod's session.
pub(super) fn session() -> String {
    format!("source = {{ oci-oke = {{ {FILES} }} }}")
}

/// The pod's account, by a token for Vault that its API server makes, to what Vault gives it.
fn to_vault() -> String {
    account(&vault_for(vault::AUDIENCE))
}

/// The login at Vault by a token of an account for this audience.
fn vault_for(audience: &str) -> String {
    clouds::vault_for(audience, &format!(", mount = \"{}\", method = \"kubernetes\"", vault::POD_MOUNT))
}

/// The pod's account through this exchange.
pub(super) fn account(exchange: &str) -> String {
    format!("source = {{ kubernetes = {{ token = \"request\", api = {{ {FILES} }} }} }}\nthrough = [{exchange}]")
}
