use serde_json::json;

use super::*;
use crate::testing::{claims, no_claim};

fn clause(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut bent = Value::Object(claims().0);
    change(&mut bent);
    let Value::Object(bent) = bent else { panic!("an object") };
    Bound::of_claims(&Claims(bent)).unwrap_err().clause
}

#[test]
fn a_token_tells_account_pod_and_node() {
    let bound = Bound::of_claims(&claims()).unwrap();
    assert_eq!(bound.account.to_string(), "example:admin");
    assert_eq!(bound.pod, Some(Named { name: "admin-0".to_owned(), uid: "p-1".to_owned() }));
    assert_eq!(bound.node.map(|node| node.name), Some("worker-1".to_owned()));
    assert_eq!((bound.account_uid.as_deref(), bound.warn_after), (Some("s-1"), None));
}

#[test]
fn a_token_for_the_api_server_says_when_it_should_have_been_replaced() {
    let mut extended = Value::Object(claims().0);
    extended["kubernetes.io"]["warnafter"] = json!(1_795_266_007);
    let Value::Object(extended) = extended else { panic!("an object") };
    let bound = Bound::of_claims(&Claims(extended)).unwrap();
    assert_eq!(bound.warn_after, Timestamp::from_second(1_795_266_007).ok());
}

#[test]
fn rejects_a_subject_that_is_no_account() {
    assert_eq!(clause(|claims| claims["sub"] = json!("system:node:worker-1")), "subject");
    assert_eq!(clause(|claims| no_claim(claims, "/sub")), "subject");
}

#[test]
fn rejects_claims_of_another_account_than_the_subject() {
    assert_eq!(clause(|claims| claims["sub"] = json!("system:serviceaccount:other:admin")), "claims");
    assert_eq!(clause(|claims| claims["kubernetes.io"]["serviceaccount"]["name"] = json!("viewer")), "claims");
}

#[test]
fn rejects_a_token_without_its_objects() {
    for path in ["/kubernetes.io", "/kubernetes.io/namespace", "/kubernetes.io/serviceaccount"] {
        assert_eq!(clause(|claims| no_claim(claims, path)), "claims", "{path}");
    }
    assert_eq!(clause(|claims| no_claim(claims, "/kubernetes.io/pod/uid")), "claims");
}

#[test]
fn rejects_names_that_no_object_has() {
    for bad in ["", "a b", "a\nb", &"a".repeat(254)] {
        assert_eq!(clause(|claims| claims["kubernetes.io"]["pod"]["uid"] = json!(bad)), "claims", "{bad:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_claims_break_the_reader(subject in "(system:serviceaccount:)?[a-z:.-]{0,16}", own in "\\PC{0,80}") {
        let own: Value = serde_json::from_str(&own).unwrap_or_else(|_text| json!({"namespace": own}));
        let Value::Object(claims) = json!({"sub": subject, "kubernetes.io": own}) else { panic!("an object") };
        if let Ok(bound) = Bound::of_claims(&Claims(claims)) {
            proptest::prop_assert_eq!(bound.account.subject(), subject);
        }
    }
}

fn user() -> ReviewedUser {
    let extra = [("pod-name", "admin-0"), ("pod-uid", "p-1"), ("node-name", "worker-1"), ("node-uid", "n-1")];
    ReviewedUser {
        username: "system:serviceaccount:example:admin".to_owned(),
        uid: "s-1".to_owned(),
        extra: extra.map(|(name, value)| (format!("{EXTRA}{name}"), vec![value.to_owned()])).into(),
    }
}

#[test]
fn a_review_tells_the_same_as_the_token() {
    assert_eq!(Bound::of_user(&user()).unwrap(), Bound::of_claims(&claims()).unwrap());
}

#[test]
fn a_review_of_a_token_that_is_bound_to_nothing_tells_the_account() {
    let bound = Bound::of_user(&ReviewedUser { extra: [].into(), ..user() }).unwrap();
    assert_eq!((bound.pod, bound.node), (None, None));
}

#[test]
fn rejects_a_review_that_tells_half_an_object_or_two() {
    let mut half = user();
    half.extra.remove(&format!("{EXTRA}pod-uid"));
    assert_eq!(Bound::of_user(&half).unwrap_err().clause, "claims");
    let mut twice = user();
    twice.extra.insert(format!("{EXTRA}pod-uid"), vec!["p-1".to_owned(), "p-2".to_owned()]);
    assert_eq!(Bound::of_user(&twice).unwrap_err().clause, "claims");
}

#[test]
fn rejects_a_review_of_somebody_else() {
    let person = ReviewedUser { username: "kubernetes-admin".to_owned(), ..user() };
    assert_eq!(Bound::of_user(&person).unwrap_err().clause, "subject");
}
