//! Who may do what where.

use proptest::prelude::*;

use super::*;

const ACCOUNT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a";
const BLOB_WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";
const CONTAINER_WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/write";

fn assignment(role: &str, scope: &str) -> Assignment {
    Assignment {
        name: "n".to_owned(),
        scope: scope.to_owned(),
        role: role.to_owned(),
        principal: "P".to_owned(),
        principal_type: "ServicePrincipal".to_owned(),
        conditional: false,
        created: Timestamp::UNIX_EPOCH,
    }
}

fn may(assignment: Assignment, action: Action<'_>, delay: i64) -> Result<Grant, Box<Refusal>> {
    let mut assignments = Assignments::default();
    assignments.put(assignment);
    assignments.permit(&Wish {
        principal: "p",
        action,
        scope: &format!("{ACCOUNT}/blobServices/default/containers/c"),
        now: Timestamp::from_second(60).unwrap(),
        delay: SignedDuration::from_secs(delay),
        code: "AuthorizationFailed",
    })
}

#[test]
fn a_role_grants_what_it_names_at_its_scope_and_below() {
    for scope in [ACCOUNT, "/subscriptions/s", "/SUBSCRIPTIONS/S/resourcegroups/G", "/"] {
        let grant = may(assignment(BLOB_CONTRIBUTOR, scope), Action::Data(BLOB_WRITE), 0).unwrap();
        assert_eq!(grant.attributes["role"], "Storage Blob Data Contributor");
    }
}

#[test]
fn rejects_whatever_is_bent_in_one_place() {
    let other = "/subscriptions/s/resourceGroups/g2";
    let longer = format!("{ACCOUNT}b");
    for (assignment, action, delay, fix) in [
        (assignment(BLOB_READER, ACCOUNT), Action::Data(BLOB_WRITE), 0, "assign a role"),
        (assignment(BLOB_CONTRIBUTOR, other), Action::Data(BLOB_WRITE), 0, "assign a role"),
        (assignment(BLOB_CONTRIBUTOR, &longer), Action::Data(BLOB_WRITE), 0, "assign a role"),
        // Control is not data, and data is not control.
        (assignment(OWNER, ACCOUNT), Action::Data(BLOB_WRITE), 0, "assign a role"),
        (assignment(BLOB_CONTRIBUTOR, ACCOUNT), Action::Control(BLOB_WRITE), 0, "assign a role"),
        (assignment("c0ffee00-0000-4000-8000-000000000000", ACCOUNT), Action::Data(BLOB_WRITE), 0, "assign a role"),
        (assignment(BLOB_CONTRIBUTOR, ACCOUNT), Action::Data(BLOB_WRITE), 61, "wait"),
        (
            Assignment { conditional: true, ..assignment(BLOB_CONTRIBUTOR, ACCOUNT) },
            Action::Data(BLOB_WRITE),
            0,
            "wait",
        ),
        (
            Assignment { principal: "q".to_owned(), ..assignment(BLOB_CONTRIBUTOR, ACCOUNT) },
            Action::Data(BLOB_WRITE),
            0,
            "assign a role",
        ),
    ] {
        let shown = format!("{assignment:?} {action:?}");
        let refusal = may(assignment, action, delay).unwrap_err();
        assert_eq!((refusal.clause, refusal.code.as_str()), ("role", "AuthorizationFailed"), "{shown}");
        assert!(refusal.fix.contains(fix), "{shown}: {}", refusal.fix);
    }
}

#[test]
fn contributors_may_not_give_roles_away() {
    const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
    let may = |action| may(assignment(CONTRIBUTOR, "/subscriptions/s"), Action::Control(action), 0).is_ok();
    assert!(may(CONTAINER_WRITE) && may("Microsoft.Authorization/roleAssignments/read"));
    assert!(!may("Microsoft.Authorization/roleAssignments/write"));
}

#[test]
fn what_is_removed_grants_nothing() {
    let mut assignments = Assignments::default();
    assignments.put(assignment(OWNER, "/subscriptions/s"));
    let id = "/subscriptions/S/providers/Microsoft.Authorization/roleAssignments/N";
    assert!(assignments.get(id).is_some());
    assert!(assignments.remove(id).is_some() && assignments.remove(id).is_none());
    assert_eq!((assignments.len(), assignments.of("p").count()), (0, 0));
}

proptest! {
    #[test]
    fn any_pattern_is_answered(name in "[a-z/*]{0,12}", pattern in "[a-z/*]{0,12}") {
        let expected = regex_like(name.as_bytes(), pattern.as_bytes());
        prop_assert_eq!(is_like(&name, &pattern), expected);
    }
}

/// The same question, asked one character at a time.
fn regex_like(name: &[u8], pattern: &[u8]) -> bool {
    match (name, pattern) {
        ([], []) => true,
        (_, [b'*', rest @ ..]) => {
            regex_like(name, rest) || name.split_first().is_some_and(|(_, name)| regex_like(name, pattern))
        }
        ([first, name @ ..], [wanted, rest @ ..]) => first == wanted && regex_like(name, rest),
        _ => false,
    }
}
