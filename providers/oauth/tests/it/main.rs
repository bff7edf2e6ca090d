//! The exchanges against a real authority over loopback: they share no wire code, so each reads the documents for itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what the tests share is not inside a test function")]

mod authority;

use carnet_core::{Credential, Error, ErrorKind, Kind, Material, Want};
use carnet_oauth::{Carnet, OAuth};
use carnet_x509::{ChainUsage, verify_chain_for};
use serde_json::{Value, json};

use crate::authority::{AUDIENCE, Authority, ID};

async fn exchange<C: carnet_core::ExchangeConfig>(
    authority: &Authority,
    section: Value,
    shown: &Credential,
) -> Result<Credential, Error> {
    let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    exchange.exchange(&authority.context, shown, &Want::default()).await
}

fn token(credential: &Credential) -> &str {
    match &credential.material {
        Material::Jwt(token) => token.expose(),
        Material::AccessToken(access) => access.token.expose(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_becomes_an_access_token() {
    let authority = Authority::start().await;
    let section = json!({"url": authority.url, "audience": AUDIENCE});
    let made = exchange::<Carnet>(&authority, section, &authority.subject("main")).await.unwrap();
    assert_eq!(made.kind(), Kind::AccessToken);
    assert!(authority.verifies(token(&made), AUDIENCE));
    assert_eq!(made.remaining(authority.context.now()).unwrap().as_secs(), 900);
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_becomes_a_jwt_svid_and_that_another_one() {
    let authority = Authority::start().await;
    let section = json!({"url": authority.url, "audience": authority.url, "issue": "jwt-svid"});
    let first = exchange::<Carnet>(&authority, section, &authority.subject("main")).await.unwrap();
    assert_eq!((first.kind(), first.facts["principal"].as_str()), (Kind::Jwt, ID));
    assert!(authority.verifies(token(&first), &authority.url));
    let section =
        json!({"url": authority.url, "audience": AUDIENCE, "issue": "jwt-svid", "subject_token_type": "jwt-svid"});
    let second = exchange::<Carnet>(&authority, section, &first).await.unwrap();
    assert_eq!((second.facts["principal"].as_str(), second.facts["audience"].as_str()), (ID, AUDIENCE));
    assert!(authority.verifies(token(&second), AUDIENCE));
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_becomes_a_certificate_for_a_key_made_here() {
    let authority = Authority::start().await;
    let section = json!({"url": authority.url, "issue": "x509-svid"});
    let made = exchange::<Carnet>(&authority, section, &authority.subject("main")).await.unwrap();
    assert_eq!((made.kind(), made.facts["principal"].as_str()), (Kind::X509, ID));
    let Material::X509(identity) = &made.material else { panic!("{made:?}") };
    let (leaf, more) = identity.chain.split_first().unwrap();
    verify_chain_for(ChainUsage::Client, leaf, more, &authority.roots(), authority.context.now()).unwrap();
    assert_eq!(made.remaining(authority.context.now()).unwrap().as_secs(), 3600);
}

#[tokio::test]
async fn the_standard_exchange_speaks_with_our_authority_too() {
    let authority = Authority::start().await;
    let section = json!({"issuer": authority.url, "audiences": [AUDIENCE], "requested_token_type": "jwt"});
    let made = exchange::<OAuth>(&authority, section, &authority.subject("main")).await.unwrap();
    assert_eq!((made.kind(), made.facts["subject"].as_str()), (Kind::Jwt, ID));
    for grant in ["jwt-bearer", "client-credentials"] {
        let section = json!({"issuer": authority.url, "grant": grant, "audiences": [AUDIENCE], "scopes": ["read"]});
        let made = exchange::<OAuth>(&authority, section, &authority.subject("main")).await;
        let made = made.unwrap_or_else(|error| panic!("{grant}: {error:?}"));
        assert_eq!((made.kind(), made.facts["scope"].as_str()), (Kind::AccessToken, "read"), "{grant}");
        assert!(authority.verifies(token(&made), AUDIENCE), "{grant}");
    }
}

/// One good exchange, bent in one place.
#[tokio::test]
async fn refusals_of_the_authority_are_told_apart() {
    let authority = Authority::start().await;
    let good = json!({"issuer": authority.url, "audiences": [AUDIENCE]});
    let with = |name: &str, value: Value| {
        let mut section = good.clone();
        section[name] = value;
        section
    };
    let main = authority.subject("main");
    exchange::<OAuth>(&authority, good.clone(), &main).await.unwrap();
    for (section, shown, code, clause) in [
        (with("audiences", json!(["https://other.example"])), &main, Some("invalid_target"), "target"),
        (with("scopes", json!(["admin"])), &main, Some("invalid_scope"), "scope"),
        // RFC 8693, 2.2.2 gives this code for a subject token that is not accepted.
        (good.clone(), &authority.subject("other"), Some("invalid_request"), "request"),
        (with("requested_token_type", json!("urn:x:unknown")), &main, Some("invalid_request"), "request"),
        (with("issuer", json!(format!("{}/", authority.url))), &main, None, "issuer"),
    ] {
        let error = exchange::<OAuth>(&authority, section.clone(), shown).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.provider_code(), error.failed_clause()),
            (ErrorKind::Refused, code, Some(clause))
        );
        assert!(!format!("{error:?}").contains(token(shown).rsplit('.').next().unwrap()));
    }
}

#[tokio::test]
async fn a_secret_that_the_authority_does_not_take_is_told() {
    let authority = Authority::start().await;
    let section = json!({"issuer": authority.url, "client_id": "app", "client_secret": "hunter22"});
    let error = exchange::<OAuth>(&authority, section, &authority.subject("main")).await.unwrap_err();
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("invalid_client"), Some("client")));
}
