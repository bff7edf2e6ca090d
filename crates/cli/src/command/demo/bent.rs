//! Crossings of workloads with one thing bent, and the clause that stops each.

use carnet_sandbox::{
    Issuer, MintRequest, azure,
    oauth::{self, Who},
};

use super::{
    calls::Call,
    clouds::{self, CLAUDE, OPENAI},
    cluster::SERVICE_ACCOUNT,
    crossings::{self, Crossing},
    domain::{ENTRA, MISTAKEN, POD_AGENT},
    gate::ISSUER,
    identities,
    report::RefusalRow,
    stage::Stage,
    workloads::{self, app},
};

/// An audience of nobody here.
const ELSEWHERE: &str = "https://somebody.else";

/// One row.
pub(super) struct Bent {
    crossing: Crossing,
    clause: &'static str,
}

impl Bent {
    /// One whose crossing must fail by this clause.
    pub(super) fn new(crossing: Crossing, clause: &'static str) -> Self {
        Self { crossing, clause }
    }

    pub(super) fn name(&self) -> &'static str {
        self.crossing.name
    }
}

/// All rows, in order.
pub(super) fn all() -> Vec<Bent> {
    svids().into_iter().chain(machines()).chain(pods()).collect()
}

fn svids() -> Vec<Bent> {
    let bent =
        |name, clause, route, call: Call| Bent { crossing: Crossing::new(name, route, "", call).in_domain(), clause };
    let (blobs, secret, buckets) = (Call::AzureBlobs, Call::VaultSecret(clouds::own_secret()), Call::AwsBuckets);
    let neighbours = Call::VaultSecret(clouds::neighbours_secret());
    let quoted = |name: &str, audience: &str| format!(", {name} = \"{audience}\"");
    let mut rows = vec![
        bent("the neighbour's secret, with a JWT-SVID", "policy", app(&workloads::vault()), neighbours),
        bent("another workload's JWT-SVID, at Entra", "subject", other(&clouds::entra()), blobs),
        bent("another workload's JWT-SVID, at Vault", "subject", other(&workloads::vault()), secret),
        bent("another workload's JWT-SVID, at AWS", "condition", other(&clouds::role("")), buckets),
        bent(
            "JWT-SVID for another audience, at Entra",
            "audience",
            // One of those for which RSA signs: Entra looks at that afterwards.
            app(&clouds::entra_with(&quoted("subject_audience", "sts.amazonaws.com"))),
            blobs,
        ),
        bent("JWT-SVID for another audience, at Vault", "audience", app(&workloads::vault_for(ELSEWHERE)), secret),
        bent(
            "JWT-SVID for another audience, at AWS",
            "audience",
            app(&clouds::role(&quoted("audience", ENTRA))),
            buckets,
        ),
    ];
    let signed = format!("{}, {}", identities::exchange_for(ENTRA, "jwt-svid", ""), clouds::entra());
    let mistaken = MintRequest::new(Issuer::Github, ISSUER).claim("sub", MISTAKEN);
    let route = crossings::from_file(&signed);
    let row = bent("JWT-SVID signed with an elliptic curve, at Entra", "algorithm", route, blobs);
    rows.push(Bent { crossing: row.crossing.token(mistaken), ..row });
    rows
}

/// The pod of the simulated node, through this exchange.
fn other(exchange: &str) -> String {
    format!("source = {{ spiffe = {{ endpoint = \"${{{POD_AGENT}}}\" }} }}\nthrough = [{exchange}]")
}

fn machines() -> Vec<Bent> {
    let at = |name, clause, route, call: Call| Bent { crossing: Crossing::new(name, route, "", call), clause };
    let bent = |name, clause, route| at(name, clause, route, Call::OciListBuckets);
    let other_role = |name, clause, exchange: &str, call| {
        let route = format!("source = \"github-actions\"\nthrough = [{}, {exchange}]", clouds::role(""));
        let row = at(name, clause, route, call);
        Bent { crossing: row.crossing.job("github", None), ..row }
    };
    let identity = workloads::azure_machine(&format!(", client_id = \"{}\"", azure::IDENTITY_CLIENT));
    let secret = Call::VaultSecret(clouds::own_secret());
    let for_entra = format!(", subject_audience = \"{ELSEWHERE}\"");
    vec![
        other_role(
            "another role of AWS, at OCI",
            "subject",
            &workloads::from_aws(&crossings::upst()),
            Call::OciListBuckets,
        ),
        bent("another managed identity of Azure, at OCI", "subject", identity),
        bent(
            "Google's token for another audience, at OCI",
            "audience",
            workloads::google_machine(&crossings::upst_for(ELSEWHERE)),
        ),
        other_role("another role of AWS, at Google", "permission", &workloads::to_google(), Call::GoogleListBuckets),
        other_role(
            "another role of AWS, at Vault",
            "subject",
            &workloads::from_aws(&workloads::aws_at_vault()),
            secret,
        ),
        at(
            "another managed identity of Azure, at AWS",
            "audience",
            workloads::azure_to_aws(&format!(", client_id = \"{}\"", azure::IDENTITY_CLIENT)),
            Call::AwsBuckets,
        ),
        at(
            "Google's token for another audience, at Entra",
            "audience",
            workloads::google_machine(&clouds::entra_with(&for_entra)),
            Call::AzureBlobs,
        ),
    ]
}

fn pods() -> Vec<Bent> {
    let bent = |name, clause, exchange: &str, url, service_account, audience: String| {
        let crossing = Crossing::new(name, crossings::from_file(exchange), "", Call::Party(url));
        Bent { crossing: crossing.pod(service_account, audience), clause }
    };
    let claude = oauth::audience("claude", Who::Pod).unwrap_or_default();
    vec![
        bent(
            "another service account of the cluster, at Claude",
            "subject",
            &clouds::relying_party("claude", Who::Pod, ""),
            CLAUDE,
            "intruder",
            claude.clone(),
        ),
        bent(
            "a pod's token for another party, at OpenAI",
            "audience",
            &clouds::relying_party_for(&claude, "openai", Who::Pod, ""),
            OPENAI,
            SERVICE_ACCOUNT,
            claude,
        ),
    ]
}

/// Plays a row: it passes when the cloud refuses it by that clause.
pub(super) async fn refuse(stage: &Stage, bent: &Bent) -> RefusalRow {
    let mut row = RefusalRow::new(bent.name(), bent.clause);
    let before = stage.sandbox.world().decisions.count();
    row.told(crossings::attempt(stage, &bent.crossing).await);
    row.decided(stage.last_refusal(before));
    row
}
