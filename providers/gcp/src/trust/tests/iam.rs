use std::collections::BTreeMap;

use carnet_trust::{Decision, Refusal};
use serde_json::json;

use super::super::*;

const READER: &str = "reader@carnet-sandbox.iam.gserviceaccount.com";
const MIDDLE: &str = "middle@carnet-sandbox.iam.gserviceaccount.com";
const GET_ACCESS_TOKEN: &str = "iam.serviceAccounts.getAccessToken";

fn pool() -> PoolName {
    PoolName { project: "123456789012".to_owned(), pool: "github".to_owned() }
}

fn federated() -> Caller {
    Caller::Federated(Federated {
        pool: pool(),
        subject: "repo:a/b".to_owned(),
        groups: vec!["ops".to_owned()],
        attributes: BTreeMap::from([("repository".to_owned(), "a/b".to_owned())]),
    })
}

fn policy(role: &str, member: &str) -> Policy {
    let binding = Binding { role: role.to_owned(), members: vec![member.to_owned()], condition: None };
    Policy { version: 1, bindings: vec![binding], etag: String::new() }
}

fn set(what: &str) -> String {
    format!("principalSet://iam.googleapis.com/{}/{what}", pool())
}

fn impersonate(permission: &str, delegates: &[&str], accounts: &[(&str, Policy)], project: &Policy) -> Decision {
    let delegates: Vec<String> = delegates.iter().map(|delegate| (*delegate).to_owned()).collect();
    let service_accounts = accounts.iter().map(|(email, policy)| ((*email).to_owned(), policy.clone())).collect();
    let caller = federated();
    Impersonation { caller: &caller, permission, target: READER, delegates: &delegates }
        .evaluate(Policies { service_accounts: &service_accounts, project })
}

#[track_caller]
fn refused(decision: Decision) -> Refusal {
    match decision {
        Decision::Refuse(refusal) => refusal,
        Decision::Allow(grant) => panic!("allowed {}", grant.principal),
    }
}

#[test]
fn members_include_those_they_name() {
    let caller = federated();
    for (member, expected) in [
        (set("*"), true),
        (set("group/ops"), true),
        (set("group/dev"), false),
        (set("attribute.repository/a/b"), true),
        (set("attribute.repository/a"), false),
        (set("attribute.other/a/b"), false),
        (format!("principal://iam.googleapis.com/{}/subject/repo:a/b", pool()), true),
        (format!("principal://iam.googleapis.com/{}/subject/repo:a", pool()), false),
        (set("*").replace("github", "oracle"), false),
        (set("*").replace("123456789012", "2"), false),
        ("allUsers".to_owned(), true),
        ("allAuthenticatedUsers".to_owned(), false),
        (format!("serviceAccount:{READER}"), false),
        ("user:repo:a/b".to_owned(), false),
    ] {
        assert_eq!(Member::parse(&member).unwrap().includes(&caller), expected, "{member}");
    }
    let account = Caller::ServiceAccount(READER.to_owned());
    assert!(Member::parse(&format!("serviceAccount:{READER}")).unwrap().includes(&account));
    assert!(!Member::parse(&format!("serviceAccount:{MIDDLE}")).unwrap().includes(&account));
    assert!(!Member::parse(&set("*")).unwrap().includes(&account));
}

#[test]
fn a_workload_identity_user_gets_tokens_but_does_not_sign() {
    let accounts = [(READER, policy("roles/iam.workloadIdentityUser", &set("group/ops")))];
    let grant = impersonate(GET_ACCESS_TOKEN, &[], &accounts, &Policy::default());
    assert_eq!(grant.grant().unwrap().principal, format!("serviceAccount:{READER}"));
    let refusal = refused(impersonate("iam.serviceAccounts.signBlob", &[], &accounts, &Policy::default()));
    assert!(refusal.fix.contains("serviceAccountTokenCreator"), "{}", refusal.fix);
}

#[test]
fn rejects_principal_without_the_role() {
    let accounts = [(READER, policy("roles/iam.workloadIdentityUser", &set("group/dev")))];
    let refusal = refused(impersonate(GET_ACCESS_TOKEN, &[], &accounts, &Policy::default()));
    assert_eq!((refusal.clause, refusal.code.as_str()), ("permission", "PERMISSION_DENIED"));
    insta::assert_json_snapshot!(rpc_error(&refusal), @r#"
    {
      "error": {
        "code": 403,
        "details": [
          {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "domain": "iam.googleapis.com",
            "metadata": {
              "permission": "iam.serviceAccounts.getAccessToken"
            },
            "reason": "IAM_PERMISSION_DENIED"
          }
        ],
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        "status": "PERMISSION_DENIED"
      }
    }
    "#);
}

#[test]
fn rejects_unknown_service_account_even_with_a_role_on_the_project() {
    let project = policy("roles/iam.workloadIdentityUser", &set("*"));
    refused(impersonate(GET_ACCESS_TOKEN, &[], &[], &project));
    assert!(impersonate(GET_ACCESS_TOKEN, &[], &[(READER, Policy::default())], &project).grant().is_some());
}

#[test]
fn a_chain_holds_when_each_link_does() {
    let creator = "roles/iam.serviceAccountTokenCreator";
    let good =
        [(MIDDLE, policy(creator, &set("group/ops"))), (READER, policy(creator, &format!("serviceAccount:{MIDDLE}")))];
    let decision = impersonate(GET_ACCESS_TOKEN, &[MIDDLE], &good, &Policy::default());
    assert_eq!(decision.grant().unwrap().held, ["delegation", "permission"]);
    refused(impersonate(GET_ACCESS_TOKEN, &[], &good, &Policy::default()));
    // `workloadIdentityUser` does not carry the delegation.
    let weak = [(MIDDLE, policy("roles/iam.workloadIdentityUser", &set("group/ops"))), good[1].clone()];
    let refusal = refused(impersonate(GET_ACCESS_TOKEN, &[MIDDLE], &weak, &Policy::default()));
    assert_eq!(refusal.wanted, "iam.serviceAccounts.implicitDelegation");
    // The last link is the delegate's, not the caller's.
    let broken = [good[0].clone(), (READER, policy(creator, &set("group/ops")))];
    let refusal = refused(impersonate(GET_ACCESS_TOKEN, &[MIDDLE], &broken, &Policy::default()));
    assert_eq!(refusal.held, ["delegation"]);
}

#[test]
fn a_binding_with_a_condition_grants_nothing() {
    let mut conditional = policy("roles/storage.objectViewer", &set("*"));
    conditional.bindings[0].condition = Some(json!({ "expression": "true" }));
    refused(use_resource(&federated(), "storage.objects.get", "b", &[&conditional]));
}

#[test]
fn an_unknown_role_grants_nothing() {
    let unknown = policy("roles/made.up", &set("*"));
    assert_eq!(permissions_of("roles/made.up"), None);
    refused(use_resource(&federated(), "storage.objects.get", "b", &[&unknown]));
}

#[test]
fn resources_inherit_from_the_project() {
    let project = policy("roles/storage.bucketViewer", &set("attribute.repository/a/b"));
    let decision = use_resource(&federated(), "storage.buckets.list", "project", &[&Policy::default(), &project]);
    assert!(decision.grant().unwrap().warnings.is_empty());
    refused(use_resource(&federated(), "storage.buckets.create", "project", &[&project]));
}

#[test]
fn warns_of_roles_for_a_whole_pool() {
    let whole = policy("roles/storage.bucketViewer", &set("*"));
    let decision = use_resource(&federated(), "storage.buckets.list", "project", &[&whole]);
    assert_eq!(decision.grant().unwrap().warnings.len(), 1);
    assert_eq!(lint_policy(&whole).len(), 1);
    assert_eq!(lint_policy(&policy("roles/viewer", "allUsers")).len(), 1);
}
