//! What is there when the sandbox starts.

use std::collections::BTreeMap;

use carnet_azure::trust::{ClaimsMatching, ClientKind, DEFAULT_AUDIENCE, FederatedCredential};
use jiff::Timestamp;

use crate::{
    directory::{Application, Identity, Principal, Registration},
    roles::{self, Assignment},
    state::{Account, Blob, Container, Group, Inner},
};

/// The tenant.
pub const TENANT: &str = "c0ffee00-0000-4000-8000-00000000a001";
/// Its domain name.
pub const DOMAIN: &str = "carnetsandbox.onmicrosoft.com";
/// The subscription.
pub const SUBSCRIPTION: &str = "c0ffee00-0000-4000-8000-00000000a002";
/// The resource group.
pub const GROUP: &str = "carnet-sandbox";
/// Where everything is.
pub const LOCATION: &str = "westeurope";
/// The storage account.
pub const ACCOUNT: &str = "carnetsandbox";
/// Its containers.
pub const CONTAINERS: [&str; 2] = ["logs", "reports"];
/// A blob in `reports`, and what is in it.
pub const BLOB: (&str, &str) = ("2026/11/report.txt", "carnet sandbox report\n");
/// Client id of the application that jobs become; it reads and writes blobs.
pub const APPLICATION: &str = "c0ffee00-0000-4000-8000-00000000b001";
/// Object id of the application.
pub const APPLICATION_OBJECT: &str = "c0ffee00-0000-4000-8000-00000000b002";
/// Object id of its service principal.
pub const APPLICATION_PRINCIPAL: &str = "c0ffee00-0000-4000-8000-00000000b003";
/// Name of the user-assigned identity that workloads become; it reads blobs.
pub const IDENTITY: &str = "reader";
/// Its client id.
pub const IDENTITY_CLIENT: &str = "c0ffee00-0000-4000-8000-00000000c001";
/// Its object id.
pub const IDENTITY_PRINCIPAL: &str = "c0ffee00-0000-4000-8000-00000000c002";
/// The virtual machine whose own identity may set things up.
pub const MACHINE: &str = "carnet-builder";
/// Its client id.
pub const MACHINE_CLIENT: &str = "c0ffee00-0000-4000-8000-00000000d001";
/// Its object id.
pub const MACHINE_PRINCIPAL: &str = "c0ffee00-0000-4000-8000-00000000d002";
/// What the endpoint of App Service wants in `X-IDENTITY-HEADER`. Good for tokens of this sandbox and nothing else.
pub const IDENTITY_HEADER: &str = "carnet-sandbox-identity-header";
/// GitHub's issuer.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The subject of a job that the identity trusts.
pub const GITHUB_SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";
/// GitLab's issuer.
pub const GITLAB_ISSUER: &str = "https://gitlab.com";
/// The subject of GitLab's jobs.
pub const GITLAB_SUBJECT: &str = "project_path:carnet-sandbox/app:ref_type:branch:ref:main";
/// Issuer of the identity tokens of Google's machines.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";
/// Unique id of the service account whose machines become the application.
pub const GOOGLE_ACCOUNT: &str = "107531864209753186420";
/// Issuer of JWT-SVIDs: an authority of the sandbox's owner, as `carnet demo` has one. Nobody answers there otherwise.
pub const SVID_ISSUER: &str = "https://authority.demo.test";
/// The workload that becomes the application by its JWT-SVID.
pub const WORKLOAD: &str = "spiffe://demo.test/app";

/// The issuer of the tenant's own tokens, second version.
pub fn own_issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

/// `/subscriptions/…/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME`.
pub fn resource(group: &str, rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{rest}")
}

/// Resource Manager's id of the user-assigned identity.
pub fn identity() -> String {
    resource(GROUP, &format!("Microsoft.ManagedIdentity/userAssignedIdentities/{IDENTITY}"))
}

/// Resource Manager's id of the storage account.
pub fn account() -> String {
    resource(GROUP, &format!("Microsoft.Storage/storageAccounts/{ACCOUNT}"))
}

/// Fills an empty world.
pub(crate) fn fill(inner: &mut Inner, now: Timestamp) {
    let group = Group { name: GROUP.to_owned(), location: LOCATION.to_owned(), tags: serde_json::Map::new() };
    inner.groups.insert(GROUP.to_owned(), group);
    inner.accounts.insert(ACCOUNT.to_owned(), storage(now));
    inner.attached = vec![MACHINE_CLIENT.to_owned(), IDENTITY_CLIENT.to_owned()];
    for principal in [application(now), user_assigned(), machine()] {
        inner.directory.put(principal);
    }
    let (subscription, account) = (format!("/subscriptions/{SUBSCRIPTION}"), account());
    for (number, (scope, role, principal)) in [
        (subscription.as_str(), roles::OWNER, MACHINE_PRINCIPAL),
        (subscription.as_str(), roles::BLOB_OWNER, MACHINE_PRINCIPAL),
        (account.as_str(), roles::BLOB_CONTRIBUTOR, APPLICATION_PRINCIPAL),
        (account.as_str(), roles::BLOB_READER, IDENTITY_PRINCIPAL),
    ]
    .into_iter()
    .enumerate()
    {
        inner.assignments.put(Assignment {
            name: format!("c0ffee00-0000-4000-8000-00000000e{number:03}"),
            scope: scope.to_owned(),
            role: role.to_owned(),
            principal: principal.to_owned(),
            principal_type: "ServicePrincipal".to_owned(),
            conditional: false,
            // From the beginning, whatever the delay is switched to.
            created: Timestamp::UNIX_EPOCH,
        });
    }
}

fn application(now: Timestamp) -> Principal {
    let names = ["github-main", "gitlab", "machine", "workload", "google-machine"];
    let ids = (0_u32..).map(|number| format!("c0ffee00-0000-4000-8000-00000000f{number:03}"));
    let registration = Registration::Application(Application {
        object_id: APPLICATION_OBJECT.to_owned(),
        has_principal: true,
        identifier_uris: vec![format!("api://{APPLICATION}")],
        token_version: 2,
        created: now,
        credential_ids: names.map(ToOwned::to_owned).into_iter().zip(ids).collect(),
    });
    let gitlab = ClaimsMatching {
        value: "claims['sub'] matches 'project_path:carnet-sandbox/*:ref_type:branch:ref:main'".to_owned(),
        language_version: 1,
    };
    let credentials = [
        credential("github-main", GITHUB_ISSUER, GITHUB_SUBJECT),
        FederatedCredential {
            subject: None,
            claims_matching_expression: Some(gitlab),
            ..credential("gitlab", GITLAB_ISSUER, "")
        },
        credential("machine", &own_issuer(), MACHINE_PRINCIPAL),
        credential("workload", SVID_ISSUER, WORKLOAD),
        credential("google-machine", GOOGLE_ISSUER, GOOGLE_ACCOUNT),
    ];
    let principal = Principal::new(APPLICATION, APPLICATION_PRINCIPAL, "carnet-jobs", registration);
    with(principal, ClientKind::Application, credentials)
}

fn user_assigned() -> Principal {
    let registration = Registration::Identity(Identity {
        resource_id: identity(),
        user_assigned: true,
        location: LOCATION.to_owned(),
        ..Identity::default()
    });
    let principal = Principal::new(IDENTITY_CLIENT, IDENTITY_PRINCIPAL, IDENTITY, registration);
    with(principal, ClientKind::ManagedIdentity, [credential("github-main", GITHUB_ISSUER, GITHUB_SUBJECT)])
}

fn machine() -> Principal {
    let registration = Registration::Identity(Identity {
        resource_id: resource(GROUP, &format!("Microsoft.Compute/virtualMachines/{MACHINE}")),
        location: LOCATION.to_owned(),
        ..Identity::default()
    });
    Principal::new(MACHINE_CLIENT, MACHINE_PRINCIPAL, MACHINE, registration)
}

fn credential(name: &str, issuer: &str, subject: &str) -> FederatedCredential {
    FederatedCredential {
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        subject: Some(subject.to_owned()),
        audiences: vec![DEFAULT_AUDIENCE.to_owned()],
        ..FederatedCredential::default()
    }
}

fn with(
    mut principal: Principal,
    kind: ClientKind,
    credentials: impl IntoIterator<Item = FederatedCredential>,
) -> Principal {
    for credential in credentials {
        // A test shows that all are accepted; one that is not would simply be missing. From the beginning, whatever the
        // delay is switched to.
        drop(principal.change(Timestamp::UNIX_EPOCH, |own| own.put(kind, credential)));
    }
    principal
}

fn storage(now: Timestamp) -> Account {
    let container = |name: &str| {
        let report = (BLOB.0.to_owned(), blob(BLOB.1, now));
        let blobs = if name == "reports" { BTreeMap::from([report]) } else { BTreeMap::new() };
        Container { changed: now, etag: "\"0x8DE0000000000C1\"".to_owned(), blobs }
    };
    Account {
        name: ACCOUNT.to_owned(),
        group: GROUP.to_owned(),
        location: LOCATION.to_owned(),
        kind: "StorageV2".to_owned(),
        sku: "Standard_LRS".to_owned(),
        created: now,
        containers: CONTAINERS.into_iter().map(|name| (name.to_owned(), container(name))).collect(),
    }
}

fn blob(content: &'static str, now: Timestamp) -> Blob {
    Blob {
        content: content.into(),
        content_type: "text/plain".to_owned(),
        metadata: BTreeMap::new(),
        etag: "\"0x8DE0000000000B1\"".to_owned(),
        created: now,
        changed: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_credential_of_the_beginning_is_accepted() {
        let mut inner = Inner::default();
        fill(&mut inner, Timestamp::UNIX_EPOCH);
        let count = |client| inner.directory.client(client).unwrap().client.credentials.len();
        assert_eq!((count(APPLICATION), count(IDENTITY_CLIENT), count(MACHINE_CLIENT)), (5, 1, 0));
        let ids = &inner.directory.client(APPLICATION).unwrap().application().unwrap().credential_ids;
        let names: Vec<_> = ids.keys().map(String::as_str).collect();
        assert_eq!(names, ["github-main", "gitlab", "google-machine", "machine", "workload"]);
    }
}
