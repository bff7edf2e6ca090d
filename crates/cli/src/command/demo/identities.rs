//! Identities of the demo's own trust domain: from its agents, and by exchange. Each is shown to somebody else.

use super::{
    crossings::{Crossing, Shown},
    domain::{AUDIENCE, AUTHORITY, POD_AGENT, UNIX_AGENT, USER},
};

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    let (user, pod) = ("spiffe://demo.test/user/", "spiffe://demo.test/ns/shop/sa/checkout");
    let build = "spiffe://demo.test/github/710000001/build";
    // This process has two identities from that agent.
    let own = format!(", spiffe_id = \"${{{USER}}}\"");
    vec![
        Crossing::new("unix process to JWT-SVID", jwt_svid(UNIX_AGENT, &own), user, Shown::Verifier),
        Crossing::new("unix process to X509-SVID", x509_svid(UNIX_AGENT, &own), user, Shown::Verifier),
        Crossing::new("simulated pod to JWT-SVID", jwt_svid(POD_AGENT, ""), pod, Shown::Verifier),
        Crossing::new("simulated pod to X509-SVID", x509_svid(POD_AGENT, ""), pod, Shown::Verifier),
        Crossing::new("GitHub JWT to JWT-SVID by RFC 8693", github("jwt-svid"), build, Shown::Verifier)
            .job("github", None),
        Crossing::new("GitHub JWT to X509-SVID by RFC 8693", github("x509-svid"), build, Shown::Verifier)
            .job("github", None),
        Crossing::new("GitHub JWT to JWT-SVID while keys rotate", github("jwt-svid"), build, Shown::VerifierMeanwhile)
            .job("github", None),
    ]
}

fn jwt_svid(agent: &str, more: &str) -> String {
    format!("source = {{ spiffe = {{ endpoint = \"${{{agent}}}\", audience = \"{AUDIENCE}\"{more} }} }}")
}

fn x509_svid(agent: &str, more: &str) -> String {
    format!("source = {{ spiffe = {{ endpoint = \"${{{agent}}}\", svid = \"x509\"{more} }} }}")
}

fn github(issue: &str) -> String {
    format!("source = \"github-actions\"\nthrough = [{}]", exchange(issue, ""))
}

/// The exchange with the demo's authority.
pub(super) fn exchange(issue: &str, more: &str) -> String {
    exchange_for(if issue == "jwt-svid" { AUDIENCE } else { "" }, issue, more)
}

/// The same for this audience, if any.
pub(super) fn exchange_for(audience: &str, issue: &str, more: &str) -> String {
    let audience = if audience.is_empty() { String::new() } else { format!(", audience = \"{audience}\"") };
    format!("{{ carnet = {{ url = \"${{{AUTHORITY}}}\", issue = \"{issue}\"{audience}{more} }} }}")
}
