//! Crossings to Azure, Vault, AWS and relying parties of the catalogue, and what each of them refuses.

use carnet_sandbox::{
    aws, azure, ci,
    oauth::{self, Who},
    vault,
};

use super::{calls::Call, crossings::Crossing};

/// A relying party that takes any issuer's token.
struct Party {
    /// The row.
    name: &'static str,
    /// Its name in the catalogue.
    id: &'static str,
    /// Whom the job becomes.
    principal: &'static str,
    /// The resource that says whose token it was shown.
    url: &'static str,
}

const PARTIES: [Party; 4] = [
    Party { name: "GitHub JWT to Claude", id: "claude", principal: "svac_job", url: CLAUDE },
    Party { name: "GitHub JWT to OpenAI", id: "openai", principal: "sa_job", url: OPENAI },
    Party {
        name: "GitHub JWT to OpenRouter",
        id: "openrouter",
        principal: "job of carnet-sandbox",
        url: "https://openrouter.ai/api/v1/key",
    },
    Party { name: "GitHub JWT to Tailscale", id: "tailscale", principal: "tag:job", url: TAILSCALE },
];
/// Resources of relying parties.
pub(super) const CLAUDE: &str = "https://api.anthropic.com/v1/models";
pub(super) const OPENAI: &str = "https://api.openai.com/v1/models";
pub(super) const TAILSCALE: &str = "https://api.tailscale.com/api/v2/tailnet/-/devices";

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    let mut rows = vec![
        Crossing::new(
            "GitHub JWT to Entra to a blob",
            github(&entra()),
            azure::APPLICATION_PRINCIPAL,
            Call::AzureBlobs,
        ),
        Crossing::new(
            "GitHub JWT to Vault to a secret",
            github(&vault()),
            ci::GITHUB_SUBJECT,
            Call::VaultSecret(own_secret()),
        ),
        Crossing::new(
            "GitHub JWT to an AWS role to buckets",
            github(&role("")),
            "assumed-role/reader/",
            Call::AwsBuckets,
        ),
        Crossing::new(
            "GitHub JWT to an AWS role to the role behind it",
            github(&role(&format!(
                ", then = [{{ role_arn = \"{}\", external_id = \"{}\" }}]",
                aws::NEXT_ROLE,
                aws::EXTERNAL_ID
            ))),
            "assumed-role/writer/",
            Call::AwsBuckets,
        ),
    ];
    rows.extend(PARTIES.map(|Party { name, id, principal, url }| {
        Crossing::new(name, github(&relying_party(id, Who::Job, "")), principal, Call::Party(url))
    }));
    let mut rows: Vec<Crossing> = rows.into_iter().map(|row| row.job("github", None)).collect();
    rows.push(Crossing::new(
        "Azure machine to an Entra application to a blob",
        format!("source = {{ azure-identity = {{ token = \"identity\" }} }}\nthrough = [{}]", entra()),
        azure::APPLICATION_PRINCIPAL,
        Call::AzureBlobs,
    ));
    rows.push(Crossing::new(
        "AWS machine to buckets",
        "source = { aws-identity = { place = \"instance\" } }".to_owned(),
        "assumed-role/machine/",
        Call::AwsBuckets,
    ));
    rows
}

fn github(exchange: &str) -> String {
    format!("source = \"github-actions\"\nthrough = [{exchange}]")
}

/// The exchange with Entra.
pub(super) fn entra() -> String {
    entra_with("")
}

/// The same with more settings.
pub(super) fn entra_with(more: &str) -> String {
    format!(
        "{{ entra = {{ tenant = \"{}\", client_id = \"{}\", resource = \"https://storage.azure.com\"{more} }} }}",
        azure::TENANT,
        azure::APPLICATION
    )
}

/// The login at Vault.
pub(super) fn vault() -> String {
    vault_for(vault::AUDIENCE, "")
}

/// The same of a token for this audience, with more settings.
pub(super) fn vault_for(audience: &str, more: &str) -> String {
    format!("{{ vault = {{ role = \"{}\", audience = \"{audience}\"{more} }} }}", vault::ROLE)
}

/// The exchange with AWS.
pub(super) fn role(more: &str) -> String {
    format!("{{ aws = {{ role_arn = \"{}\"{more} }} }}", aws::ROLE)
}

/// The exchange with a party that trusts this caller.
pub(super) fn relying_party(party: &str, who: Who, more: &str) -> String {
    relying_party_for(&oauth::audience(party, who).unwrap_or_default(), party, who, more)
}

/// The same of a token for this audience.
pub(super) fn relying_party_for(audience: &str, party: &str, who: Who, more: &str) -> String {
    let settings: Vec<String> =
        oauth::members(party, who).into_iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    format!(
        "{{ relying-party = {{ name = \"{party}\", subject_audience = \"{audience}\", settings = {{ {} }}{more} }} }}",
        settings.join(", ")
    )
}

/// The secret that the role may read.
pub(super) fn own_secret() -> &'static str {
    let [own, _] = vault::SECRETS;
    own
}

/// The secret that it may not.
pub(super) fn neighbours_secret() -> &'static str {
    let [_, neighbour] = vault::SECRETS;
    neighbour
}
