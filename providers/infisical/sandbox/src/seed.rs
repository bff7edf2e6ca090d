//! What is there when the sandbox starts, under names that never change.

use std::collections::{BTreeMap, BTreeSet};

use carnet_core::Secret;
use carnet_infisical::trust::{
    AwsAuth, ClientSecret, GcpAuth, KubernetesAuth, Method, OciAuth, OidcAuth, TokenSettings, UniversalAuth,
};

use crate::state::{Environment, Folder, Identity, Organization, Project, Role, State, StoredSecret, StoredValue};

/// Slug of the organisation.
pub const ORGANIZATION: &str = "carnet-sandbox";
/// Slug of the organisation below it, which [`IDENTITY`] may enter.
pub const SUB_ORGANIZATION: &str = "platform";
/// The identity of jobs, machines and users: OIDC, OCI, AWS, GCP and Kubernetes Auth. A viewer of the project.
pub const IDENTITY: &str = "1f15ca10-0000-4000-8000-000000000001";
/// The identity of a worker that has a client secret. No member of the project.
pub const WORKER: &str = "1f15ca10-0000-4000-8000-000000000002";
/// Client id of the worker.
pub const WORKER_CLIENT_ID: &str = "1f15ca10-0000-4000-8000-0000000000c2";
/// Client secret of the worker. No secret: everybody who has the sandbox has it.
pub const WORKER_CLIENT_SECRET: &str = "carnet-sandbox-not-a-client-secret-of-the-worker";
/// The identity that may change identities and projects.
pub const ADMIN: &str = "1f15ca10-0000-4000-8000-000000000003";
/// Client id of the administrator.
pub const ADMIN_CLIENT_ID: &str = "1f15ca10-0000-4000-8000-0000000000c3";
/// Client secret of the administrator, as [`WORKER_CLIENT_SECRET`].
pub const ADMIN_CLIENT_SECRET: &str = "carnet-sandbox-not-a-client-secret-of-the-admin";
/// The issuer whose tokens OIDC Auth takes.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// What their `aud` must be.
pub const AUDIENCE: &str = "infisical";
/// The repository whose jobs log in.
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// The tenancy whose users log in: that of the emulated OCI.
pub const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaacarnetsandboxtenancy0000000000000000000000000000000001";
/// The name of the user that logs in.
pub const OCI_USER_NAME: &str = "admin@carnet-sandbox.example";
/// The account whose principals log in: that of the emulated AWS.
pub const AWS_ACCOUNT: &str = "123456789012";
/// The principals of it that do.
pub const AWS_PRINCIPALS: &str = "arn:aws:iam::123456789012:user/builder, arn:aws:iam::123456789012:role/reader";
/// The service accounts that log in: those of one project.
pub const GCP_SERVICE_ACCOUNTS: &str = "reader@carnet-sandbox.iam.gserviceaccount.com";
/// The API server that reviews tokens of service accounts: that of the emulated cluster `prod`.
pub const KUBERNETES_HOST: &str = "https://prod.kubernetes.carnet-sandbox.example";
/// Bearer token that may create reviews there.
pub const KUBERNETES_REVIEWER: &str = "carnet-sandbox-prod-reviewer";
/// Namespace and name of the service account that logs in, with tokens for [`AUDIENCE`].
pub const SERVICE_ACCOUNT: (&str, &str) = ("example", "admin");
/// The project.
pub const PROJECT: &str = "1f15ca10-0000-4000-8000-0000000000d1";
/// Its slug.
pub const PROJECT_SLUG: &str = "app";
/// The environment that has secrets.
pub const ENVIRONMENT: &str = "prod";
/// Secrets by folder, name and value. `/` imports `/shared`.
pub const SECRETS: [(&str, &str, &str); 4] = [
    ("/", "DB_PASSWORD", "sandbox"),
    ("/", "DB_URL", "postgres://app:${DB_PASSWORD}@${prod.shared.DB_HOST}/app"),
    ("/shared", "DB_HOST", "db.carnet-sandbox.example"),
    ("/shared", "DB_PASSWORD", "of-the-import"),
];

/// Seconds that a token lives, and that renewals cannot pass.
const LIFE: (i64, i64) = (3600, 7200);

/// Fills a new server.
pub(crate) fn fill(state: &State) {
    let organization = state.uuid();
    let below: (String, BTreeSet<String>) = (state.uuid(), [IDENTITY.to_owned()].into());
    let worker = with_secret(state, "worker", WORKER_CLIENT_ID, WORKER_CLIENT_SECRET);
    let admin = Identity { admin: true, ..with_secret(state, "admin", ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET) };
    let project = project(state);
    let mut inner = state.lock();
    inner.organization = Organization {
        id: organization,
        slug: ORGANIZATION.to_owned(),
        below: [(SUB_ORGANIZATION.to_owned(), below)].into(),
    };
    for (id, identity) in [(IDENTITY, app()), (WORKER, worker), (ADMIN, admin)] {
        inner.identities.insert(id.to_owned(), identity);
    }
    inner.projects.insert(PROJECT.to_owned(), project);
}

fn settings() -> TokenSettings {
    let (access_token_ttl, access_token_max_ttl) = LIFE;
    TokenSettings { access_token_ttl, access_token_max_ttl, ..TokenSettings::default() }
}

fn app() -> Identity {
    let oidc = OidcAuth {
        token: settings(),
        oidc_discovery_url: GITHUB_ISSUER.to_owned(),
        bound_issuer: GITHUB_ISSUER.to_owned(),
        bound_audiences: AUDIENCE.to_owned(),
        bound_claims: BTreeMap::from([("repository".to_owned(), REPOSITORY.to_owned())]),
        ..OidcAuth::default()
    };
    let oci = OciAuth {
        token: settings(),
        tenancy_ocid: TENANCY.to_owned(),
        allowed_usernames: Some(OCI_USER_NAME.to_owned()),
    };
    let aws = AwsAuth {
        token: settings(),
        allowed_account_ids: AWS_ACCOUNT.to_owned(),
        allowed_principal_arns: AWS_PRINCIPALS.to_owned(),
        ..AwsAuth::default()
    };
    let gcp =
        GcpAuth { token: settings(), allowed_service_accounts: GCP_SERVICE_ACCOUNTS.to_owned(), ..GcpAuth::default() };
    let kubernetes = KubernetesAuth {
        token: settings(),
        kubernetes_host: KUBERNETES_HOST.to_owned(),
        token_reviewer_jwt: Some(Secret::new(KUBERNETES_REVIEWER)),
        allowed_namespaces: SERVICE_ACCOUNT.0.to_owned(),
        allowed_names: SERVICE_ACCOUNT.1.to_owned(),
        allowed_audience: AUDIENCE.to_owned(),
        ..KubernetesAuth::default()
    };
    let methods =
        [Method::Oidc(oidc), Method::Oci(oci), Method::Aws(aws), Method::Gcp(gcp), Method::Kubernetes(kubernetes)];
    let methods = methods.into_iter().map(|method| (method.name(), method)).collect();
    Identity { name: "app".to_owned(), methods, ..Identity::default() }
}

fn with_secret(state: &State, name: &str, client_id: &str, client_secret: &str) -> Identity {
    let method = Method::Universal(UniversalAuth { token: settings(), ..UniversalAuth::default() });
    let about = ClientSecret { created: state.now(), ttl: 0, uses: 0, uses_limit: 0 };
    let secret = StoredSecret::new(state.uuid(), &Secret::new(client_secret), about);
    Identity {
        name: name.to_owned(),
        methods: [(method.name(), method)].into(),
        client_id: client_id.to_owned(),
        client_secrets: vec![secret],
        ..Identity::default()
    }
}

fn project(state: &State) -> Project {
    let now = state.now();
    let mut environment = Environment::new("Production", state.uuid());
    for (path, name, value) in SECRETS {
        let stored = StoredValue {
            id: state.uuid(),
            value: Secret::new(value),
            comment: String::new(),
            version: 1,
            created: now,
            updated: now,
        };
        let folder = environment.folders.entry(path.to_owned());
        let folder = folder.or_insert_with(|| Folder { id: state.uuid(), ..Folder::default() });
        folder.secrets.insert(name.to_owned(), stored);
    }
    if let Some(root) = environment.folders.get_mut("/") {
        root.imports.push((ENVIRONMENT.to_owned(), "/shared".to_owned()));
    }
    Project {
        name: "app".to_owned(),
        slug: PROJECT_SLUG.to_owned(),
        environments: [(ENVIRONMENT.to_owned(), environment)].into(),
        members: [(IDENTITY.to_owned(), Role::Viewer)].into(),
    }
}
