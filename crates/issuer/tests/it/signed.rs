//! Logins by signed request, with the emulated OCI and AWS as those who answer.

mod aws;
mod cloud;
mod groups;
mod offline;

use carnet_issuer::{IssuerSettings, RuleSet, TrustedIssuer};
use carnet_oci_sandbox::seed;
use carnet_store::Outcome;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, EXCHANGE},
    world::{AUDIENCE, AUTHORITY, World},
};
use cloud::{Cloud, DATE, Draft, IDENTITY, STORAGE, issuer, rule};

const LOGIN: &str = "/v1/auth/oci/login";

#[tokio::test]
async fn a_user_logs_in_by_its_api_key() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let answer = cloud.log_in(&cloud.admin()).await;
    let token = answer.token();
    let claims = cloud.world.verify(&token, AUDIENCE, "at+jwt");
    assert_eq!(claims.claims().str("sub"), Some("spiffe://example.org/oci/user"));
    let row = cloud.world.last().await;
    assert_eq!(
        (row.action.as_str(), row.outcome, row.rule.as_deref()),
        ("token.exchange", Outcome::Allowed, Some("oci"))
    );
    assert_eq!((row.subject.as_str(), &row.details["shown"]), (seed::ADMIN_USER, &json!("oci-request")));
    assert_eq!(row.details["issuer"], issuer());
}

#[tokio::test]
async fn the_same_is_a_subject_token() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let login = cloud.admin().token();
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", "urn:carnet:token-type:oci-request"),
        ("subject_token", &*login),
        ("requested_token_type", ACCESS_TOKEN),
    ];
    cloud.world.ask(&fields).await.token();
    assert_eq!(cloud.world.ask(&fields).await.error(), "invalid_request");
    assert_eq!(cloud.world.clause().await, "replay");
    let as_actor = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", "urn:carnet:token-type:oci-request"),
        ("subject_token", &*login),
        ("actor_token_type", "urn:carnet:token-type:oci-request"),
        ("actor_token", &*login),
    ];
    assert_eq!(cloud.world.ask(&as_actor).await.error(), "invalid_request");
    assert_eq!(cloud.world.clause().await, "request");
}

#[tokio::test]
async fn a_function_logs_in_by_a_read_that_needs_no_permission() {
    let of_function =
        json!({ "subject": seed::FUNCTION, "claims": { "compartment": seed::COMPARTMENT, "ptype": "fnfunc" } });
    let cloud = Cloud::new(vec![rule(of_function)]).await;
    cloud.log_in(&cloud.function()).await.token();
    assert_eq!(cloud.world.last().await.subject, seed::FUNCTION);
}

#[tokio::test]
async fn names_of_users_are_claims() {
    let claims = json!({ "claims": { "name": [seed::ADMIN_USER_NAME, "other"] } });
    let cloud = Cloud::new(vec![rule(claims)]).await;
    cloud.log_in(&cloud.admin()).await.token();
    let others = Cloud::new(vec![rule(json!({ "claims": { "name": "other" } }))]).await;
    refused(&others, &others.admin(), "claims", StatusCode::UNAUTHORIZED).await;
}

/// Refused, with this clause in the audit; the caller learns no reason.
async fn refused(cloud: &Cloud, draft: &Draft, clause: &str, status: StatusCode) {
    let answer = cloud.log_in(draft).await;
    assert_eq!((cloud.world.clause().await.as_str(), answer.status), (clause, status), "{}", answer.text);
    assert!(!answer.text.contains("ocid1"), "{}", answer.text);
    if status == StatusCode::UNAUTHORIZED {
        assert_eq!(answer.headers["www-authenticate"], "Signature realm=\"carnet\"");
    }
}

async fn unproved(cloud: &Cloud, draft: Draft, clause: &str) {
    refused(cloud, &draft, clause, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn rejects_a_login_that_was_used_before() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let login = cloud.admin();
    cloud.log_in(&login).await.token();
    let asked = cloud.world.network.requests();
    refused(&cloud, &login, "replay", StatusCode::UNAUTHORIZED).await;
    assert_eq!(cloud.world.network.requests(), asked, "Oracle is asked again");
    cloud.log_in(&login.with("x-carnet-nonce", "2")).await.token();
}

#[tokio::test]
async fn nobody_is_kept_out_by_whoever_signs_without_end() {
    let cloud = Cloud::forgetful(vec![rule(json!({}))]).await;
    // It is of the tenancy, no rule speaks of it, and it takes all the room that there is.
    let stranger = cloud.function();
    refused(&cloud, &stranger, "subject", StatusCode::UNAUTHORIZED).await;
    refused(&cloud, &stranger, "replay", StatusCode::UNAUTHORIZED).await;
    refused(&cloud, &stranger.with("x-carnet-nonce", "2"), "subject", StatusCode::UNAUTHORIZED).await;
    let login = cloud.admin();
    cloud.log_in(&login).await.token();
    refused(&cloud, &login, "single-use", StatusCode::UNAUTHORIZED).await;
    let login = cloud.admin().with("x-carnet-nonce", "3");
    let at_once: Vec<_> =
        std::iter::repeat_with(|| cloud.log_in(&login)).take(4).collect::<FuturesUnordered<_>>().collect().await;
    assert_eq!(at_once.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1, "also at once");
}

#[tokio::test]
async fn rejects_a_login_that_was_used_at_another_node() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let (store, files) = (cloud.world.store.clone(), cloud.files.clone());
    let other = World::over(store, files, vec![rule(json!({}))], &[], IssuerSettings::default()).await;
    other.network.open(cloud.internet.clone());
    let login = cloud.admin();
    cloud.log_in(&login).await.token();
    let answer = other.post_json(LOGIN, &login.json()).await;
    assert_eq!((answer.status, other.clause().await.as_str()), (StatusCode::UNAUTHORIZED, "single-use"));
}

#[tokio::test]
async fn rejects_a_login_for_another_rule() {
    let cloud = Cloud::new(vec![rule(json!({})), rule(json!({ "name": "other", "identity": "/oci/other" }))]).await;
    let only = |name: &str| cloud.admin().with("x-carnet-audience", &format!("{AUTHORITY}#{name}"));
    let token = cloud.log_in(&only("other")).await.token();
    let claims = cloud.world.verify(&token, AUDIENCE, "at+jwt");
    assert_eq!(claims.claims().str("sub"), Some("spiffe://example.org/oci/other"));
    refused(&cloud, &only("third"), "rule", StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn rejects_a_login_that_was_made_for_somebody_else() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    unproved(&cloud, cloud.admin().with("x-carnet-audience", "https://other.example"), "audience").await;
    // Without our name it is for whoever is shown it, which no rule takes unless it says so.
    refused(&cloud, &cloud.admin().without("x-carnet-audience"), "audience", StatusCode::UNAUTHORIZED).await;
    let host = format!("https://{IDENTITY}");
    let risky = json!({ "expected_audiences": [host], "accept_risk": "the client cannot sign further headers" });
    let careless = Cloud::new(vec![rule(risky)]).await;
    careless.log_in(&careless.admin().without("x-carnet-audience")).await.token();
}

#[tokio::test]
async fn rejects_each_login_that_is_bent_in_one_place() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let good = cloud.admin();
    let asked = cloud.world.network.requests();
    unproved(&cloud, good.with("host", "identity.us-ashburn-1.oraclecloud.com.evil.example"), "host").await;
    unproved(&cloud, good.with("host", "identity.eu-madrid-2.oraclecloud.eu"), "host").await;
    unproved(&cloud, good.with("date", "Sat, 21 Nov 2026 12:06:00 GMT"), "date").await;
    unproved(&cloud, good.with("date", "Sat, 21 Nov 2026 11:54:00 GMT"), "date").await;
    unproved(&cloud, good.with("x-date", DATE), "date").await;
    unproved(&cloud, good.about("ocid1.user.oc1..u/../../groups/ocid1.group.oc1..g"), "user").await;
    unproved(&cloud, good.about(seed::SERVICE_USER), "signer").await;
    unproved(&cloud, Draft { unsigned: vec!["x-carnet-audience"], ..good.clone() }, "signed-headers").await;
    unproved(&cloud, Draft { key_id: "x/y".to_owned(), ..good.clone() }, "authorization").await;
    let stranger = good.key_id.replace(seed::TENANCY, "ocid1.tenancy.oc1..stranger");
    unproved(&cloud, Draft { key_id: stranger, ..good.clone() }, "issuer").await;
    assert_eq!(cloud.world.network.requests(), asked, "somebody was asked");
    // Off by four minutes is near enough, for us and for Oracle.
    cloud.log_in(&good.with("date", "Sat, 21 Nov 2026 12:04:00 GMT")).await.token();
}

#[tokio::test]
async fn rejects_a_signature_that_oracle_does_not_take() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let forged = Draft { key: cloud::STRANGER.clone(), ..cloud.admin() };
    unproved(&cloud, forged, "signature").await;
    let other = Draft { target: "/20160918/users".to_owned(), ..cloud.admin() };
    unproved(&cloud, other, "signature").await;
    // A session's is verified before anybody is asked.
    let asked = cloud.world.network.requests();
    unproved(&cloud, Draft { key: cloud::STRANGER.clone(), ..cloud.function() }, "signature").await;
    assert_eq!(cloud.world.network.requests(), asked);
}

#[tokio::test]
async fn rejects_a_token_that_oracle_did_not_make() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    unproved(&cloud, cloud::forged_session(json!({ "sub": seed::ADMIN_USER, "ptype": "user" })), "signature").await;
}

#[tokio::test]
async fn an_oracle_that_is_away_is_no_refusal() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    for status in [429, 500, 503] {
        cloud.world.network.answer_all(status);
        refused(&cloud, &cloud.admin(), "answer", StatusCode::SERVICE_UNAVAILABLE).await;
    }
    for status in [302, 204, 400] {
        cloud.world.network.answer_all(status);
        unproved(&cloud, cloud.admin(), "answer").await;
    }
    // A login that nobody has looked at is not used up.
    cloud.world.network.answer_all(0);
    cloud.log_in(&cloud.admin()).await.token();
}

#[tokio::test(start_paused = true)]
async fn an_oracle_that_hangs_is_waited_for_a_bounded_time() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    cloud.world.network.hang();
    let before = tokio::time::Instant::now();
    refused(&cloud, &cloud.admin(), "answer", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(before.elapsed() < std::time::Duration::from_secs(6));
}

#[tokio::test]
async fn whoever_lets_logins_hang_keeps_nobody_else_out() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let login = |peer: &str, nonce: usize| {
        let draft = cloud.admin().with("x-carnet-nonce", &nonce.to_string());
        cloud.world.send(cloud::request(peer, LOGIN, &draft.json()))
    };
    cloud.world.network.hang();
    let asked = cloud.world.network.requests();
    let mut hanging: FuturesUnordered<_> = (0..9).map(|nonce| login("192.0.2.7:1", nonce)).collect();
    // The ninth is told at once; the others wait for Oracle.
    let ninth = hanging.next().await.unwrap();
    assert_eq!(ninth.status, StatusCode::SERVICE_UNAVAILABLE, "{}", ninth.text);
    assert_eq!(cloud.world.last().await.details["seen"], "too many requests of this caller are on their way");
    assert_eq!(cloud.world.network.requests(), asked + 8);
    cloud.world.network.recover();
    login("192.0.2.8:1", 10).await.token();
    assert_eq!(login("192.0.2.7:2", 11).await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(hanging);
    login("192.0.2.7:2", 12).await.token();
}

#[tokio::test]
async fn rejects_each_answer_that_is_not_the_users() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let url = format!("https://{IDENTITY}/20160918/users/{}", seed::ADMIN_USER);
    let good =
        json!({ "id": seed::ADMIN_USER, "compartmentId": seed::TENANCY, "name": "n", "lifecycleState": "ACTIVE" });
    for (member, value, clause) in [
        ("id", json!(seed::SERVICE_USER), "user"),
        ("compartmentId", json!("ocid1.tenancy.oc1..other"), "tenancy"),
        ("lifecycleState", json!("DELETED"), "state"),
        ("name", Value::Null, "answer"),
    ] {
        let mut user = good.clone();
        user[member] = value;
        cloud.world.network.answer(&url, user.to_string());
        unproved(&cloud, cloud.admin(), clause).await;
    }
}

#[tokio::test]
async fn rejects_bodies_that_are_no_logins() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let good = cloud.admin().json();
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for body in
        [json!([]), json!({}), with("identityId", json!("x")), with("headers", json!("x")), with("user", json!(7))]
    {
        let answer = cloud.world.post_json(LOGIN, &body).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_request"), "{body}");
        assert_eq!(cloud.world.clause().await, "request");
    }
    let certificate = with("requested_token_type", json!("urn:carnet:token-type:x509-svid"));
    assert_eq!(cloud.world.post_json(LOGIN, &certificate).await.error(), "invalid_request");
    let target = with("audience", json!(["https://stranger.example"]));
    assert_eq!(cloud.world.post_json(LOGIN, &target).await.error(), "invalid_target");
    assert_eq!(cloud.world.post(LOGIN, &[("user", "x")]).await.error(), "invalid_request");
}

#[tokio::test]
async fn rejects_a_function_of_which_no_rule_speaks() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    refused(&cloud, &cloud.function(), "subject", StatusCode::UNAUTHORIZED).await;
    let at = cloud.function().with("host", "objectstorage.eu-madrid-2.oraclecloud.eu");
    unproved(&cloud, at, "host").await;
    assert_eq!(cloud.function().host(), STORAGE);
}

#[test]
fn rejects_each_mistake_of_a_tenancy_or_account() {
    let of = |issuer: &str| TrustedIssuer::new(issuer);
    let (oci, aws) = (issuer(), "aws://123456789012");
    let jwks = || Some(json!({ "keys": [cloud::STRANGER.public_jwk()] }));
    for (trusted, field) in [
        (of("oci://ocid1.user.oc1..a"), "issuer"),
        (of("aws://1"), "issuer"),
        (TrustedIssuer { discovery_url: Some(AUTHORITY.to_owned()), ..of(&oci) }, "discovery_url"),
        (TrustedIssuer { max_age: Some(60), ..of(&oci) }, "max_age"),
        (TrustedIssuer { regions: vec!["us ashburn".to_owned()], ..of(&oci) }, "regions"),
        (TrustedIssuer { leeway: Some(301), ..of(&oci) }, "leeway"),
        (TrustedIssuer { jwks: jwks(), ..of(aws) }, "jwks"),
    ] {
        let mistakes = RuleSet::load_with(Vec::new(), &[trusted], None).unwrap_err();
        assert_eq!(mistakes[0].field, format!("issuers[0].{field}"), "{mistakes:?}");
    }
    RuleSet::load_with(Vec::new(), &[TrustedIssuer { jwks: jwks(), ..of(&oci) }, of(aws)], None).unwrap();
}
