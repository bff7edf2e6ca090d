//! Subject tokens that are refused, each bent in one place. The caller learns nothing but that; the audit says all.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Secret;
use carnet_issuer::{IssuerSettings, TrustedIssuer};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_store::Outcome;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::world::{AUTHORITY, ISSUER, NOW, World, claims, claims_with, issuer_key, object, rule, sign};

/// base64url without padding.
fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token is refused by this clause, the answer says nothing about why, and nothing is issued.
async fn assert_refused(token: &Secret, clause: &str) -> World {
    let world = World::new(vec![rule()]).await;
    refused_in(&world, token, clause).await;
    world
}

async fn refused_in(world: &World, token: &Secret, clause: &str) {
    let answer = world.exchange(token, &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    let expected = json!({
        "error": "invalid_request", "error_description": "the subject token is not accepted (request r-1)",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let row = world.last().await;
    assert_eq!((row.outcome, row.clause.as_deref()), (Outcome::Refused, Some(clause)), "{row:?}");
    assert_eq!((row.token_id, row.expires_at), (None, None));
    assert!(row.details.contains_key("seen") && row.details.contains_key("wanted") && row.details.contains_key("fix"));
}

fn with_header(header: Value) -> Secret {
    encode_jwt(issuer_key(), &object(header), &claims()).unwrap()
}

#[tokio::test]
async fn rejects_a_forged_signature() {
    let other = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("issuer-1");
    let token = encode_jwt(&other, &Map::new(), &claims()).unwrap();
    assert_refused(&token, "key").await;
    let genuine = sign(&claims());
    let (signed, signature) = genuine.expose().rsplit_once('.').unwrap();
    let changed = signature.replacen(|c: char| c != 'A', "A", 1);
    let world = assert_refused(&Secret::new(format!("{signed}.{changed}")), "signature").await;
    // What was claimed names nobody who asked.
    let row = world.last().await;
    assert_eq!((row.subject.as_str(), row.actor.as_str()), ("repo:org/app:main", ""));
    assert_eq!(row.details["proved"], false);
}

#[tokio::test]
async fn rejects_claims_that_were_changed() {
    let genuine = sign(&claims());
    let parts: Vec<&str> = genuine.expose().split('.').collect();
    let forged = encode(Value::Object(claims_with(json!({ "owner_id": "42", "app": "admin" }))).to_string());
    assert_refused(&Secret::new(format!("{}.{forged}.{}", parts[0], parts[2])), "signature").await;
}

#[tokio::test]
async fn rejects_an_expired_token() {
    assert_refused(&sign(&claims_with(json!({ "exp": NOW - 31 }))), "expired").await;
}

#[tokio::test]
async fn accepts_a_token_within_the_leeway() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims_with(json!({ "exp": NOW - 29 }))), &[]).await.token();
}

#[tokio::test]
async fn rejects_a_token_from_the_future() {
    assert_refused(&sign(&claims_with(json!({ "nbf": NOW + 31 }))), "not-yet").await;
    assert_refused(&sign(&claims_with(json!({ "iat": NOW + 31, "nbf": null }))), "not-yet").await;
}

#[tokio::test]
async fn rejects_a_token_without_end_and_one_that_lives_too_long() {
    assert_refused(&sign(&claims_with(json!({ "exp": null }))), "claim").await;
    assert_refused(&sign(&claims_with(json!({ "exp": NOW + 86_400 }))), "lifetime").await;
    assert_refused(&sign(&claims_with(json!({ "iat": null }))), "lifetime").await;
}

#[tokio::test]
async fn rejects_another_audience() {
    for audience in [json!("https://other.example"), json!(["https://other.example"]), json!([]), Value::Null] {
        assert_refused(&sign(&claims_with(json!({ "aud": audience }))), "audience").await;
    }
    assert_refused(&sign(&claims_with(json!({ "aud": format!("{AUTHORITY}/") }))), "audience").await;
}

#[tokio::test]
async fn rejects_the_algorithm_none() {
    let header = encode(r#"{"alg":"none","kid":"issuer-1","typ":"JWT"}"#);
    let claims = encode(Value::Object(claims()).to_string());
    assert_refused(&Secret::new(format!("{header}.{claims}.")), "header").await;
}

#[tokio::test]
async fn rejects_an_algorithm_that_is_not_the_keys() {
    for algorithm in ["HS256", "ES256", "PS256"] {
        let header = encode(json!({ "alg": algorithm, "kid": "issuer-1", "typ": "JWT" }).to_string());
        let genuine = sign(&claims());
        let rest = genuine.expose().split_once('.').unwrap().1;
        let clause = match algorithm {
            "HS256" => "header",
            // The published key says that it is for RS256.
            _ => "key",
        };
        assert_refused(&Secret::new(format!("{header}.{rest}")), clause).await;
    }
}

#[tokio::test]
async fn rejects_an_algorithm_that_the_issuer_is_not_configured_for() {
    let issuer = TrustedIssuer { algorithms: vec!["ES256".to_owned()], ..TrustedIssuer::new(ISSUER) };
    let world = World::with(vec![rule()], &[issuer], IssuerSettings::default()).await;
    refused_in(&world, &sign(&claims()), "header").await;
}

#[tokio::test]
async fn rejects_a_key_in_the_header() {
    let own = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = serde_json::to_value(own.public_jwk()).unwrap();
    let token = encode_jwt(&own, &object(json!({ "jwk": jwk })), &claims()).unwrap();
    assert_refused(&token, "header").await;
    for header in [
        json!({ "jku": "https://evil.example/jwks" }),
        json!({ "x5u": "https://evil.example" }),
        json!({ "crit": ["exp"] }),
    ] {
        let world = assert_refused(&with_header(header), "header").await;
        assert!(world.network.requests() <= 2, "nothing is fetched but the issuer's own documents");
    }
}

#[tokio::test]
async fn rejects_a_token_of_another_class() {
    for typ in ["at+jwt", "logout+jwt", "secevent+jwt"] {
        assert_refused(&with_header(json!({ "typ": typ })), "header").await;
    }
}

#[tokio::test]
async fn rejects_a_duplicate_claim() {
    let genuine = sign(&claims());
    let parts: Vec<&str> = genuine.expose().split('.').collect();
    let text = Value::Object(claims()).to_string();
    let doubled = encode(text.replacen('{', r#"{"sub":"repo:org/app:admin","#, 1));
    assert_refused(&Secret::new(format!("{}.{doubled}.{}", parts[0], parts[2])), "form").await;
}

#[tokio::test]
async fn rejects_an_oversized_token() {
    assert_refused(&sign(&claims_with(json!({ "pad": "x".repeat(70_000) }))), "form").await;
}

#[tokio::test]
async fn rejects_a_deeply_nested_token() {
    let genuine = sign(&claims());
    let parts: Vec<&str> = genuine.expose().split('.').collect();
    let deep = encode(format!(r#"{{"iss":"{ISSUER}","a":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)));
    assert_refused(&Secret::new(format!("{}.{deep}.{}", parts[0], parts[2])), "form").await;
}

#[tokio::test]
async fn rejects_what_is_no_token() {
    for text in ["x", "a.b", "a.b.c", "....", "a.b.c.d.e"] {
        assert_refused(&Secret::new(text), "form").await;
    }
}

#[tokio::test]
async fn rejects_an_issuer_that_is_another_by_one_character() {
    for issuer in
        ["https://issuer.example/", "https://ISSUER.example", "https://issuer.example.evil", "http://issuer.example"]
    {
        let world = assert_refused(&sign(&claims_with(json!({ "iss": issuer }))), "issuer").await;
        assert_eq!(world.network.requests(), 0, "nobody is asked for the keys of {issuer}");
    }
    assert_refused(&sign(&claims_with(json!({ "iss": null }))), "issuer").await;
    assert_refused(&sign(&claims_with(json!({ "iss": [ISSUER] }))), "issuer").await;
}

#[tokio::test]
async fn rejects_a_token_without_subject() {
    assert_refused(&sign(&claims_with(json!({ "sub": null }))), "subject").await;
    assert_refused(&sign(&claims_with(json!({ "sub": "" }))), "subject").await;
    assert_refused(&sign(&claims_with(json!({ "sub": 7 }))), "subject").await;
}

#[tokio::test]
async fn rejects_a_missing_type_where_one_is_wanted() {
    let mut members = object(serde_json::to_value(TrustedIssuer::new(ISSUER)).unwrap());
    members.insert("require_type".to_owned(), json!(true));
    let issuer: TrustedIssuer = serde_json::from_value(Value::Object(members)).unwrap();
    let world = World::with(vec![rule()], &[issuer], IssuerSettings::default()).await;
    let header = encode(r#"{"alg":"RS256","kid":"issuer-1"}"#);
    let signed = format!("{header}.{}", encode(Value::Object(claims()).to_string()));
    let signature = issuer_key().sign(signed.as_bytes()).unwrap();
    let signature = encode(signature);
    refused_in(&world, &Secret::new(format!("{signed}.{signature}")), "header").await;
    world.exchange(&sign(&claims()), &[]).await.token();
}

#[tokio::test]
async fn rejects_an_svid_of_an_unknown_trust_domain_and_a_forged_one() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k");
    for (subject, clause) in [("spiffe://evil.example/x", "trust-domain"), ("spiffe://example.org/x", "key")] {
        let claims = claims_with(json!({ "sub": subject, "iss": null }));
        assert_refused(&encode_jwt(&key, &Map::new(), &claims).unwrap(), clause).await;
    }
}
