//! The rules of principals of clouds that log in by signed request, and of the resource server that is shown their tokens.

use carnet_sandbox::{aws, infisical, kubernetes, oci};

use super::{APP, AUDIENCE, NAME};
use crate::command::demo::tokens::{NETWORK, USES};

/// The rules of one principal, by what is special about their tokens.
#[derive(Clone, Copy)]
pub(in crate::command::demo) struct RuleNames {
    /// Good for some uses.
    pub(in crate::command::demo) counted: &'static str,
    /// Good in one network.
    pub(in crate::command::demo) network: &'static str,
    /// Can be renewed.
    pub(in crate::command::demo) renewable: &'static str,
    /// Nothing is remembered of them.
    pub(in crate::command::demo) stateless: &'static str,
}

/// Those of the user with the administrator's API key.
pub(in crate::command::demo) const USER_RULES: RuleNames = RuleNames {
    counted: "oci-user-counted",
    network: "oci-user-network",
    renewable: "oci-user",
    stateless: "oci-user-stateless",
};
/// Those of the instance.
pub(in crate::command::demo) const INSTANCE_RULES: RuleNames = RuleNames {
    counted: "oci-instance-counted",
    network: "oci-instance-network",
    renewable: "oci-instance",
    stateless: "oci-instance-stateless",
};
/// That of the pod `admin-0` of the cluster `prod`.
pub(in crate::command::demo) const POD_RULE: &str = "oke-admin";
/// That of the machine of AWS.
pub(in crate::command::demo) const AWS_RULE: &str = "aws-machine";

/// All of them.
pub(super) fn rules() -> String {
    let tenancy = format!("oci://{}", oci::TENANCY);
    let user = format!("subject = \"{}\"", oci::ADMIN_USER);
    let instance = format!(
        "subject = \"{}\"\nclaims = {{ ptype = \"instance\", compartment = \"{}\" }}",
        oci::INSTANCE,
        oci::COMPARTMENT
    );
    let pod = format!(
        "claims = {{ ptype = \"workload\", cluster_id = \"{}\", namespace = \"{}\", service_account = \"{}\" }}",
        oci::OKE_CLUSTER,
        kubernetes::NAMESPACE,
        kubernetes::ADMIN
    );
    let machine = format!("subject = \"{}\"", aws::MACHINE_ROLE_ID);
    let server = format!(
        "[[rule]]\nname = \"resource-server\"\nissuer = \"spiffe://{NAME}\"\nsubject = \"{APP}\"\nintrospect = [\"{AUDIENCE}\"]\n"
    );
    [
        forms(USER_RULES, &tenancy, &user, "/oci/user"),
        forms(INSTANCE_RULES, &tenancy, &instance, "/oci/instance"),
        rule(POD_RULE, &tenancy, &pod, "/oke/admin", ""),
        rule(AWS_RULE, &format!("aws://{}", infisical::AWS_ACCOUNT), &machine, "/aws/machine", ""),
        server,
    ]
    .concat()
}

fn forms(names: RuleNames, issuer: &str, who: &str, identity: &str) -> String {
    // The caller of the token endpoint is this process, on loopback.
    let networks = format!("networks = [\"{NETWORK}\", \"127.0.0.0/8\", \"::1\"]");
    [
        rule(names.counted, issuer, who, identity, &format!("uses = {USES}")),
        rule(names.network, issuer, who, identity, &networks),
        rule(names.renewable, issuer, who, identity, "lifetime = 600\nmax_lifetime = 3600"),
        rule(names.stateless, issuer, who, identity, "stateless = true"),
    ]
    .concat()
}

fn rule(name: &str, issuer: &str, who: &str, identity: &str, more: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nissuer = \"{issuer}\"\n{who}\nidentity = \"{identity}\"\naudiences = [\"{AUDIENCE}\"]\n\
         issue = [\"access-token\"]\n{more}\n"
    )
}
