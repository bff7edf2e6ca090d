//! What is there when the sandbox starts.

use std::collections::{BTreeMap, BTreeSet};

use carnet_aws::trust::{OidcProvider, Role, TrustPolicy};
use carnet_core::Secret;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    policy::PolicyDocument,
    principal::Principal,
    sessions::Access,
    state::{Association, Bucket, Inner, Object, RoleEntry, User},
};

/// The account.
pub const ACCOUNT: &str = "123456789012";
/// The region of instance, cluster and buckets.
pub const REGION: &str = "eu-central-1";
/// A region in which the account has not switched STS on.
pub const DISABLED_REGION: &str = "ap-east-1";
/// The user that sets things up: it may do everything.
pub const USER: &str = "builder";
/// Its access key id.
pub const ACCESS_KEY_ID: &str = "AKIACARNETSANDBOX234";
/// Its secret access key. No secret: everybody who has the sandbox has it.
pub const SECRET_ACCESS_KEY: &str = "carnet-sandbox-not-a-secret-access-key-0";
/// The issuer of GitHub's jobs, and the repository whose jobs may become [`ROLE`].
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// See [`GITHUB_ISSUER`].
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// The issuer of the cluster's service accounts.
pub const CLUSTER_ISSUER: &str = "https://oidc.eks.eu-central-1.amazonaws.com/id/CA12E7000000000000000000000000C1";
/// Issuer of JWT-SVIDs: an authority of the sandbox's owner, as `carnet demo` has one. Nobody answers there otherwise.
pub const SVID_ISSUER: &str = "https://authority.demo.test";
/// The workload that may become [`ROLE`] by its JWT-SVID.
pub const WORKLOAD: &str = "spiffe://demo.test/app";
/// Issuer of the tokens of a tenant of Azure, second version.
pub const AZURE_ISSUER: &str = "https://login.microsoftonline.com/c0ffee00-0000-4000-8000-00000000a001/v2.0";
/// The client id of the managed identity that may become [`ROLE`]: the `azp` of its tokens, which counts before `aud`.
pub const AZURE_CLIENT: &str = "c0ffee00-0000-4000-8000-00000000d001";
/// Its object id.
pub const AZURE_PRINCIPAL: &str = "c0ffee00-0000-4000-8000-00000000d002";
/// The cluster.
pub const CLUSTER: &str = "carnet-sandbox";
/// A namespace and service account that have a role, by web identity and by pod identity.
pub const SERVICE_ACCOUNT: (&str, &str) = ("default", "app");
/// The audience of web identity.
pub const AUDIENCE: &str = "sts.amazonaws.com";
/// The audience of pod identity.
pub const POD_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// The role of jobs, workload, pods and a machine of Azure: lists and reads buckets, asks for tokens, may become [`NEXT_ROLE`].
pub const ROLE: &str = "arn:aws:iam::123456789012:role/carnet/reader";
/// The role behind it: writes reports.
pub const NEXT_ROLE: &str = "arn:aws:iam::123456789012:role/carnet/writer";
/// The external id that [`NEXT_ROLE`] wants.
pub const EXTERNAL_ID: &str = "carnet";
/// The role of the instance and of the container task.
pub const MACHINE_ROLE: &str = "arn:aws:iam::123456789012:role/carnet/machine";
/// The id of that role: a new role of the same name would have another.
pub const MACHINE_ROLE_ID: &str = "AROACARNETSANDBOX2347";
/// The role of certificates.
pub const CERTIFICATE_ROLE: &str = "arn:aws:iam::123456789012:role/carnet/certificate";
/// The instance.
pub const INSTANCE: &str = "i-0ca12e7000000001";
/// The issuer of the account's own tokens.
pub const OUTBOUND_ISSUER: &str = "https://5f2dca12-e700-4000-8000-000000000001.tokens.sts.global.api.aws";
/// The path of the container endpoint.
pub const CONTAINER_PATH: &str = "/v2/credentials/ca12e700-0000-4000-8000-000000000002";
/// The authorization of the container endpoint. No secret, as [`SECRET_ACCESS_KEY`] is none.
pub const CONTAINER_TOKEN: &str = "carnet-sandbox-container-authorization";
/// The buckets.
pub const BUCKETS: [&str; 2] = ["carnet-logs", "carnet-reports"];
/// An object in `carnet-reports`, and what is in it.
pub const OBJECT: (&str, &str) = ("2026/11/report.txt", "carnet sandbox report\n");

/// Fills an empty world.
pub(crate) fn fill(inner: &mut Inner, now: Timestamp) {
    let issuers =
        [(GITHUB_ISSUER, AUDIENCE), (CLUSTER_ISSUER, AUDIENCE), (SVID_ISSUER, AUDIENCE), (AZURE_ISSUER, AZURE_CLIENT)];
    for (url, client_id) in issuers {
        let provider = OidcProvider {
            account: ACCOUNT.to_owned(),
            url: url.to_owned(),
            client_ids: vec![client_id.to_owned()],
            thumbprints: Vec::new(),
        };
        inner.provider_dates.insert(provider.arn(), now);
        inner.providers.insert(provider);
    }
    inner.disabled_regions = BTreeSet::from([DISABLED_REGION.to_owned()]);
    let reads = |more: &[Value]| {
        let mut statements = vec![json!({
            "Effect": "Allow",
            "Action": ["s3:ListAllMyBuckets", "s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"],
            "Resource": "*",
        })];
        statements.extend_from_slice(more);
        json!({ "Version": "2012-10-17", "Statement": statements })
    };
    let token = json!({ "Effect": "Allow", "Action": ["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"], "Resource": "*" });
    let next = json!({ "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Resource": NEXT_ROLE });
    let write = json!({ "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::carnet-reports/*" });
    add(inner, ROLE, "AROACARNETSANDBOX2345", &reader_trust(), &reads(&[token.clone(), next.clone()]), now);
    add(inner, NEXT_ROLE, "AROACARNETSANDBOX2346", &next_trust(), &reads(&[write]), now);
    add(inner, MACHINE_ROLE, MACHINE_ROLE_ID, &machine_trust(), &reads(&[token, next]), now);
    add(inner, CERTIFICATE_ROLE, "AROACARNETSANDBOX2322", &certificate_trust(), &reads(&[]), now);
    // A test shows that it is accepted, as those of the roles; one that is not would simply grant nothing.
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let policy = PolicyDocument::parse(all).unwrap_or_default();
    let id = "AIDACARNETSANDBOX2345".to_owned();
    inner.users.insert(USER.to_owned(), User { policy });
    inner.accesses.keep(Access {
        key_id: ACCESS_KEY_ID.to_owned(),
        secret: Secret::new(SECRET_ACCESS_KEY),
        temporary: None,
        principal: Principal::User { name: USER.to_owned(), id },
    });
    let (namespace, account) = SERVICE_ACCOUNT;
    let key = (CLUSTER.to_owned(), namespace.to_owned(), account.to_owned());
    let association = Association { id: "a-ca12e70000000001".to_owned(), role_arn: ROLE.to_owned() };
    inner.associations.insert(key, association);
    for name in BUCKETS {
        let mut bucket = Bucket::new(REGION, now);
        if name == "carnet-reports" {
            bucket
                .objects
                .insert(OBJECT.0.to_owned(), Object::new(OBJECT.1.as_bytes().to_vec().into(), "text/plain", now));
        }
        inner.buckets.insert(name.to_owned(), bucket);
    }
}

fn add(inner: &mut Inner, arn: &str, id: &str, trust: &Value, permissions: &Value, now: Timestamp) {
    let (document, permissions) = (trust.to_string(), permissions.to_string());
    let (Ok(trust), Ok(policy)) = (TrustPolicy::parse(&document), PolicyDocument::parse(&permissions)) else { return };
    let role = Role::new(arn, trust);
    let entry = RoleEntry {
        id: id.to_owned(),
        path: "/carnet/".to_owned(),
        document,
        description: String::new(),
        created: now,
        policies: BTreeMap::from([("carnet".to_owned(), (permissions, policy))]),
        role,
    };
    inner.roles.insert(entry.role.name().to_ascii_lowercase(), entry);
}

/// Jobs of the repository, the service account, the workload and a machine of Azure by web identity, and pods by pod identity.
fn reader_trust() -> Value {
    let provider = |issuer: &str| {
        format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", issuer.strip_prefix("https://").unwrap_or(issuer))
    };
    let key = |issuer: &str, claim: &str| format!("{}:{claim}", issuer.strip_prefix("https://").unwrap_or(issuer));
    let (namespace, account) = SERVICE_ACCOUNT;
    let actions = json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]);
    json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "Jobs", "Effect": "Allow", "Principal": { "Federated": provider(GITHUB_ISSUER) }, "Action": actions,
          "Condition": {
            "StringEquals": { key(GITHUB_ISSUER, "aud"): AUDIENCE },
            "StringLike": { key(GITHUB_ISSUER, "sub"): format!("repo:{REPOSITORY}:*") } } },
        { "Sid": "ServiceAccount", "Effect": "Allow", "Principal": { "Federated": provider(CLUSTER_ISSUER) },
          "Action": actions,
          "Condition": { "StringEquals": {
            key(CLUSTER_ISSUER, "aud"): AUDIENCE,
            key(CLUSTER_ISSUER, "sub"): format!("system:serviceaccount:{namespace}:{account}") } } },
        { "Sid": "Workload", "Effect": "Allow", "Principal": { "Federated": provider(SVID_ISSUER) }, "Action": actions,
          "Condition": { "StringEquals": {
            key(SVID_ISSUER, "aud"): AUDIENCE,
            key(SVID_ISSUER, "sub"): WORKLOAD } } },
        { "Sid": "Machine", "Effect": "Allow", "Principal": { "Federated": provider(AZURE_ISSUER) }, "Action": actions,
          "Condition": { "StringEquals": {
            key(AZURE_ISSUER, "aud"): AZURE_CLIENT,
            key(AZURE_ISSUER, "sub"): AZURE_PRINCIPAL } } },
        { "Sid": "Pods", "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
          "Action": ["sts:AssumeRole", "sts:TagSession"] },
    ] })
}

fn next_trust() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": [ROLE, MACHINE_ROLE, format!("arn:aws:iam::{ACCOUNT}:root")] },
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": { "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
    }] })
}

fn machine_trust() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"] },
        "Action": "sts:AssumeRole",
    }] })
}

fn certificate_trust() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "rolesanywhere.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": { "StringLike": { "aws:PrincipalTag/x509SAN/URI": "spiffe://*/app" } },
    }] })
}
