//! What exists when the sandbox starts, gathered from the emulators: for demos, tests and scripts.

use serde_json::{Value, json};

/// The CI systems: issuers, repository, subjects.
pub mod ci {
    pub use carnet_ci_sandbox::seed::*;
}

/// Google Cloud: project, pools, service accounts, buckets.
pub mod gcp {
    pub use carnet_gcp_sandbox::seed::*;
}

/// OCI: tenancy, compartment, principals, identity domain, its clients and trusts.
pub mod oci {
    pub use carnet_oci_sandbox::{domain::seed::*, seed::*};
}

/// The part of it that a script needs to ask for something. The client secret is none: everybody who has the sandbox
/// has it.
pub fn seed() -> Value {
    json!({
        "oci_domain": oci::DOMAIN_URL,
        "oci_client_id": oci::EXCHANGE_CLIENT_ID,
        "oci_client_secret": oci::EXCHANGE_CLIENT_SECRET,
        "oci_compartment": oci::COMPARTMENT,
        "oci_function": oci::FUNCTION,
        "oci_namespace": oci::NAMESPACE,
        "oci_region": oci::REGION,
        "oci_tenancy": oci::TENANCY,
        "gcp_project": gcp::PROJECT,
        "gcp_project_number": gcp::PROJECT_NUMBER,
        "gcp_github_audience": gcp::audience(gcp::GITHUB),
        "gcp_oracle_audience": gcp::audience(gcp::ORACLE),
        "gcp_service_account": gcp::READER,
    })
}
