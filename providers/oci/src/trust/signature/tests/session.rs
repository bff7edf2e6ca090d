//! Requests that are signed with the key of a session token.

use super::*;

/// A session token of the verifier's own issuer, with changes.
fn token(changes: Value) -> String {
    let jwk = serde_json::to_string(&KEY.public_jwk()).unwrap();
    let mut claims = json!({
        "iss": SessionVerifier::ISSUER, "aud": "oci", "sub": "ocid1.instance.oc1..i", "ptype": "instance", "tenant": "t",
        "iat": at_date(-60).as_second(), "exp": at_date(1140).as_second(), "jwk": jwk,
    });
    let Value::Object(changes) = changes else { panic!("an object") };
    claims.as_object_mut().unwrap().extend(changes);
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    encode_jwt(&KEY, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}

fn session(token: &str) -> Decision {
    let mut request = Signing::get();
    request.key_id = format!("ST${token}");
    request.outcome(&Options::API)
}

#[test]
fn accepts_a_session_token_and_its_key() {
    let decision = session(&token(json!({})));
    assert_eq!(decision.grant().unwrap().principal, "ocid1.instance.oc1..i");
    assert_eq!(decision.grant().unwrap().attributes["type"], "instance");
}

#[test]
fn rejects_session_tokens_bent_in_one_place() {
    let other: Jwk = OTHER_KEY.public_jwk();
    let none = format!("{}.{}.", "eyJhbGciOiJub25lIn0", token(json!({})).split('.').nth(1).unwrap());
    let foreign = {
        let good = token(json!({}));
        let claims: Value = serde_json::from_slice(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap(),
        )
        .unwrap();
        encode_jwt(&OTHER_KEY, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
    };
    for (what, token, expected) in [
        ("another private key", token(json!({"jwk": serde_json::to_string(&other).unwrap()})), "signature"),
        ("a key that is an object", token(json!({"jwk": serde_json::to_value(KEY.public_jwk()).unwrap()})), "token"),
        ("no key", token(json!({"jwk": null})), "token"),
        ("another issuer", token(json!({"iss": "https://authService.oracle.com"})), "token"),
        ("another audience", token(json!({"aud": "resourcePrincipalToken"})), "token"),
        ("no end", token(json!({"exp": null})), "token"),
        ("an end that has come", token(json!({"exp": at_date(0).as_second()})), "expired"),
        ("a start that has not", token(json!({"nbf": at_date(10).as_second()})), "not-yet"),
        ("no principal", token(json!({"sub": null})), "token"),
        ("no algorithm", none, "token"),
        ("a foreign signature", foreign, "token"),
        ("no token", "a.b.c".to_owned(), "token"),
    ] {
        assert_eq!(clause(&session(&token)), expected, "{what}");
    }
}

#[test]
fn a_remembered_token_still_ends() {
    let verifier = SessionVerifier::new(KeySet::of(KEY.public_key().unwrap()));
    let token = token(json!({}));
    assert!(verifier.verify(&token, at_date(0)).is_ok());
    assert!(verifier.verify(&token, at_date(1139)).is_ok());
    assert_eq!(verifier.verify(&token, at_date(1140)).unwrap_err().clause, "expired");
    assert!(verifier.verify(&token, at_date(0)).is_ok());
}

#[test]
fn a_token_that_ends_like_a_remembered_one_is_still_verified() {
    let verifier = SessionVerifier::new(KeySet::of(KEY.public_key().unwrap()));
    let good = token(json!({}));
    assert!(verifier.verify(&good, at_date(0)).is_ok());
    let other = token(json!({"sub": "ocid1.instance.oc1..other"}));
    let (claims, signature) = (other.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
    assert_eq!(verifier.verify(&format!("{claims}.{signature}"), at_date(0)).unwrap_err().clause, "token");
}

#[test]
fn no_part_of_a_token_stands_in_a_refusal() {
    let token = token(json!({"exp": at_date(-1).as_second()}));
    let decision = session(&token);
    let shown = format!("{decision:?}");
    assert!(token.split('.').all(|part| !shown.contains(part)), "{shown}");
    let parsed = format!("{:?}", KeyId::Session(&token));
    assert!(!parsed.contains(&token));
}
