//! Rules for principals of clouds and for pods: they bind by ids, and by a namespace.

use serde_json::{Value, json};

use super::{harmless, risky};

const OCI: &str = "oci://ocid1.tenancy.oc1..aaaa";
const AWS: &str = "aws://123456789012";
const CLUSTER: &str = "https://kubernetes.default.svc";

/// A rule that says nothing of its subject but this.
fn of(issuer: &str, members: Value) -> Value {
    let mut rule = json!({ "issuer": issuer, "subject": null, "claims": {}, "condition": null, "identity": "/x" });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    rule
}

#[test]
fn rejects_a_pattern_of_ocids_with_a_name() {
    risky(&of(OCI, json!({ "subject": "ocid1.user.oc1..*", "claims": { "name": "admin" } })), "claims");
}

#[test]
fn rejects_a_condition_about_a_name() {
    risky(&of(OCI, json!({ "condition": "claims.name == \"admin\"" })), "condition");
    risky(&of(AWS, json!({ "condition": "claims.role.endsWith('/admin')" })), "condition");
}

#[test]
fn rejects_a_pattern_that_every_principal_of_oci_matches() {
    for subject in ["ocid1.*", "ocid1.user.oc1..*", "ocid1.instance.oc1.iad.*"] {
        risky(&of(OCI, json!({ "subject": subject })), "subject");
    }
    risky(&of(OCI, json!({ "claims": { "tenancy": "ocid1.tenancy.oc1..aaaa" } })), "claims");
}

#[test]
fn rejects_a_pattern_that_principals_of_aws_match() {
    for subject in ["A*", "AROA*", "AROAEXAMPL*"] {
        risky(&of(AWS, json!({ "subject": subject })), "subject");
    }
    let role = json!({ "role": "arn:aws:iam::123456789012:role/r" });
    risky(&of(AWS, json!({ "claims": role })), "claims");
    // Claims of OCI, which AWS does not tell.
    risky(&of(AWS, json!({ "claims": { "compartment": "ocid1.compartment.oc1..c" } })), "claims");
}

#[test]
fn rejects_pods_of_every_namespace() {
    for subject in ["system:serviceaccount:*:*", "system:serviceaccount:*:default", "system:service*:*:*"] {
        risky(&of(CLUSTER, json!({ "subject": subject })), "subject");
    }
    risky(&of(CLUSTER, json!({ "subject": "system:serviceaccount:shop*:web" })), "subject");
}

#[test]
fn rejects_an_account_without_its_namespace() {
    let name = "kubernetes.io/serviceaccount/name";
    risky(&of(CLUSTER, json!({ "claims": { name: "default" } })), "claims");
    for sub in [json!("system:serviceaccount:*:web"), json!(["system:serviceaccount:shop:web", "web"])] {
        risky(&of(CLUSTER, json!({ "claims": { "sub": sub, name: "web" } })), "claims");
    }
    let condition = "claims['kubernetes.io'].serviceaccount.name == 'default'";
    risky(&of(CLUSTER, json!({ "condition": condition })), "condition");
}

#[test]
fn ids_that_are_written_out_bind() {
    for bound in [
        of(OCI, json!({ "subject": "ocid1.user.oc1..u" })),
        of(OCI, json!({ "subject": "ocid1.user.oc1..u", "condition": "claims.proof == 'api-key'" })),
        of(OCI, json!({ "claims": { "sub": ["ocid1.user.oc1..u", "ocid1.user.oc1..v"] } })),
        of(OCI, json!({ "claims": { "compartment": "ocid1.compartment.oc1..c", "ptype": "instance" } })),
        of(
            OCI,
            json!({ "subject": "ocid1.instance.oc1.*.*", "claims": { "compartment": "ocid1.compartment.oc1..c" } }),
        ),
        of(OCI, json!({ "claims": { "groups": "ocid1.group.oc1..g" } })),
        of(
            OCI,
            json!({ "claims": { "cluster_id": "ocid1.cluster.oc1..k", "namespace": "n", "service_account": "s" } }),
        ),
        of(AWS, json!({ "subject": "AROAEXAMPLE", "claims": { "name": "deployer" } })),
    ] {
        harmless(&bound);
    }
}

#[test]
fn a_namespace_that_is_written_out_binds() {
    let name = "kubernetes.io/serviceaccount/name";
    for bound in [
        json!({ "subject": "system:serviceaccount:shop:web" }),
        json!({ "subject": "system:serviceaccount:shop:*" }),
        json!({ "claims": { "kubernetes.io/namespace": ["shop", "front"], name: "web" } }),
        json!({ "claims": { "sub": ["system:serviceaccount:shop:web", "system:serviceaccount:front:web"], name: "web" } }),
        json!({ "claims": { "kubernetes.io/serviceaccount/uid": "11111111-1111-4111-8111-111111111111" } }),
        json!({ "subject": "system:serviceaccount:*:web", "claims": { "kubernetes.io/namespace": "shop" } }),
        json!({ "claims": { "kubernetes.io/namespace": "shop" },
            "condition": "claims['kubernetes.io'].serviceaccount.name.startsWith('web-')" }),
    ] {
        harmless(&of(CLUSTER, bound));
    }
}

#[test]
fn rejects_requests_that_do_not_name_us() {
    let audiences = ["https://identity.us-ashburn-1.oraclecloud.com"];
    risky(&of(OCI, json!({ "subject": "ocid1.user.oc1..u", "expected_audiences": audiences })), "expected_audiences");
}
