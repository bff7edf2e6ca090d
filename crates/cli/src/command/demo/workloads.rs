//! Crossings of workloads: JWT-SVIDs of the demo's own agent to the other clouds, machines of those clouds to OCI and to each
//! other, and a pod of a Kubernetes cluster to relying parties of the catalogue.

use carnet_sandbox::{
    aws, azure, gcp,
    oauth::{self, Who},
    oci, vault,
};

use super::{
    calls::Call,
    clouds::{self, CLAUDE, OPENAI, TAILSCALE},
    cluster::SERVICE_ACCOUNT,
    crossings::{self, Crossing},
    domain::{APP, UNIX_AGENT},
};

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    svids().into_iter().chain(machines()).chain(pods()).collect()
}

fn svids() -> [Crossing; 3] {
    [
        Crossing::new(
            "JWT-SVID to Entra to a blob",
            app(&clouds::entra()),
            azure::APPLICATION_PRINCIPAL,
            Call::AzureBlobs,
        ),
        Crossing::new("JWT-SVID to Vault to a secret", app(&vault()), APP, Call::VaultSecret(clouds::own_secret())),
        Crossing::new(
            "JWT-SVID to an AWS role to buckets",
            app(&clouds::role("")),
            "assumed-role/reader/",
            Call::AwsBuckets,
        ),
    ]
    .map(Crossing::in_domain)
}

fn machines() -> [Crossing; 7] {
    [
        Crossing::new(
            "AWS machine to UPST to object storage",
            aws_machine(&from_aws(&crossings::upst())),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        ),
        Crossing::new(
            "Azure machine to UPST to object storage",
            azure_machine(""),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        ),
        Crossing::new(
            "Google machine to UPST to object storage",
            google_machine(&crossings::upst()),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        ),
        Crossing::new(
            "AWS machine to Google by a signed request",
            aws_machine(&to_google()),
            gcp::READER,
            Call::GoogleListBuckets,
        ),
        Crossing::new(
            "AWS machine to Vault to a secret",
            aws_machine(&from_aws(&aws_at_vault())),
            aws::MACHINE_ROLE,
            Call::VaultSecret(clouds::own_secret()),
        ),
        Crossing::new(
            "Azure machine to an AWS role to buckets",
            azure_to_aws(""),
            "assumed-role/reader/",
            Call::AwsBuckets,
        ),
        Crossing::new(
            "Google machine to Entra to a blob",
            google_machine(&clouds::entra()),
            azure::APPLICATION_PRINCIPAL,
            Call::AzureBlobs,
        ),
    ]
}

fn pods() -> [Crossing; 4] {
    let origin = ", origin = \"https://demo.cloud.databricks.com\"";
    [
        ("Kubernetes pod to Claude", "claude", "", "svac_pod", CLAUDE),
        ("Kubernetes pod to OpenAI", "openai", "", "sa_pod", OPENAI),
        ("Kubernetes pod to Tailscale", "tailscale", "", "tag:pod", TAILSCALE),
        (
            "Kubernetes pod to Databricks",
            "databricks",
            origin,
            "pod of carnet-sandbox",
            "https://demo.cloud.databricks.com/api/2.0/preview/scim/v2/Me",
        ),
    ]
    .map(|(name, party, more, principal, url)| {
        let route = crossings::from_file(&clouds::relying_party(party, Who::Pod, more));
        Crossing::new(name, route, principal, Call::Party(url))
            .pod(SERVICE_ACCOUNT, oauth::audience(party, Who::Pod).unwrap_or_default())
    })
}

/// The workload of this process by its SVID, through this exchange.
pub(super) fn app(exchange: &str) -> String {
    format!(
        "source = {{ spiffe = {{ endpoint = \"${{{UNIX_AGENT}}}\", spiffe_id = \"{APP}\" }} }}\nthrough = [{exchange}]"
    )
}

/// The login at Vault of who has an SVID.
pub(super) fn vault() -> String {
    vault_for(vault::AUDIENCE)
}

/// The same of an SVID for this audience.
pub(super) fn vault_for(audience: &str) -> String {
    clouds::vault_for(audience, &format!(", mount = \"{}\"", vault::SVID_MOUNT))
}

/// The machine of AWS, through this exchange of its keys.
fn aws_machine(exchange: &str) -> String {
    format!("source = {{ aws-identity = {{ place = \"instance\" }} }}\nthrough = [{exchange}]")
}

/// From AWS's keys to a token of AWS (outbound web identity), and on.
pub(super) fn from_aws(exchange: &str) -> String {
    format!("{{ aws-web-identity-token = {{ region = \"{}\" }} }}, {exchange}", aws::REGION)
}

/// The machine of Azure to OCI. The token is for an application of the tenant, whose id its audience is then.
pub(super) fn azure_machine(more: &str) -> String {
    let audience = format!("api://{}", azure::APPLICATION);
    let exchange = crossings::upst_for(&audience);
    format!("source = {{ azure-identity = {{ token = \"identity\"{more} }} }}\nthrough = [{exchange}]")
}

/// The same machine to AWS.
pub(super) fn azure_to_aws(more: &str) -> String {
    // AWS looks at the `azp` of the token, which is the machine's own, whoever the token is for.
    let exchange = clouds::role(&format!(", audience = \"{}\"", azure::APPLICATION));
    format!("source = {{ azure-identity = {{ token = \"identity\"{more} }} }}\nthrough = [{exchange}]")
}

/// From AWS's keys to Google.
pub(super) fn to_google() -> String {
    format!("{{ gcp = {{ audience = \"{}\", service_account = \"{}\" }} }}", gcp::audience(gcp::MACHINES), gcp::READER)
}

/// The login at Vault with a token of AWS.
pub(super) fn aws_at_vault() -> String {
    clouds::vault_for(vault::AUDIENCE, &format!(", mount = \"{}\"", vault::AWS_MOUNT))
}

/// The machine of Google, through this exchange.
pub(super) fn google_machine(exchange: &str) -> String {
    format!("source = \"gcp-metadata\"\nthrough = [{exchange}]")
}
