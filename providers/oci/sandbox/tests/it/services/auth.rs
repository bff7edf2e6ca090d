//! Tokens for who has a credential already, and answers for relying parties.

use carnet_oci_sandbox::seed;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{Cloud, GENERAL, SESSION, STRANGER, Signer, claims, session};

fn unauthenticated() -> (u16, String) {
    (401, "NotAuthenticated".to_owned())
}

fn public_key() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(SESSION.public_spki())
}

async fn generate(cloud: &Cloud, minutes: Value) -> super::support::Answer {
    let body = json!({"publicKey": SESSION.public_pem().unwrap(), "sessionExpirationInMinutes": minutes});
    cloud.post(&cloud.admin(), "oci-auth", "/v1/token/upst/actions/GenerateUpst", &body).await
}

#[tokio::test]
async fn a_user_with_an_api_key_gets_a_session() {
    let cloud = Cloud::shared().await;
    // The CLI sends its argument as it was typed.
    assert_eq!(generate(&cloud, json!("30")).await.status, 200);
    let upst = session(&generate(&cloud, json!(30)).await.ok());
    let token = claims(&upst);
    assert_eq!((token["ptype"].as_str(), token["sub"].as_str()), (Some("user"), Some(seed::ADMIN_USER)));
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 1800);
    let users = format!("/20160918/users?compartmentId={}", seed::TENANCY);
    assert_eq!(cloud.get(&upst, "oci-identity", &users).await.status, 200, "the session has the user's groups");
}

#[tokio::test]
async fn rejects_sessions_of_another_length_and_without_an_api_key() {
    let cloud = Cloud::shared().await;
    for minutes in [json!(4), json!(61), json!(-1), json!("x"), json!("61")] {
        assert_eq!(generate(&cloud, minutes.clone()).await.error(), (400, "InvalidParameter".to_owned()), "{minutes}");
    }
    let body = json!({"publicKey": SESSION.public_pem().unwrap()});
    let instance = cloud.instance().await;
    let answer = cloud.post(&instance, "oci-auth", "/v1/token/upst/actions/GenerateUpst", &body).await;
    assert_eq!(answer.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "key");
}

#[tokio::test]
async fn refreshing_does_not_extend_the_session() {
    let cloud = Cloud::new();
    let upst = session(&generate(&cloud, json!(60)).await.ok());
    let refresh = async |signer: &Signer, token: &str| {
        let body = json!({"currentToken": token});
        cloud.post(signer, "oci-auth", "/v1/authentication/refresh", &body).await
    };
    let end = claims(&upst)["exp"].clone();
    cloud.advance(SignedDuration::from_mins(40));
    let later = session(&refresh(&upst, &upst.key_id["ST$".len()..]).await.ok());
    assert_ne!(later.key_id, upst.key_id);
    assert_eq!(claims(&later)["exp"], end);
    assert_eq!(claims(&later)["jwk"], claims(&upst)["jwk"]);
    assert_eq!(refresh(&upst, &later.key_id["ST$".len()..]).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "session");
    let instance = cloud.instance().await;
    assert_eq!(refresh(&instance, &instance.key_id["ST$".len()..]).await.error(), unauthenticated());
    cloud.advance(SignedDuration::from_mins(21));
    assert_eq!(refresh(&later, &later.key_id["ST$".len()..]).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "expired");
}

#[tokio::test]
async fn a_scoped_token_acts_as_its_caller_with_another_key() {
    let cloud = Cloud::shared().await;
    let body = json!({"scope": "urn:x", "public_key": public_key(), "target_compartment": seed::COMPARTMENT});
    let mut draft = cloud.draft("oci-auth", Method::POST, "/v1/oauth2/scoped").signed(super::support::WITHOUT_HOST);
    draft.body = serde_json::to_vec(&body).unwrap();
    let answer = cloud.send("oci-auth", draft.sign(&cloud.function())).await;
    let scoped = session(&answer.ok());
    assert_eq!(claims(&scoped)["sub"], seed::FUNCTION);
    let buckets = format!("/n/{}/b/{}", seed::NAMESPACE, seed::BUCKET);
    assert_eq!(cloud.get(&scoped, "oci-objectstorage", &buckets).await.status, 200);
}

async fn scope_down(cloud: &Cloud, signer: &Signer) -> super::support::Answer {
    let body = json!({"scope": "urn:x", "public_key": public_key()});
    cloud.post(signer, "oci-auth", "/v1/oauth2/scoped", &body).await
}

#[tokio::test]
async fn a_scoped_token_ends_with_the_session_that_asked_for_it() {
    let cloud = Cloud::new();
    let upst = session(&generate(&cloud, json!(30)).await.ok());
    cloud.advance(SignedDuration::from_mins(25));
    let scoped = session(&scope_down(&cloud, &upst).await.ok());
    assert_eq!(claims(&scoped)["exp"], claims(&upst)["exp"]);
    let body = json!({"scope": "urn:oracle:db::id::*", "publicKey": SESSION.public_pem().unwrap()});
    let database = cloud.post(&upst, "oci-auth", "/v1/actions/generateScopedAccessToken", &body).await;
    assert_eq!(claims(&session(&database.ok()))["exp"], claims(&upst)["exp"]);
}

#[tokio::test]
async fn rejects_scoped_tokens_that_ask_for_tokens() {
    let cloud = Cloud::shared().await;
    let scoped = session(&scope_down(&cloud, &cloud.function()).await.ok());
    assert_eq!(scope_down(&cloud, &scoped).await.error(), unauthenticated());
    assert_eq!(cloud.last_clause(), "token");
    let body = json!({"scope": "urn:oracle:db::id::*", "publicKey": SESSION.public_pem().unwrap()});
    let database = cloud.post(&scoped, "oci-auth", "/v1/actions/generateScopedAccessToken", &body).await;
    assert_eq!(database.error(), unauthenticated());
}

#[tokio::test]
async fn a_database_token_is_no_session_token() {
    let cloud = Cloud::shared().await;
    let body = json!({"scope": "urn:oracle:db::id::*", "publicKey": SESSION.public_pem().unwrap()});
    let answer = cloud.post(&cloud.admin(), "oci-auth", "/v1/actions/generateScopedAccessToken", &body).await;
    let token = session(&answer.ok());
    assert_eq!(claims(&token)["aud"], format!("urn:oracle:db:{}", seed::TENANCY));
    assert_eq!(claims(&token)["ttype"], "scoped_access");
    assert_eq!(cloud.get(&token, "oci-objectstorage", "/n").await.error(), unauthenticated());
    let body = json!({"scope": "urn:other", "publicKey": SESSION.public_pem().unwrap()});
    let answer = cloud.post(&cloud.admin(), "oci-auth", "/v1/actions/generateScopedAccessToken", &body).await;
    assert_eq!(answer.error(), (400, "InvalidParameter".to_owned()));
}

/// The headers of a login request to somebody else, as a relying party passes them on.
fn login(cloud: &Cloud, signer: &Signer) -> Value {
    let draft = cloud.draft("oci-auth", Method::GET, "/v1/auth/oci/login/reader").at("vault.example").signed(GENERAL);
    json!({"requestHeaders": {
        "authorization": [draft.authorization(signer)],
        "date": [draft.sent()[0].1],
        "host": ["vault.example"],
        "(request-target)": ["get /v1/auth/oci/login/reader"],
    }})
}

#[tokio::test]
async fn relying_parties_learn_who_signed_and_in_which_groups_that_is() {
    let cloud = Cloud::shared().await;
    let asker = cloud.instance().await;
    let ask =
        async |body: &Value| cloud.post(&asker, "oci-auth", "/v1/authentication/authenticateClient", body).await.ok();
    let found = ask(&login(&cloud, &cloud.admin())).await;
    assert_eq!(found["success"], true);
    assert_eq!(found["principal"]["subjectId"], seed::ADMIN_USER);
    assert_eq!(found["principal"]["tenantId"], seed::TENANCY);
    let claims = found["principal"]["claims"].as_array().unwrap();
    let has =
        |key: &str, value: &str, issuer: &str| claims.contains(&json!({"key": key, "value": value, "issuer": issuer}));
    assert!(has("ptype", "user", "authService.oracle.com"), "{claims:?}");
    assert!(has("h_host", "vault.example", "h"), "{claims:?}");

    let groups = json!([seed::ADMIN_GROUP, seed::DEPLOYERS_GROUP, seed::INSTANCE_GROUP]);
    let filter = async |principal: &Value| {
        let body = json!({"principal": principal, "groupIds": groups});
        cloud.post(&asker, "oci-auth", "/v1/filterGroupMembership", &body).await.ok()["groupIds"].clone()
    };
    assert_eq!(filter(&found["principal"]).await, json!([seed::ADMIN_GROUP]));
    let instance = ask(&login(&cloud, &asker)).await;
    assert_eq!(filter(&instance["principal"]).await, json!([seed::INSTANCE_GROUP]));
}

#[tokio::test]
async fn a_login_that_does_not_verify_is_no_success() {
    let cloud = Cloud::shared().await;
    let asker = cloud.instance().await;
    let mut login = login(&cloud, &Signer { key: STRANGER.clone(), ..cloud.admin() });
    let target = login["requestHeaders"]["(request-target)"].clone();
    let answer = cloud.post(&asker, "oci-auth", "/v1/authentication/authenticateClient", &login).await.ok();
    assert_eq!((answer["success"].as_bool(), answer["principal"].is_null()), (Some(false), true));
    login["requestHeaders"]["(request-target)"] = json!([target[0], "get /elsewhere"]);
    let answer = cloud.post(&asker, "oci-auth", "/v1/authentication/authenticateClient", &login).await;
    assert_eq!(answer.error(), (400, "InvalidParameter".to_owned()));
    login["requestHeaders"].as_object_mut().unwrap().remove("(request-target)");
    let answer = cloud.post(&asker, "oci-auth", "/v1/authentication/authenticateClient", &login).await;
    assert_eq!(answer.error(), (400, "MissingParameter".to_owned()));
}

#[tokio::test]
async fn rejects_relying_parties_without_the_permission() {
    let cloud = Cloud::shared().await;
    let body = login(&cloud, &cloud.admin());
    let answer = cloud.post(&cloud.function(), "oci-auth", "/v1/authentication/authenticateClient", &body).await;
    assert_eq!(answer.error(), (404, "NotAuthorizedOrNotFound".to_owned()));
    assert_eq!(cloud.last_clause(), "policy");
}
