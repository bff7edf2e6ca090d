//! What exists when the sandbox starts, gathered from the emulators: for demos, tests and scripts.

use serde_json::{Value, json};

/// AWS: accounts, roles, buckets, what its endpoints want to be shown.
pub mod aws {
    pub use carnet_aws_sandbox::seed::*;
}

/// Azure: tenant, subscription, applications, identities, storage account.
pub mod azure {
    pub use carnet_azure_sandbox::seed::*;
}

/// The CI systems: issuers, repository, subjects.
pub mod ci {
    pub use carnet_ci_sandbox::seed::*;
}

/// Google Cloud: project, pools, service accounts, buckets.
pub mod gcp {
    pub use carnet_gcp_sandbox::seed::*;
}

/// Infisical: identity, project, secrets, what its logins want to be shown.
pub mod infisical {
    pub use carnet_infisical_sandbox::seed::*;
}

/// Kubernetes: clusters, their issuers, pods and accounts.
pub mod kubernetes {
    pub use carnet_kubernetes_sandbox::seed::*;
}

/// The relying parties of the catalogue: the members and tokens that each trusts.
pub mod oauth {
    pub use carnet_oauth_sandbox::seed::*;
}

/// OCI: tenancy, compartment, principals, identity domain, its clients and trusts.
pub mod oci {
    pub use carnet_oci_sandbox::{domain::seed::*, seed::*};
}

/// Vault: root token, role, audience, secrets.
pub mod vault {
    pub use carnet_vault_sandbox::seed::*;
}

/// The part of it that a script needs to ask for something. The client secret is none: everybody who has the sandbox
/// has it.
pub fn seed() -> Value {
    json!({
        "aws_bucket": aws::BUCKETS[0],
        "aws_container_path": aws::CONTAINER_PATH,
        "aws_container_token": aws::CONTAINER_TOKEN,
        "aws_external_id": aws::EXTERNAL_ID,
        "aws_issuer": aws::OUTBOUND_ISSUER,
        "aws_next_role": aws::NEXT_ROLE,
        "aws_region": aws::REGION,
        "aws_role": aws::ROLE,
        "azure_account": azure::ACCOUNT,
        "azure_application": azure::APPLICATION,
        "azure_identity": azure::IDENTITY_CLIENT,
        "azure_identity_header": azure::IDENTITY_HEADER,
        "azure_machine": azure::MACHINE_CLIENT,
        "azure_subscription": azure::SUBSCRIPTION,
        "azure_tenant": azure::TENANT,
        "vault_audience": vault::AUDIENCE,
        "vault_role": vault::ROLE,
        "vault_root_token": vault::ROOT_TOKEN,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_cloud_trusts_is_what_the_other_issues() {
        assert_eq!((oci::AWS_ISSUER, oci::AWS_ROLE), (aws::OUTBOUND_ISSUER, aws::MACHINE_ROLE));
        assert_eq!(oci::AZURE_ISSUER, azure::own_issuer());
        assert_eq!((oci::AZURE_TENANT, oci::AZURE_AUDIENCE), (azure::TENANT, azure::APPLICATION));
        assert_eq!(oci::AZURE_PRINCIPAL, azure::MACHINE_PRINCIPAL);
        let svids = [
            (aws::SVID_ISSUER, aws::WORKLOAD),
            (azure::SVID_ISSUER, azure::WORKLOAD),
            (vault::SVID_ISSUER, vault::WORKLOAD),
        ];
        assert!(svids.iter().all(|one| *one == svids[0]), "{svids:?}");
        let prod = &kubernetes::CLUSTERS[0];
        let reviewers = [
            (vault::KUBERNETES_HOST, vault::KUBERNETES_REVIEWER, vault::SERVICE_ACCOUNT),
            (infisical::KUBERNETES_HOST, infisical::KUBERNETES_REVIEWER, infisical::SERVICE_ACCOUNT),
        ];
        for (host, reviewer, account) in reviewers {
            assert_eq!((host, reviewer), (&*format!("https://{}", prod.host), prod.reviewer_token));
            assert_eq!(account, (kubernetes::NAMESPACE, kubernetes::ADMIN));
        }
        assert_eq!(infisical::TENANCY, oci::TENANCY);
        let machine = format!("arn:aws:sts::{}:assumed-role/machine", aws::ACCOUNT);
        assert_eq!((gcp::AWS_ACCOUNT, gcp::AWS_ROLE), (aws::ACCOUNT, &*machine));
        assert_eq!((vault::AWS_ISSUER, vault::AWS_ROLE), (aws::OUTBOUND_ISSUER, aws::MACHINE_ROLE));
        assert_eq!((azure::GOOGLE_ISSUER, azure::GOOGLE_ACCOUNT), (oci::GOOGLE_ISSUER, oci::GOOGLE_ACCOUNT));
        let managed = (aws::AZURE_ISSUER.to_owned(), aws::AZURE_CLIENT, aws::AZURE_PRINCIPAL);
        assert_eq!(managed, (azure::own_issuer(), azure::MACHINE_CLIENT, azure::MACHINE_PRINCIPAL));
    }
}
