//! What is there when the sandbox starts.

use std::collections::BTreeMap;

use carnet_gcp::trust::{Aws, Binding, CheckedProvider, Oidc, Policy, Pool, Provider};
use jiff::Timestamp;

use crate::state::{Account, Bucket, Inner, PoolEntry};

/// The project.
pub const PROJECT: &str = "carnet-sandbox";
/// Its number.
pub const PROJECT_NUMBER: &str = "123456789012";
/// The service account that workloads become.
pub const READER: &str = "reader@carnet-sandbox.iam.gserviceaccount.com";
/// The service account of the virtual machine that the metadata server is of; it may set things up.
pub const BUILDER: &str = "builder@carnet-sandbox.iam.gserviceaccount.com";
/// The pool for workloads of OCI, and its provider.
pub const ORACLE: &str = "oracle";
/// The pool for GitHub's jobs, and its provider.
pub const GITHUB: &str = "github";
/// The pool for machines of AWS, and its provider.
pub const MACHINES: &str = "machines";
/// The account of the provider [`MACHINES`].
pub const AWS_ACCOUNT: &str = "123456789012";
/// Sessions of this role of it become [`READER`].
pub const AWS_ROLE: &str = "arn:aws:sts::123456789012:assumed-role/machine";
/// The issuer of the provider [`ORACLE`]: the sandbox's identity domain.
pub const ORACLE_ISSUER: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
/// The issuer of the provider [`GITHUB`].
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The repository whose jobs may list buckets without a service account.
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// The id of that repository's owner: a name can be given up and taken by somebody else, an id cannot.
pub const OWNER_ID: &str = "71000000";
/// The instance of OCI that may list buckets without a service account: the subject of its identity-domain token.
pub const ORACLE_INSTANCE: &str = "ocid1.instance.oc1.iad.anuwcljtcarnetsandboxinstance000000000000000000000000000001";
/// The buckets.
pub const BUCKETS: [&str; 2] = ["carnet-logs", "carnet-reports"];
/// An object in `carnet-reports`, and what is in it.
pub const OBJECT: (&str, &str) = ("2026/11/report.txt", "carnet sandbox report\n");
/// Where the virtual machine is.
pub const ZONE: &str = "us-central1-a";
/// Its name.
pub const INSTANCE: &str = "carnet-builder";
/// Its id.
pub const INSTANCE_ID: u64 = 4_520_031_799_277_581_759;

/// The audience of an exchange with this provider of the pool of the same name.
pub fn audience(pool: &str) -> String {
    format!("//iam.googleapis.com/{}/providers/{pool}", pool_name(pool))
}

fn pool_name(pool: &str) -> String {
    format!("projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{pool}")
}

fn pool_members(pool: &str, which: &str) -> String {
    format!("principalSet://iam.googleapis.com/{}/{which}", pool_name(pool))
}

/// Fills an empty world.
pub(crate) fn fill(inner: &mut Inner, now: Timestamp) {
    inner.pools.insert(ORACLE.to_owned(), pool("Workloads of OCI", ORACLE, oracle()));
    inner.pools.insert(GITHUB.to_owned(), pool("Jobs of GitHub Actions", GITHUB, github()));
    inner.pools.insert(MACHINES.to_owned(), pool("Machines of AWS", MACHINES, machines()));
    inner.accounts.insert(READER.to_owned(), Account::new("108642097531864209753", "Reads reports"));
    inner.accounts.insert(BUILDER.to_owned(), Account::new("107531864209753186420", "Sets things up"));
    let reader = format!("serviceAccount:{READER}");
    let builder = format!("serviceAccount:{BUILDER}");
    inner.account_policies.insert(
        READER.to_owned(),
        policy(&[(
            "roles/iam.workloadIdentityUser",
            &[
                pool_members(ORACLE, "*"),
                pool_members(GITHUB, "*"),
                pool_members(MACHINES, &format!("attribute.aws_role/{AWS_ROLE}")),
            ],
        )]),
    );
    inner.account_policies.insert(BUILDER.to_owned(), policy(&[]));
    let jobs = pool_members(GITHUB, &format!("attribute.repository/{REPOSITORY}"));
    let instance = format!("principal://iam.googleapis.com/{}/subject/{ORACLE_INSTANCE}", pool_name(ORACLE));
    let only_builder = std::slice::from_ref(&builder);
    inner.project_policy = policy(&[
        ("roles/iam.serviceAccountAdmin", only_builder),
        ("roles/iam.workloadIdentityPoolAdmin", only_builder),
        ("roles/resourcemanager.projectIamAdmin", only_builder),
        ("roles/storage.admin", only_builder),
        ("roles/storage.bucketViewer", &[reader.clone(), jobs, instance]),
        ("roles/storage.objectViewer", &[reader]),
    ]);
    for name in BUCKETS {
        let mut bucket = Bucket::new(now);
        if name == "carnet-reports" {
            bucket.put(OBJECT.0, "text/plain", OBJECT.1.as_bytes().to_vec().into(), 1, now);
        }
        inner.buckets.insert(name.to_owned(), bucket);
    }
}

fn pool(display_name: &str, id: &str, provider: Provider) -> PoolEntry {
    let pool = Pool { display_name: display_name.to_owned(), ..Pool::default() };
    // A test shows that both are accepted; a provider that is not would simply be missing.
    let checked = CheckedProvider::new(id, provider).ok();
    let providers = checked.map(|checked| (id.to_owned(), checked)).into_iter().collect();
    PoolEntry { pool, providers, policy: Policy::default() }
}

fn oracle() -> Provider {
    Provider {
        attribute_mapping: mapping(&[("google.subject", "assertion.sub")]),
        oidc: Some(Oidc {
            issuer_uri: ORACLE_ISSUER.to_owned(),
            allowed_audiences: vec![ORACLE_ISSUER.to_owned()],
            ..Oidc::default()
        }),
        ..Provider::default()
    }
}

fn github() -> Provider {
    Provider {
        attribute_mapping: mapping(&[
            ("google.subject", "assertion.sub"),
            ("attribute.repository", "assertion.repository"),
        ]),
        attribute_condition: format!("assertion.repository_owner_id == '{OWNER_ID}'"),
        oidc: Some(Oidc { issuer_uri: GITHUB_ISSUER.to_owned(), ..Oidc::default() }),
        ..Provider::default()
    }
}

fn machines() -> Provider {
    Provider { aws: Some(Aws { account_id: AWS_ACCOUNT.to_owned() }), ..Provider::default() }
}

fn mapping(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, source)| ((*key).to_owned(), (*source).to_owned())).collect()
}

fn policy(bindings: &[(&str, &[String])]) -> Policy {
    let bindings = bindings
        .iter()
        .map(|(role, members)| Binding { role: (*role).to_owned(), members: members.to_vec(), condition: None })
        .collect();
    Policy { version: 1, bindings, etag: "BwYyAAAAAAE=".to_owned() }
}
