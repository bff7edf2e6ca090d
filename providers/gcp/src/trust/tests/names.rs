use proptest::prelude::*;

use super::super::*;

#[test]
fn names_come_back_as_they_went() {
    let audience = super::AUDIENCE;
    assert_eq!(ProviderName::from_audience(audience).unwrap().audience(), audience);
    for member in [
        "allUsers",
        "allAuthenticatedUsers",
        "serviceAccount:reader@carnet-sandbox.iam.gserviceaccount.com",
        "user:somebody@example.com",
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/repo:a/b:ref:refs/heads/x",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/group/ops/night",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.repository/a/b",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*",
    ] {
        assert_eq!(Member::parse(member).unwrap().to_string(), member);
    }
}

#[test]
fn rejects_members_that_are_none() {
    let pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p";
    for member in [
        String::new(),
        "somebody@example.com".to_owned(),
        "serviceAccount:".to_owned(),
        "martian:x".to_owned(),
        format!("principal:{pool}/*"),
        format!("principal:{pool}/subject/"),
        format!("principalSet:{pool}/subject/x"),
        format!("principalSet:{pool}/attribute.x"),
        format!("principalSet:{pool}/attribute./x"),
        format!("principalSet:{pool}/group/"),
        format!("principalSet:{pool}"),
        "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*".to_owned(),
    ] {
        assert!(Member::parse(&member).is_err(), "{member}");
    }
}

proptest! {
    #[test]
    fn audiences_never_panic(text in ".{0,200}") {
        drop(ProviderName::from_audience(&text));
        drop(ProviderName::from_audience(&format!("//iam.googleapis.com/{text}")));
    }

    #[test]
    fn members_never_panic(text in ".{0,200}") {
        drop(Member::parse(&text));
        drop(Member::parse(&format!("principalSet://iam.googleapis.com/projects/{text}")));
    }

    #[test]
    fn parsed_names_print_as_they_were(
        parts in prop::collection::vec("[a-z0-9/.*-]{0,6}", 0..9)
    ) {
        let text = format!("//iam.googleapis.com/{}", parts.join("/"));
        if let Ok(name) = ProviderName::from_audience(&text) {
            prop_assert_eq!(name.audience(), text);
        }
    }
}
