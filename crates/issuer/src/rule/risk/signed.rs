//! What is dangerous about rules for principals who sign requests.

use carnet_core::Mistake;

use super::{Rule, pins, risk};
use crate::{
    rule::{compiled::Compiled, pattern::Pattern},
    signed_issuer,
};

/// Claims of OCI that bind by an id which nobody else can have after its owner: OCIDs, and the digest of a key. A rule has their values written out. The
/// tenancy is none: it is the issuer, and everybody has it. All that AWS tells beside the subject are names (`arn`, `role`, `session`) and the account.
const OCI_IDS: [&str; 5] = ["sub", "compartment", "cluster_id", "groups", "fingerprint"];
const AWS_IDS: [&str; 1] = ["sub"];
/// Hosts of services. A request that is for one of them names nobody who may believe it.
const SERVICES: [&str; 3] = ["https://identity.", "https://objectstorage.", "https://sts."];

pub(super) fn risks(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    if !signed_issuer::is_signed(&rule.issuer) {
        return;
    }
    if !by_id(rule, compiled) {
        let (field, message) = match (rule.subject.is_some(), rule.claims.is_empty()) {
            (true, true) => (
                "subject",
                "a pattern stands for principals that whoever may make some chooses, and no id says which are meant",
            ),
            (_, false) => {
                ("claims", "only names and kinds say who is meant: they can be given to others, who would match then")
            }
            _ => ("condition", "whether a condition binds by an id cannot be read off it"),
        };
        // Whoever says nothing at all has been told so.
        if !risks.iter().any(|known| known.field == field || known.field == "subject") {
            let hint = if rule.issuer.starts_with(signed_issuer::OCI) {
                "write the whole OCID of the subject, or pin a compartment, cluster_id or groups by OCID"
            } else {
                "write the whole unique id of the user or role as subject"
            };
            risks.push(risk(field, message, hint));
        }
    }
    let unbound = |audience: &&String| SERVICES.iter().any(|service| audience.starts_with(service));
    if let Some(audience) = rule.expected_audiences.iter().find(unbound) {
        let message = format!(
            "a request for {audience} does not say that it is for us: whoever is shown one, or finds it in a log, could log in \
             with it first"
        );
        risks.push(risk("expected_audiences", message, "let the caller sign x-carnet-audience as well"));
    }
}

/// Whether an id that is written out says who is meant.
fn by_id(rule: &Rule, compiled: &Compiled) -> bool {
    let ids = if rule.issuer.starts_with(signed_issuer::OCI) { &OCI_IDS[..] } else { &AWS_IDS };
    let whole = compiled.subject.as_ref().is_some_and(Pattern::is_exact);
    whole || ids.iter().any(|name| pins(rule, name))
}
