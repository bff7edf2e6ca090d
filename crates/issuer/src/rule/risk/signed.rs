//! What is dangerous about rules for principals who sign requests.

use carnet_core::Mistake;

use super::{Rule, risk};
use crate::signed_issuer;

/// Claims that bind by an id which nobody else can have after its owner: OCIDs. The subject itself is the best of them.
const IDS: [&str; 4] = ["compartment", "cluster_id", "groups", "fingerprint"];
/// Hosts of services. A request that is for one of them names nobody who may believe it.
const SERVICES: [&str; 3] = ["https://identity.", "https://objectstorage.", "https://sts."];

pub(super) fn risks(rule: &Rule, risks: &mut Vec<Mistake>) {
    if !signed_issuer::is_signed(&rule.issuer) {
        return;
    }
    let by_id = rule.subject.is_some() || rule.claims.keys().any(|name| IDS.contains(&name.as_str()));
    if !by_id && !rule.claims.is_empty() {
        let message = "only names and kinds say who is meant: they can be given to others, who would match then";
        risks.push(risk(
            "claims",
            message,
            "name the subject by its OCID or unique id, or a compartment, cluster or group",
        ));
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(members: &Value) -> Vec<String> {
        let mut rule = json!({ "name": "r", "issuer": "oci://ocid1.tenancy.oc1..aaaa" });
        rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let mut found = Vec::new();
        risks(&serde_json::from_value(rule).unwrap(), &mut found);
        found.into_iter().map(|mistake| mistake.field).collect()
    }

    #[test]
    fn ids_bind() {
        for bound in [
            json!({ "subject": "ocid1.user.oc1..u" }),
            json!({ "claims": { "compartment": "ocid1.compartment.oc1..c", "ptype": "instance" } }),
            json!({ "claims": { "groups": "ocid1.group.oc1..g" } }),
            json!({ "claims": { "cluster_id": "ocid1.cluster.oc1..k", "namespace": "n", "service_account": "s" } }),
            json!({ "issuer": "https://issuer.example", "claims": { "name": "n" } }),
        ] {
            assert!(found(&bound).is_empty(), "{bound}");
        }
    }

    #[test]
    fn rejects_names_alone() {
        for names in [json!({ "name": ["admin"] }), json!({ "ptype": "instance" }), json!({ "namespace": "n" })] {
            assert_eq!(found(&json!({ "claims": names })), ["claims"]);
        }
        let role = json!({ "issuer": "aws://123456789012", "claims": { "role": "arn:aws:iam::123456789012:role/r" } });
        assert_eq!(found(&role), ["claims"]);
    }

    #[test]
    fn rejects_requests_that_do_not_name_us() {
        let audiences = ["https://identity.us-ashburn-1.oraclecloud.com"];
        let rule = json!({ "subject": "ocid1.user.oc1..u", "expected_audiences": audiences });
        assert_eq!(found(&rule), ["expected_audiences"]);
    }
}
