//! The rows: what each must be.

/// A crossing: its name, its hops, a part of the principal, the host that is called.
pub(super) type Crossing = (&'static str, &'static [&'static str], &'static str, &'static str);

const OBJECT_STORAGE: &str = "https://objectstorage.us-ashburn-1.oraclecloud.com/";
const CLOUD_STORAGE: &str = "https://storage.googleapis.com/";
const SERVICE_USER: &str = "ocid1.user.oc1..aaaaaaaacarnetsandboxservice";
/// The object id of the application at Entra.
const APPLICATION: &str = "c0ffee00-0000-4000-8000-00000000b003";
/// The authority of the demo's own trust domain, by the name that the emulated clouds know.
const AUTHORITY: &str = "https://authority.demo.test/";
const POD: &str = "spiffe://demo.test/ns/shop/sa/checkout";
const JOB: &str = "spiffe://demo.test/github/710000001/build";

pub(super) const CROSSINGS: &[Crossing] = &[
    (
        "GitHub JWT to UPST to object storage",
        &["source github-actions jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "GitLab JWT to RPST, claims used in a policy",
        &["source gitlab-ci jwt", "exchange oci-rpst oci-session"],
        "project_path:carnet-sandbox/app:ref_type:branch:ref:main",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `eq`: the deployment user",
        &["source file jwt", "exchange oci-upst oci-session"],
        "ocid1.user.oc1..aaaaaaaacarnetsandboxdeploy",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `co`: the deployment user",
        &["source file jwt", "exchange oci-upst oci-session"],
        "ocid1.user.oc1..aaaaaaaacarnetsandboxdeploy",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `eq` with `*`: the CI user",
        &["source file jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "instance principal to identity domain to Google to buckets",
        &["source oci-instance oci-session", "exchange oci-domain jwt", "exchange gcp access-token"],
        "workloadIdentityPools/oracle/subject/ocid1.instance.",
        CLOUD_STORAGE,
    ),
    (
        "resource principal to identity domain to Google, impersonating",
        &["source oci-resource oci-session", "exchange oci-domain jwt", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "the same through an external_account file",
        &["source oci-resource oci-session", "exchange oci-domain jwt", "source file jwt", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "GitHub JWT to Google, no service account",
        &["source github-actions jwt", "exchange gcp access-token"],
        "workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main",
        CLOUD_STORAGE,
    ),
    (
        "GitHub JWT to Entra to a blob",
        &["source github-actions jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    (
        "GitHub JWT to Vault to a secret",
        &["source github-actions jwt", "exchange vault access-token"],
        "repo:carnet-sandbox/app:ref:refs/heads/main",
        "http://127.0.0.1:",
    ),
    (
        "GitHub JWT to an AWS role to buckets",
        &["source github-actions jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "GitHub JWT to an AWS role to the role behind it",
        &["source github-actions jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/writer/",
        S3,
    ),
    ("GitHub JWT to Claude", PARTY, "svac_job", "https://api.anthropic.com"),
    ("GitHub JWT to OpenAI", PARTY, "sa_job", "https://api.openai.com"),
    ("GitHub JWT to OpenRouter", PARTY, "job of carnet-sandbox", "https://openrouter.ai"),
    ("GitHub JWT to Tailscale", PARTY, "tag:job", "https://api.tailscale.com"),
    (
        "Azure machine to an Entra application to a blob",
        &["source azure-identity jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    (
        "AWS machine to buckets",
        &["source aws-identity aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/machine/",
        S3,
    ),
    ("JWT-SVID to Entra to a blob", &["source spiffe jwt", "exchange entra access-token"], APPLICATION, BLOBS),
    (
        "JWT-SVID to Vault to a secret",
        &["source spiffe jwt", "exchange vault access-token"],
        "spiffe://demo.test/app",
        "http://127.0.0.1:",
    ),
    (
        "JWT-SVID to an AWS role to buckets",
        &["source spiffe jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "AWS machine to UPST to object storage",
        &["source aws-identity aws-keys", "exchange aws-web-identity-token jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "Azure machine to UPST to object storage",
        &["source azure-identity jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "Google machine to UPST to object storage",
        &["source gcp-metadata jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "AWS machine to Google by a signed request",
        &["source aws-identity aws-keys", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "AWS machine to Vault to a secret",
        &["source aws-identity aws-keys", "exchange aws-web-identity-token jwt", "exchange vault access-token"],
        "arn:aws:iam::123456789012:role/carnet/machine",
        "http://127.0.0.1:",
    ),
    (
        "Azure machine to an AWS role to buckets",
        &["source azure-identity jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "Google machine to Entra to a blob",
        &["source gcp-metadata jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    ("Kubernetes pod to Claude", POD_TO_PARTY, "svac_pod", "https://api.anthropic.com"),
    ("Kubernetes pod to OpenAI", POD_TO_PARTY, "sa_pod", "https://api.openai.com"),
    ("Kubernetes pod to Tailscale", POD_TO_PARTY, "tag:pod", "https://api.tailscale.com"),
    ("Kubernetes pod to Databricks", POD_TO_PARTY, "pod of carnet-sandbox", "https://demo.cloud.databricks.com"),
    ("unix process to JWT-SVID", &["source spiffe jwt"], "spiffe://demo.test/user/", AUTHORITY),
    ("unix process to X509-SVID", &["source spiffe x509"], "spiffe://demo.test/user/", AUTHORITY),
    ("simulated pod to JWT-SVID", &["source spiffe jwt"], POD, AUTHORITY),
    ("simulated pod to X509-SVID", &["source spiffe x509"], POD, AUTHORITY),
    ("GitHub JWT to JWT-SVID by RFC 8693", &["source github-actions jwt", "exchange carnet jwt"], JOB, AUTHORITY),
    ("GitHub JWT to X509-SVID by RFC 8693", &["source github-actions jwt", "exchange carnet x509"], JOB, AUTHORITY),
    (ROTATION, &["source github-actions jwt", "exchange carnet jwt"], JOB, AUTHORITY),
    ("OKE admin pod makes a bucket", OKE, WORKLOAD, OBJECT_STORAGE),
    ("OKE admin pod lists buckets", OKE, WORKLOAD, OBJECT_STORAGE),
    ("OKE viewer pod lists buckets", OKE, WORKLOAD, OBJECT_STORAGE),
    (
        "OKE pod to Google, impersonating",
        &["source oci-oke oci-session", "exchange oci-domain jwt", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "OKE pod to Vault to a secret",
        &["source kubernetes jwt", "exchange vault access-token"],
        "system:serviceaccount:example:admin",
        "http://127.0.0.1:",
    ),
    ("OCI user to an access token, counted down", USER_TO_AUTHORITY, USER, AUTHORITY),
    ("OCI instance to an access token, counted down", INSTANCE_TO_AUTHORITY, INSTANCE, AUTHORITY),
    ("OCI user's access token in its network", USER_TO_AUTHORITY, USER, AUTHORITY),
    ("OCI instance's access token in its network", INSTANCE_TO_AUTHORITY, INSTANCE, AUTHORITY),
    ("OCI user's access token, renewed", USER_TO_AUTHORITY, USER, AUTHORITY),
    ("OCI instance's access token, renewed", INSTANCE_TO_AUTHORITY, INSTANCE, AUTHORITY),
    ("OCI instance to a stateless access token", INSTANCE_TO_AUTHORITY, INSTANCE, AUTHORITY),
    (
        "OKE pod to an access token",
        &["source oci-oke oci-session", "exchange carnet access-token"],
        "spiffe://demo.test/oke/admin",
        AUTHORITY,
    ),
    (
        "AWS machine to an access token",
        &["source aws-identity aws-keys", "exchange carnet access-token"],
        "spiffe://demo.test/aws/machine",
        AUTHORITY,
    ),
    (
        "OCI user to Infisical to a secret",
        &["source oci-config oci-api-key", "exchange infisical access-token"],
        IDENTITY,
        "http://127.0.0.1:",
    ),
    (
        "OKE pod to Infisical to a secret",
        &["source kubernetes jwt", "exchange infisical access-token"],
        IDENTITY,
        "http://127.0.0.1:",
    ),
];

const PARTY: &[&str] = &["source github-actions jwt", "exchange relying-party access-token"];
/// What the OCIDs of workloads of the cluster `prod` begin with.
const WORKLOAD: &str = "ocid1.workload.oc1.iad.cprod000001.";
/// The machine identity at Infisical.
const IDENTITY: &str = "1f15ca10-0000-4000-8000-000000000001";
const USER: &str = "spiffe://demo.test/oci/user";
const INSTANCE: &str = "spiffe://demo.test/oci/instance";
const OKE: &[&str] = &["source oci-oke oci-session"];
const USER_TO_AUTHORITY: &[&str] = &["source oci-config oci-api-key", "exchange carnet access-token"];
const INSTANCE_TO_AUTHORITY: &[&str] = &["source oci-instance oci-session", "exchange carnet access-token"];
const POD_TO_PARTY: &[&str] = &["source file jwt", "exchange relying-party access-token"];
const BLOBS: &str = "https://carnetsandbox.blob.core.windows.net/logs";
const S3: &str = "https://s3.eu-central-1.amazonaws.com";
pub(super) const ROTATION: &str = "GitHub JWT to JWT-SVID while keys rotate";

/// A refusal: its name, the clause that must fail, the client's exit code.
pub(super) const REFUSALS: &[(&str, &str, i64)] = &[
    ("wrong audience, at Google", "audience", 4),
    ("wrong audience, at OCI", "audience", 4),
    ("wrong subject", "subject", 4),
    ("a stranger at the same issuer", "claim-validation", 4),
    ("expired", "expired", 4),
    ("wrong key", "signature", 4),
    ("tampered", "signature", 4),
    ("replayed signed request", "replay", 4),
    ("clock skew", "date", 6),
    ("denied by policy", "policy", 4),
    ("another repository, at Entra", "subject", 4),
    ("another repository, at Vault", "bound-claims", 7),
    ("another repository, at AWS", "condition", 7),
    ("the neighbour's secret, at Vault", "policy", 4),
    ("the neighbour's secret, with a JWT-SVID", "policy", 4),
    ("another workload's JWT-SVID, at Entra", "subject", 4),
    ("another workload's JWT-SVID, at Vault", "subject", 4),
    ("another workload's JWT-SVID, at AWS", "condition", 7),
    ("JWT-SVID for another audience, at Entra", "audience", 4),
    ("JWT-SVID for another audience, at Vault", "audience", 4),
    ("JWT-SVID for another audience, at AWS", "audience", 4),
    ("JWT-SVID signed with an elliptic curve, at Entra", "algorithm", 4),
    ("another role of AWS, at OCI", "subject", 4),
    ("another managed identity of Azure, at OCI", "subject", 4),
    ("Google's token for another audience, at OCI", "audience", 4),
    ("another role of AWS, at Google", "permission", 4),
    ("another role of AWS, at Vault", "subject", 4),
    ("another managed identity of Azure, at AWS", "audience", 4),
    ("Google's token for another audience, at Entra", "audience", 4),
    ("another service account of the cluster, at Claude", "subject", 4),
    ("a pod's token for another party, at OpenAI", "audience", 4),
    ("OKE viewer pod makes a bucket", "condition", 4),
    ("an OKE pod of the same name in another cluster", "condition", 7),
    ("a pod's token at another cluster's proxymux", "token", 4),
    ("an OKE pod that may make no tokens", "rbac", 7),
    ("a pod of a basic OKE cluster", "cluster-type", 7),
    ("another pod of the cluster, at Vault", "subject", 7),
    ("a pod's token for another party, at Infisical", "review", 4),
    ("an AWS machine that is not allowed, at Infisical", "principal", 7),
    ("wrong audience, at the authority", "audience", 4),
    ("wrong repository claim", "claims", 4),
    ("expired, at the authority", "expired", 4),
    ("forged signature", "signature", 4),
    ("unknown kid", "key", 4),
    ("single-use token used twice", "single-use", 4),
    ("certificate request with a foreign SPIFFE ID", "csr-identity", 4),
    ("a process asks for the identity of another entry", "entry", 3),
    ("a process outside of the simulated pod", "entry", 3),
    ("OCI user's access token, used once more", "uses", 4),
    ("OCI instance's access token, used once more", "uses", 4),
    ("OCI user's access token in a foreign network", "network", 4),
    ("OCI instance's access token in a foreign network", "network", 4),
    ("OCI user's access token after its renewal", "revoked", 4),
    ("OCI instance's access token after its renewal", "revoked", 4),
    ("OCI user's access token, revoked", "revoked", 4),
    ("OCI instance's access token, revoked", "revoked", 4),
    ("a stateless access token, revoked", "revoked", 4),
    ("a login by signed request, recorded and sent again", "replay", 4),
    ("a login by signed request for another authority", "audience", 4),
    ("a login by signed request for another rule", "rule", 4),
    ("a login by signed request, sent for another host", "host", 4),
    ("a login by signed request of six minutes ago", "date", 4),
    ("a login in the name of somebody else", "signer", 4),
    ("a login by signed request, bent on its way", "signature", 4),
];
