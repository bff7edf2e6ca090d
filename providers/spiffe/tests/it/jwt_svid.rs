use carnet_jose::Algorithm;
use carnet_spiffe::{
    Bundle, BundleMap, JwtSvidRules, SvidClause, SvidError, VerifiedJwtSvid, verify_jwt_svid, verify_jwt_svid_with,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Domain, ID, LEEWAY, bundles, claims, claims_with, domain, now, seconds};

fn verify(token: &str, bundles: &BundleMap) -> Result<VerifiedJwtSvid, SvidError> {
    verify_jwt_svid(token, &[AUDIENCE], bundles, now(), LEEWAY)
}

/// The clause that refuses a token of a good domain with this header and these claims.
fn refused(header: &Value, claims: &Value) -> SvidClause {
    let domain = domain();
    verify(&domain.token(header, claims), &bundles(&[&domain])).unwrap_err().clause
}

fn refused_claim(name: &str, value: Value) -> SvidClause {
    refused(&json!({}), &claims_with(name, value))
}

/// A token whose parts are written as they are, with a signature that is none.
fn forged(header: &str) -> String {
    let encode = |text: &[u8]| base64url(text);
    format!("{}.{}.{}", encode(header.as_bytes()), encode(claims().to_string().as_bytes()), encode(&[7; 64]))
}

fn base64url(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn accepts_a_token_of_every_algorithm() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::EdDsa) {
        let domain = Domain::new("example.org", algorithm);
        let svid = verify(&domain.token(&json!({}), &claims()), &bundles(&[&domain])).unwrap();
        assert_eq!(svid.spiffe_id.as_str(), ID, "{algorithm}");
        assert_eq!((svid.audiences(), svid.expires_at()), (vec![AUDIENCE], Some(seconds(300))));
    }
}

#[test]
fn accepts_one_audience_as_a_string_and_one_of_several() {
    let domain = domain();
    for audience in [json!(AUDIENCE), json!(["other", AUDIENCE])] {
        verify(&domain.token(&json!({}), &claims_with("aud", audience)), &bundles(&[&domain])).unwrap();
    }
}

#[test]
fn accepts_both_types_and_none_and_private_claims() {
    let domain = domain();
    for kind in ["JWT", "JOSE"] {
        verify(&domain.token(&json!({ "typ": kind }), &claims()), &bundles(&[&domain])).unwrap();
    }
    let svid = verify(&domain.token(&json!({}), &claims_with("team", json!("pay"))), &bundles(&[&domain])).unwrap();
    assert_eq!(svid.claims().str("team"), Some("pay"));
}

#[test]
fn rejects_what_is_no_compact_jws() {
    let bundles = bundles(&[&domain()]);
    let json_form =
        json!({ "payload": "e30", "signatures": [{ "protected": "e30", "signature": "c2ln" }] }).to_string();
    for token in ["", "a.b", "a.b.c.d.e", json_form.as_str()] {
        assert_eq!(verify(token, &bundles).unwrap_err().clause, SvidClause::Form, "{token}");
    }
}

#[test]
fn rejects_algorithms_that_no_jwt_svid_has() {
    let domain = domain();
    for algorithm in ["none", "HS256", "HS512", "EdDSA", "es256", "ES256K", ""] {
        let token = forged(&json!({ "alg": algorithm, "kid": "key-1" }).to_string());
        let error = verify(&token, &bundles(&[&domain])).unwrap_err();
        assert_eq!(error.clause, SvidClause::Algorithm, "{algorithm}");
    }
    let ed = Domain::new("example.org", Algorithm::EdDsa);
    let error = verify(&ed.token(&json!({}), &claims()), &bundles(&[&ed])).unwrap_err();
    assert_eq!((error.clause, error.seen.as_deref()), (SvidClause::Algorithm, Some("EdDSA")));
}

#[test]
fn rejects_other_types() {
    for kind in [json!("wit+jwt"), json!("jwt"), json!("at+jwt"), json!(""), json!(1)] {
        assert_eq!(refused(&json!({ "typ": kind }), &claims()), SvidClause::Header, "{kind}");
    }
}

#[test]
fn rejects_further_header_members_unless_told_otherwise() {
    let domain = domain();
    let token = domain.token(&json!({ "cty": "x" }), &claims());
    let lax = JwtSvidRules { audiences: &[AUDIENCE], leeway: LEEWAY, strict_header: false, max_lifetime: None };
    assert_eq!(verify(&token, &bundles(&[&domain])).unwrap_err().clause, SvidClause::Header);
    verify_jwt_svid_with(&token, &lax, &bundles(&[&domain]), now()).unwrap();
    for member in ["crit", "jku", "x5u", "jwk", "b64"] {
        let token = domain.token(&json!({ member: "x" }), &claims());
        let error = verify_jwt_svid_with(&token, &lax, &bundles(&[&domain]), now()).unwrap_err();
        assert_eq!(error.clause, SvidClause::Header, "{member}");
    }
}

#[test]
fn rejects_a_token_without_a_key_id() {
    let bundles = bundles(&[&domain()]);
    for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": "" })] {
        assert_eq!(verify(&forged(&header.to_string()), &bundles).unwrap_err().clause, SvidClause::KeyId);
    }
}

#[test]
fn rejects_a_subject_that_is_no_workload() {
    for subject in
        [Value::Null, json!(1), json!(""), json!("user"), json!("spiffe://example.org"), json!("spiffe://A/b")]
    {
        assert_eq!(refused_claim("sub", subject.clone()), SvidClause::Subject, "{subject}");
    }
}

#[test]
fn rejects_a_foreign_trust_domain_and_never_tries_its_own_keys_on_it() {
    assert_eq!(refused_claim("sub", json!("spiffe://other.example/a")), SvidClause::TrustDomain);
}

#[test]
fn rejects_a_signature_by_another_domains_key_with_the_same_id() {
    let (own, foreign) = (domain(), Domain::new("other.example", Algorithm::Es256));
    let both = bundles(&[&own, &foreign]);
    let token = foreign.token(&json!({}), &claims());
    assert_eq!(verify(&token, &both).unwrap_err().clause, SvidClause::Signature);
    let honest = foreign.token(&json!({}), &claims_with("sub", json!("spiffe://other.example/a")));
    assert_eq!(verify(&honest, &both).unwrap().spiffe_id.trust_domain().as_str(), "other.example");
}

#[test]
fn rejects_a_key_that_is_not_in_the_bundle() {
    let domain = domain();
    let token = domain.token(&json!({ "kid": "key-2" }), &claims());
    let error = verify(&token, &bundles(&[&domain])).unwrap_err();
    assert_eq!((error.clause, error.seen.as_deref()), (SvidClause::Key, Some("key-2")));
    assert_eq!(error.wanted.as_deref(), Some("key-1"));
    let revoked: BundleMap = [Bundle::empty(domain.name.clone()).shared()].into_iter().collect();
    assert_eq!(verify(&token, &revoked).unwrap_err().clause, SvidClause::Key);
}

#[test]
fn rejects_a_key_of_another_type_than_the_algorithm() {
    let domain = domain();
    let token = forged(&json!({ "alg": "RS256", "kid": "key-1" }).to_string());
    assert_eq!(verify(&token, &bundles(&[&domain])).unwrap_err().clause, SvidClause::Key);
}

#[test]
fn rejects_a_bent_signature() {
    let domain = domain();
    let token = domain.token(&json!({}), &claims());
    let at = token.rfind('.').unwrap() + 10;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut bent = token;
    bent.replace_range(at..=at, other);
    assert_eq!(verify(&bent, &bundles(&[&domain])).unwrap_err().clause, SvidClause::Signature);
}

#[test]
fn rejects_a_token_just_past_the_leeway_and_not_before() {
    let domain = domain();
    let at = |seconds_ago: i64| {
        let token = domain.token(&json!({}), &claims_with("exp", json!(now().as_second() - seconds_ago)));
        verify(&token, &bundles(&[&domain])).map(drop).map_err(|error| error.clause)
    };
    assert_eq!(at(59), Ok(()));
    assert_eq!(at(60), Err(SvidClause::Expired));
}

#[test]
fn rejects_a_token_from_the_future() {
    for name in ["nbf", "iat"] {
        assert_eq!(refused_claim(name, json!(now().as_second() + 61)), SvidClause::NotYet, "{name}");
    }
}

#[test]
fn rejects_a_missing_or_unreadable_expiry() {
    let text = json!((now().as_second() + 300).to_string());
    for expiry in [Value::Null, text, json!([1]), json!({})] {
        assert_eq!(refused_claim("exp", expiry.clone()), SvidClause::Claim, "{expiry}");
    }
}

#[test]
fn rejects_a_token_for_somebody_else_or_for_nobody() {
    for audience in [Value::Null, json!([]), json!(""), json!(["other"]), json!(1), json!([AUDIENCE, 1])] {
        assert_eq!(refused_claim("aud", audience.clone()), SvidClause::Audience, "{audience}");
    }
    let domain = domain();
    let token = domain.token(&json!({}), &claims());
    let error = verify_jwt_svid(&token, &[], &bundles(&[&domain]), now(), LEEWAY).unwrap_err();
    assert_eq!(error.clause, SvidClause::Audience, "a verifier without a name believes nothing");
}

#[test]
fn rejects_longer_lives_than_allowed_where_that_is_bounded() {
    let domain = domain();
    let bound = |seconds| JwtSvidRules {
        audiences: &[AUDIENCE],
        leeway: LEEWAY,
        strict_header: true,
        max_lifetime: Some(SignedDuration::from_secs(seconds)),
    };
    let token = domain.token(&json!({}), &claims());
    verify_jwt_svid_with(&token, &bound(300), &bundles(&[&domain]), now()).unwrap();
    let error = verify_jwt_svid_with(&token, &bound(299), &bundles(&[&domain]), now()).unwrap_err();
    assert_eq!(error.clause, SvidClause::Lifetime);
}

#[test]
fn the_expiry_is_looked_at_before_the_audience() {
    let mut claims = claims_with("exp", json!(now().as_second() - 3600));
    claims["aud"] = json!(["other"]);
    assert_eq!(refused(&json!({}), &claims), SvidClause::Expired);
}

#[test]
fn nothing_of_the_token_stands_in_a_refusal() {
    let domain = domain();
    let token = domain.token(&json!({ "kid": "eyJhbGciOiJFUzI1NiJ9" }), &claims());
    let error = verify(&token, &bundles(&[&domain])).unwrap_err();
    let shown = carnet_core::Error::from(error.clone());
    for part in token.split('.') {
        assert!(!format!("{error:?} {shown:?}").contains(part));
    }
    assert_eq!(error.seen.as_deref(), Some("[redacted]"));
    assert_eq!(shown.failed_clause(), Some("key"));
}

proptest! {
    #[test]
    fn verifying_never_panics(token in any::<String>()) {
        prop_assert!(verify(&token, &BundleMap::default()).is_err());
    }
}
