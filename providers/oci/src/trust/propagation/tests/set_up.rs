//! A trust as it is set up, before anything is exchanged.

use super::*;

#[test]
fn names_what_the_domain_refuses_in_a_trust() {
    let mut trust = Case::rpst().trust;
    assert_eq!(trust.mistakes(), []);
    trust.issuer.clear();
    trust.public_key_endpoint = None;
    trust.impersonating_resource = None;
    trust.allow_impersonation = false;
    trust.claim_propagations = ["ext_a", "ext_b", "ext_c", "d"].map(str::to_owned).to_vec();
    trust.claim_validations.push(trust.claim_validations[0].clone());
    trust.impersonation_service_users =
        vec![ServiceUserRule { rule: "sub = x".to_owned(), ..ServiceUserRule::default() }];
    let attributes: Vec<&str> = trust.mistakes().iter().map(|mistake| mistake.attribute).collect();
    assert_eq!(
        attributes,
        [
            "issuer",
            "publicKeyEndpoint",
            "impersonationServiceUsers",
            "impersonationServiceUsers",
            "impersonatingResource",
            "allowImpersonation",
            "claimPropagations",
            "claimPropagations",
            "claimValidations"
        ]
    );
}

#[test]
fn warns_of_what_lets_strangers_in() {
    let about =
        |trust: &PropagationTrust| -> Vec<&'static str> { trust.lint().iter().map(|warning| warning.clause).collect() };
    let mut trust = Case::upst().trust;
    assert_eq!(about(&trust), ["audience"]);
    trust.client_claim_name = Some("aud".to_owned());
    assert_eq!(trust.lint(), []);

    for (rules, words) in [
        (&["sub eq *"][..], "whole world"),
        (&["sub co carnet-sandbox"][..], "anywhere"),
        (&["sub eq repo:carnet-sandbox*"][..], "longer names"),
        (&["sub eq *", "sub eq repo:carnet-sandbox/app:*"][..], "never reached"),
    ] {
        trust.impersonation_service_users = rules.iter().map(|text| rule(USER, text)).collect();
        assert!(trust.lint().iter().any(|warning| warning.message.contains(words)), "{rules:?}: {:?}", trust.lint());
    }

    let mut resource = Case::rpst().trust;
    assert_eq!(about(&resource), ["audience"]);
    resource.claim_validations.clear();
    assert_eq!(about(&resource), ["audience", "claim-validation"]);
}

#[test]
fn reads_the_form_of_the_published_set_up_script() {
    let trust: PropagationTrust = serde_json::from_value(json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"],
        "name": "ci-trust", "type": "JWT", "active": true, "issuer": "https://issuer.example",
        "publicKeyEndpoint": "https://issuer.example/jwks", "oauthClients": ["c"],
        "subjectType": "User", "allowImpersonation": true,
        "impersonationServiceUsers": [{"ocid": "ocid1.user.oc1..aaaa", "rule": "sub eq *"}]
    }))
    .unwrap();
    assert_eq!(trust.mistakes(), []);
    assert_eq!(trust.impersonation_service_users, [rule("ocid1.user.oc1..aaaa", "sub eq *")]);
    let written = serde_json::to_value(&trust).unwrap();
    assert_eq!(serde_json::from_value::<PropagationTrust>(written).unwrap(), trust);
}
