//! Crossings to Azure, Vault, AWS and relying parties of the catalogue, and what each of them refuses.

use carnet_sandbox::{
    aws, azure,
    oauth::{self, Who},
    vault,
};

use super::{calls::Call, crossings::Crossing};

/// Relying parties that take any issuer's token: the name, and the resource that says whose token it was shown.
const PARTIES: [(&str, &str, &str); 4] = [
    ("GitHub JWT to Claude", "claude", "https://api.anthropic.com/v1/models"),
    ("GitHub JWT to OpenAI", "openai", "https://api.openai.com/v1/models"),
    ("GitHub JWT to OpenRouter", "openrouter", "https://openrouter.ai/api/v1/key"),
    ("GitHub JWT to Tailscale", "tailscale", "https://api.tailscale.com/api/v2/tailnet/-/devices"),
];

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    let mut rows = vec![
        Crossing::new("GitHub JWT to Entra to a blob", github(&entra()), azure::APPLICATION, Call::AzureBlobs),
        Crossing::new("GitHub JWT to Vault to a secret", github(&vault()), "", Call::VaultSecret(own_secret())),
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
    rows.extend(
        PARTIES.map(|(name, party, url)| Crossing::new(name, github(&relying_party(party)), "", Call::Party(url))),
    );
    let mut rows: Vec<Crossing> = rows.into_iter().map(|row| row.job("github", None)).collect();
    rows.push(Crossing::new(
        "Azure machine to an Entra application to a blob",
        format!("source = {{ azure-identity = {{ token = \"identity\" }} }}\nthrough = [{}]", entra()),
        azure::APPLICATION,
        Call::AzureBlobs,
    ));
    rows.push(Crossing::new(
        "AWS machine to buckets",
        "source = { aws-identity = { place = \"instance\" } }".to_owned(),
        "",
        Call::AwsBuckets,
    ));
    rows
}

fn github(exchange: &str) -> String {
    format!("source = \"github-actions\"\nthrough = [{exchange}]")
}

/// The exchange with Entra.
pub(super) fn entra() -> String {
    format!(
        "{{ entra = {{ tenant = \"{}\", client_id = \"{}\", resource = \"https://storage.azure.com\" }} }}",
        azure::TENANT,
        azure::APPLICATION
    )
}

/// The login at Vault.
pub(super) fn vault() -> String {
    format!("{{ vault = {{ role = \"{}\", audience = \"{}\" }} }}", vault::ROLE, vault::AUDIENCE)
}

/// The exchange with AWS.
pub(super) fn role(more: &str) -> String {
    format!("{{ aws = {{ role_arn = \"{}\"{more} }} }}", aws::ROLE)
}

fn relying_party(party: &str) -> String {
    let settings: Vec<String> =
        oauth::members(party, Who::Job).into_iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    format!(
        "{{ relying-party = {{ name = \"{party}\", subject_audience = \"{}\", settings = {{ {} }} }} }}",
        oauth::audience(party, Who::Job).unwrap_or_default(),
        settings.join(", ")
    )
}

/// The secret that the role may read.
fn own_secret() -> &'static str {
    let [own, _] = vault::SECRETS;
    own
}

/// The secret that it may not.
pub(super) fn neighbours_secret() -> &'static str {
    let [_, neighbour] = vault::SECRETS;
    neighbour
}
