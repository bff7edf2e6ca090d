use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{
    SigningKey, encode_jwt,
    strict::encode_base64url,
    testing::{AUDIENCE, ISSUER, NOW, claims, key, keys, now, object, rules, sign},
};

fn verify(token: &str) -> Result<VerifiedJwt, JwtError> {
    verify_jwt(&UnverifiedJwt::parse(token)?, &keys(Algorithm::Es256), &rules(), now())
}

fn refusal(token: &str) -> JwtError {
    verify(token).expect_err("the token must be refused")
}

/// The valid claims with one bent: set to this value, or removed when it is null.
fn bent(name: &str, value: Value) -> Map<String, Value> {
    let mut claims = claims();
    match value {
        Value::Null => claims.remove(name),
        value => claims.insert(name.to_owned(), value),
    };
    claims
}

fn refused_claim(name: &str, value: Value) -> JwtClause {
    refusal(&sign(json!({}), &bent(name, value))).clause
}

#[test]
fn accepts_the_valid_token() {
    let verified = verify(&sign(json!({}), &claims())).unwrap();
    assert_eq!(verified.claims().str("sub"), Some("workload"));
    assert_eq!((verified.algorithm(), verified.kid()), (Algorithm::Es256, Some("ES256")));
}

#[test]
fn rejects_none_and_hmac_and_names_what_is_accepted() {
    for name in ["none", "None", "NONE", "HS256", "HS512", "es256", "RS1", ""] {
        let header = encode_base64url(json!({ "alg": name }).to_string());
        let claims = encode_base64url(Value::Object(claims()).to_string());
        for signature in ["", "AAAA"] {
            let error = refusal(&format!("{header}.{claims}.{signature}"));
            assert_eq!((error.clause, error.seen.as_deref()), (JwtClause::Header, Some(name)));
            assert_eq!(error.wanted.as_deref(), Some("ES256, RS256"));
        }
    }
}

#[test]
fn rejects_a_public_key_used_as_an_hmac_key() {
    let spki = key(Algorithm::Rs256).public_pem().unwrap();
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
        &claims(),
        &jsonwebtoken::EncodingKey::from_secret(spki.as_bytes()),
    );
    let token = UnverifiedJwt::parse(&token.unwrap()).unwrap();
    let error = verify_jwt(&token, &keys(Algorithm::Rs256), &rules(), now()).unwrap_err();
    assert_eq!(error.clause, JwtClause::Header);
}

#[test]
fn rejects_header_members_that_choose_their_own_key_or_rules() {
    for member in ["jku", "x5u", "jwk", "crit", "b64"] {
        let error = refusal(&sign(json!({ member: "https://evil.example" }), &claims()));
        assert_eq!((error.clause, error.seen.as_deref()), (JwtClause::Header, Some(member)));
    }
}

#[test]
fn a_certificate_in_the_header_is_not_a_key() {
    assert!(verify(&sign(json!({ "x5c": ["AAAA"], "x5t": "AA" }), &claims())).is_ok(), "it is not looked at");
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("ES256");
    let token = encode_jwt(&stranger, &object(json!({ "x5c": ["AAAA"] })), &claims()).unwrap();
    assert_eq!(refusal(token.expose()).clause, JwtClause::Signature);
}

#[test]
fn rejects_an_algorithm_that_the_rules_do_not_name() {
    let token = encode_jwt(key(Algorithm::Es384), &Map::new(), &claims()).unwrap();
    let token = UnverifiedJwt::parse(token.expose()).unwrap();
    let error = verify_jwt(&token, &keys(Algorithm::Es384), &rules(), now()).unwrap_err();
    assert_eq!(error.clause, JwtClause::Header);
}

#[test]
fn rejects_an_algorithm_that_the_key_does_not_name() {
    // The same RSA key, published for RS256 and used for PS256.
    let token = encode_jwt(key(Algorithm::Ps256), &object(json!({ "kid": "RS256" })), &claims()).unwrap();
    let token = UnverifiedJwt::parse(token.expose()).unwrap();
    let rules = Rules { algorithms: &[Algorithm::Ps256], ..rules() };
    let error = verify_jwt(&token, &keys(Algorithm::Rs256), &rules, now()).unwrap_err();
    assert_eq!(error.clause, JwtClause::Key);
    assert!(error.message.contains("is not for PS256"), "{}", error.message);
}

#[test]
fn types_are_compared_without_case_and_prefix() {
    for good in ["JWT", "jwt", "application/jwt", "Application/JWT"] {
        assert!(verify(&sign(json!({ "typ": good }), &claims())).is_ok(), "{good}");
    }
    for bad in
        [json!("at+jwt"), json!("JWT "), json!(""), json!("application/application/jwt"), json!(["JWT"]), json!(null)]
    {
        assert_eq!(refusal(&sign(json!({ "typ": bad }), &claims())).clause, JwtClause::Header, "{bad}");
    }
}

#[test]
fn an_absent_type_passes() {
    let header = encode_base64url(r#"{"alg":"ES256","kid":"ES256"}"#);
    let input = format!("{header}.{}", encode_base64url(Value::Object(claims()).to_string()));
    let signature = encode_base64url(key(Algorithm::Es256).sign(input.as_bytes()).unwrap());
    assert!(verify(&format!("{input}.{signature}")).is_ok());
}

#[test]
fn rejects_another_issuer_to_the_letter() {
    for other in
        ["https://issuer.example/", "https://Issuer.example", "https://issuer.example.evil", "", "https://issuer"]
    {
        assert_eq!(refused_claim("iss", json!(other)), JwtClause::Issuer, "{other}");
    }
    for other in [json!(null), json!([ISSUER]), json!(1)] {
        assert_eq!(refused_claim("iss", other), JwtClause::Issuer);
    }
}

#[test]
fn rejects_an_unknown_key_id_and_names_the_known_ones() {
    let error = refusal(&sign(json!({ "kid": "other" }), &claims()));
    assert_eq!(error.clause, JwtClause::Key);
    assert_eq!((error.seen.as_deref(), error.wanted.as_deref()), (Some("other"), Some("ES256")));
}

#[test]
fn rejects_when_there_is_no_key_at_all() {
    let token = UnverifiedJwt::parse(&sign(json!({}), &claims())).unwrap();
    let error = verify_jwt(&token, &KeySet::default(), &rules(), now()).unwrap_err();
    assert_eq!(error.clause, JwtClause::Key);
}

#[test]
fn rejects_the_signature_of_another_key() {
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("ES256");
    let token = encode_jwt(&stranger, &Map::new(), &claims()).unwrap();
    assert_eq!(refusal(token.expose()).clause, JwtClause::Signature);
}

#[test]
fn with_two_keys_of_one_id_either_verifies() {
    let second = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("ES256");
    let both: KeySet = [key(Algorithm::Es256), &second].map(|key| key.public_key().unwrap()).into_iter().collect();
    for signer in [key(Algorithm::Es256), &second] {
        let token = encode_jwt(signer, &Map::new(), &claims()).unwrap();
        let token = UnverifiedJwt::parse(token.expose()).unwrap();
        let verified = verify_jwt(&token, &both, &rules(), now()).unwrap();
        assert_eq!(verified.key().to_spki(), signer.public_spki());
    }
}

#[test]
fn rejects_another_audience() {
    for other in [json!("other"), json!("https://audience.example/"), json!([]), json!(["other"]), json!(null)] {
        assert_eq!(refused_claim("aud", other), JwtClause::Audience);
    }
}

#[test]
fn rejects_an_audience_that_is_not_all_strings() {
    for other in [json!(1), json!({ "aud": AUDIENCE }), json!([AUDIENCE, 1]), json!([[AUDIENCE]])] {
        assert_eq!(refused_claim("aud", other), JwtClause::Audience);
    }
}

#[test]
fn rejects_a_half_readable_audience_where_any_is_accepted() {
    let any = Rules { audiences: None, ..rules() };
    let verify = |aud: Value| {
        let token = UnverifiedJwt::parse(&sign(json!({}), &bent("aud", aud))).unwrap();
        verify_jwt(&token, &keys(Algorithm::Es256), &any, now())
    };
    assert!(verify(json!("other")).is_ok() && verify(Value::Null).is_ok());
    assert_eq!(verify(json!([AUDIENCE, 1])).unwrap_err().clause, JwtClause::Audience);
}

#[test]
fn one_of_many_audiences_is_enough() {
    assert!(verify(&sign(json!({}), &bent("aud", json!(["other", AUDIENCE])))).is_ok());
}

#[test]
fn rejects_an_expired_token_after_the_leeway() {
    assert_eq!(refused_claim("exp", json!(NOW - 30)), JwtClause::Expired);
    assert!(verify(&sign(json!({}), &bent("exp", json!(NOW - 29)))).is_ok());
}

#[test]
fn rejects_a_token_from_the_future_before_the_leeway() {
    for name in ["nbf", "iat"] {
        assert_eq!(refused_claim(name, json!(NOW + 31)), JwtClause::NotYet, "{name}");
        assert!(verify(&sign(json!({}), &bent(name, json!(NOW + 30)))).is_ok(), "{name}");
    }
}

#[test]
fn rejects_a_lifetime_that_is_too_long() {
    assert_eq!(refused_claim("exp", json!(NOW - 60 + 601)), JwtClause::Lifetime);
    assert!(verify(&sign(json!({}), &bent("exp", json!(NOW - 60 + 600)))).is_ok());
    assert_eq!(refused_claim("iat", json!(null)), JwtClause::Lifetime);
}

#[test]
fn rejects_a_token_without_end_that_is_too_old() {
    let rules = Rules { require_expiry: false, ..rules() };
    let mut claims = bent("exp", json!(null));
    let verify = |claims: &Map<String, Value>| {
        verify_jwt(&UnverifiedJwt::parse(&sign(json!({}), claims)).unwrap(), &keys(Algorithm::Es256), &rules, now())
    };
    assert!(verify(&claims).is_ok());
    claims.insert("iat".to_owned(), json!(NOW - 631));
    assert_eq!(verify(&claims).unwrap_err().clause, JwtClause::Lifetime);
}

#[test]
fn rejects_a_token_without_expiry() {
    let rules = Rules { max_lifetime: None, ..rules() };
    let token = UnverifiedJwt::parse(&sign(json!({}), &bent("exp", json!(null)))).unwrap();
    assert_eq!(verify_jwt(&token, &keys(Algorithm::Es256), &rules, now()).unwrap_err().clause, JwtClause::Claim);
}

#[test]
fn rejects_dates_that_are_no_numbers() {
    for name in ["exp", "nbf", "iat"] {
        for value in
            [json!((NOW + 100).to_string()), json!(true), json!([NOW]), json!(1e300), json!(-1e300), json!(u64::MAX)]
        {
            assert_eq!(refused_claim(name, value.clone()), JwtClause::Claim, "{name} {value}");
        }
        let token = sign(json!({}), &bent(name, json!(null)));
        assert_eq!(verify(&token).is_ok(), name == "nbf", "{name} may be absent only when nothing needs it");
    }
}

#[test]
fn a_fraction_of_a_second_does_not_prolong_a_token() {
    assert_eq!(refused_claim("exp", json!(f64::from(u32::try_from(NOW).unwrap()) - 30.0 + 0.9)), JwtClause::Expired);
}

#[test]
fn checks_are_made_in_order() {
    // Everything is wrong; each repair uncovers the next refusal.
    let mut claims = object(json!({ "iss": "x", "aud": "x", "exp": 1, "nbf": NOW + 999, "iat": 0 }));
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let seen = |signer: &SigningKey, header: Value, claims: &Map<String, Value>| {
        refusal(encode_jwt(signer, &object(header), claims).unwrap().expose()).clause
    };
    let own = key(Algorithm::Es256);
    assert_eq!(seen(&stranger, json!({ "typ": "x", "kid": "x" }), &claims), JwtClause::Header);
    assert_eq!(seen(&stranger, json!({ "kid": "x" }), &claims), JwtClause::Issuer);
    claims.insert("iss".to_owned(), json!(ISSUER));
    assert_eq!(seen(&stranger, json!({ "kid": "x" }), &claims), JwtClause::Key);
    assert_eq!(seen(&stranger, json!({}), &claims), JwtClause::Signature);
    assert_eq!(seen(own, json!({}), &claims), JwtClause::Audience);
    claims.insert("aud".to_owned(), json!(AUDIENCE));
    assert_eq!(seen(own, json!({}), &claims), JwtClause::Expired);
    claims.insert("exp".to_owned(), json!(NOW + 600));
    assert_eq!(seen(own, json!({}), &claims), JwtClause::NotYet);
    claims.insert("nbf".to_owned(), json!(NOW));
    assert_eq!(seen(own, json!({}), &claims), JwtClause::Lifetime);
}

#[test]
fn messages_hold_no_control_characters_and_are_cut() {
    let error = refusal(&sign(json!({}), &bent("iss", json!(format!("\u{1b}[31m\n{}", "x".repeat(5000))))));
    assert!(error.message.len() < 400 && !error.message.contains(['\n', '\u{1b}']), "{}", error.message);
}

#[test]
fn the_error_for_people_names_clause_and_exit_code() {
    let expired = carnet_core::Error::from(refusal(&sign(json!({}), &bent("exp", json!(1)))));
    assert_eq!((expired.kind().exit_code(), expired.failed_clause()), (6, Some("expired")));
    let refused = carnet_core::Error::from(refusal(&sign(json!({}), &bent("aud", json!("x")))));
    assert_eq!((refused.kind().exit_code(), refused.failed_clause()), (4, Some("audience")));
}

proptest! {
    #[test]
    fn a_flipped_bit_never_verifies(algorithm in 0..Algorithm::ALL.len(), position in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let algorithm = Algorithm::ALL[algorithm];
        let token = encode_jwt(key(algorithm), &Map::new(), &claims()).unwrap().expose().to_owned();
        let mut bytes = token.clone().into_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        let rules = Rules { algorithms: &Algorithm::ALL, ..rules() };
        if let Ok(token) = String::from_utf8(bytes)
            && let Ok(token) = UnverifiedJwt::parse(&token)
        {
            prop_assert!(verify_jwt(&token, &keys(algorithm), &rules, now()).is_err());
        }
    }

    #[test]
    fn what_is_signed_verifies(algorithm in 0..Algorithm::ALL.len(), subject in ".*", extra in "[a-z]{1,8}") {
        let algorithm = Algorithm::ALL[algorithm];
        let mut claims = claims();
        claims.insert("sub".to_owned(), json!(subject));
        claims.insert(format!("x-{extra}"), json!({ "deep": [subject, 1, null, 1.5] }));
        let token = encode_jwt(key(algorithm), &Map::new(), &claims).unwrap();
        let rules = Rules { algorithms: &Algorithm::ALL, ..rules() };
        let verified = verify_jwt(&UnverifiedJwt::parse(token.expose()).unwrap(), &keys(algorithm), &rules, now()).unwrap();
        prop_assert_eq!(&verified.claims().0, &claims);
    }
}
