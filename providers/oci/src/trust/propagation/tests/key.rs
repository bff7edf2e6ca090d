//! The key that has to have signed the token.

use super::*;

static NAMELESS: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

#[test]
fn rejects_token_signed_with_another_key() {
    assert_eq!(bent(Case::upst(), |case| case.key = &OTHER_KEY), is("signature", "invalid_grant"));
}

#[test]
fn rejects_token_whose_key_the_issuer_does_not_list() {
    static UNKNOWN: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("two"));
    assert_eq!(bent(Case::upst(), |case| case.key = &UNKNOWN), is("key", "invalid_grant"));
}

#[test]
fn rejects_token_signed_with_another_algorithm() {
    static CURVE: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap().with_kid("one"));
    let (clause, code) = bent(Case::upst(), |case| case.key = &CURVE);
    assert!(matches!(clause, "header" | "key"), "{clause}");
    assert_eq!(code, "invalid_grant");
}

#[test]
fn rejects_token_that_names_no_key() {
    let bend = |case: &mut Case| {
        case.key = &NAMELESS;
        case.listed = NAMELESS.public_jwk();
        case.listed.kid = Some("one".to_owned());
    };
    assert_eq!(bent(Case::upst(), bend), is("key", "invalid_grant"));
    assert_eq!(bent(Case::rpst(), bend), is("key", "invalid_grant"));
}

#[test]
fn rejects_token_whose_key_is_listed_without_a_name() {
    assert_eq!(bent(Case::upst(), |case| case.listed.kid = None), is("key", "invalid_grant"));
}

#[test]
fn accepts_token_that_names_no_key_when_the_trust_has_a_certificate() {
    let mut case = Case::upst();
    case.key = &NAMELESS;
    case.listed = NAMELESS.public_jwk();
    case.trust.public_key_endpoint = None;
    case.trust.public_certificate = Some("the certificate that the key is in".to_owned());
    assert_eq!(case.grant().principal, USER);
    assert!(case.token().unverified_kid().is_none());
}
