//! What Microsoft refuses when a credential is created.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(kind: ClientKind, change: impl FnOnce(&mut FederatedCredential), field: &str) {
    let mut credential = credential();
    change(&mut credential);
    let mistakes = FederatedCredentials::default().put(kind, credential).unwrap_err();
    assert_eq!(mistakes.iter().map(|mistake| mistake.field.as_str()).collect::<Vec<_>>(), [field]);
}

fn matching(value: &str, language_version: u32) -> ClaimsMatching {
    ClaimsMatching { value: value.to_owned(), language_version }
}

#[test]
fn rejects_members_bent_one_by_one() {
    use ClientKind::{Application, ManagedIdentity};
    for name in ["ab", "-ab", "_ab", "a b", "é-name", &"a".repeat(121)] {
        refused(Application, |credential| credential.name = name.to_owned(), "name");
    }
    for text in [String::new(), "x".repeat(601)] {
        refused(Application, |credential| credential.issuer = text.clone(), "issuer");
        refused(Application, |credential| credential.subject = Some(text.clone()), "subject");
        refused(Application, |credential| credential.audiences = vec![text.clone()], "audiences");
    }
    refused(Application, |credential| credential.audiences.clear(), "audiences");
    refused(Application, |credential| credential.audiences.push("b".to_owned()), "audiences");
    refused(Application, |credential| credential.description = Some("x".repeat(601)), "description");
    refused(ManagedIdentity, |credential| credential.description = Some("x".to_owned()), "description");
    refused(Application, |credential| credential.subject = None, "subject");
}

#[test]
fn rejects_expressions_where_none_may_be() {
    const GOOD: &str = "claims['sub'] eq 'a'";
    let bent = |subject: Option<&str>, value: &str, version| {
        let (subject, expression) = (subject.map(ToOwned::to_owned), Some(matching(value, version)));
        move |credential: &mut FederatedCredential| {
            (credential.subject, credential.claims_matching_expression) = (subject, expression);
        }
    };
    refused(ClientKind::Application, bent(Some("a"), GOOD, 1), "subject");
    refused(ClientKind::ManagedIdentity, bent(None, GOOD, 1), "claimsMatchingExpression");
    refused(ClientKind::Application, bent(None, GOOD, 2), "claimsMatchingExpression.languageVersion");
    refused(ClientKind::Application, bent(None, "claims['x'] eq 'a'", 1), "claimsMatchingExpression.value");
}

#[test]
fn holds_twenty_and_no_more() {
    let kind = ClientKind::ManagedIdentity;
    let mut set = FederatedCredentials::default();
    let numbered = |number: usize| FederatedCredential {
        name: format!("name-{number}"),
        subject: Some(format!("subject-{number}")),
        ..credential()
    };
    for number in 0..MAX_CREDENTIALS {
        assert!(set.put(kind, numbered(number)).unwrap());
    }
    assert!(set.put(kind, numbered(MAX_CREDENTIALS)).unwrap_err()[0].message.contains("20"));
    // One that is there can still be changed.
    assert!(!set.put(kind, FederatedCredential { name: "name-7".to_owned(), ..numbered(99) }).unwrap());
    assert_eq!(set.get("name-7").unwrap().subject.as_deref(), Some("subject-99"));
    assert!(set.remove("name-7") && !set.remove("name-7"));
    assert_eq!(set.len(), MAX_CREDENTIALS - 1);
}

#[test]
fn rejects_issuer_and_subject_of_another() {
    let mut set = FederatedCredentials::default();
    set.put(ClientKind::Application, credential()).unwrap();
    let twin = FederatedCredential { name: "twin".to_owned(), ..credential() };
    assert!(set.put(ClientKind::Application, twin).unwrap_err()[0].message.contains("already exists"));
}

proptest! {
    #[test]
    fn any_credential_is_refused_with_a_mistake_or_kept_as_it_is(
        name in "[a-zA-Z0-9_é -]{0,8}",
        issuer in "(https://token\\.actions\\.githubusercontent\\.com)?.{0,6}",
        subject in proptest::option::of(".{0,10}"),
        audiences in proptest::collection::vec(".{0,6}", 0..3),
        expression in proptest::option::of("(claims\\['sub'\\] eq 'a')?.{0,6}"),
        version in 0_u32..3,
    ) {
        let expression = expression.map(|value| matching(&value, version));
        let made = FederatedCredential {
            name, issuer, subject, audiences, claims_matching_expression: expression, ..FederatedCredential::default()
        };
        let text = serde_json::to_string(&made).unwrap();
        prop_assert_eq!(&serde_json::from_str::<FederatedCredential>(&text).unwrap(), &made);
        for kind in [ClientKind::Application, ClientKind::ManagedIdentity] {
            let mut set = FederatedCredentials::default();
            match set.put(kind, made.clone()) {
                Ok(new) => prop_assert!(new && set.get(&made.name) == Some(&made)),
                Err(mistakes) => prop_assert!(!mistakes.is_empty() && set.is_empty()),
            }
        }
    }
}
