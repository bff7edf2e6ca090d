//! `GetCallerIdentity`, signed by a user of the emulated AWS.

use carnet_aws_sandbox::seed;
use carnet_core::{AwsKeys, Request, Secret};
use carnet_issuer::Rule;
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

use super::cloud::Cloud;
use crate::world::{AUDIENCE, AUTHORITY, NOW};

const LOGIN: &str = "/v1/auth/aws/login";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

fn rule(members: Value) -> Rule {
    let mut rule = json!({
        "name": "aws", "issuer": format!("aws://{}", seed::ACCOUNT), "subject": "AIDACARNETSANDBOX2345", "identity": "/aws/{name}",
        "issue": ["access-token"], "audiences": [AUDIENCE], "claims": { "name": seed::USER, "kind": "user" },
    });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(rule).unwrap()
}

fn login(secret: &str, audience: &str, late: i64) -> Value {
    let keys = AwsKeys {
        access_key_id: seed::ACCESS_KEY_ID.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: None,
    };
    let url = Url::parse("https://sts.eu-central-1.amazonaws.com/").unwrap();
    let request = Request::new(Method::POST, url)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .header(HeaderName::from_static("x-carnet-audience"), HeaderValue::from_str(audience).unwrap())
        .body(BODY);
    let time = Timestamp::from_second(NOW + late).unwrap();
    let signed = sign(request, &keys, &Scope { time, region: "eu-central-1", service: "sts" }).unwrap();
    let headers: Map<String, Value> =
        signed.headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
    json!({ "account": seed::ACCOUNT, "headers": headers })
}

fn good() -> Value {
    login(seed::SECRET_ACCESS_KEY, AUTHORITY, 0)
}

async fn refused(cloud: &Cloud, login: &Value, clause: &str, status: StatusCode) {
    let answer = cloud.world.post_json(LOGIN, login).await;
    assert_eq!((cloud.world.clause().await.as_str(), answer.status), (clause, status), "{}", answer.text);
}

#[tokio::test]
async fn a_user_logs_in() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let token = cloud.world.post_json(LOGIN, &good()).await.token();
    let claims = cloud.world.verify(&token, AUDIENCE, "at+jwt");
    assert_eq!(claims.claims().str("sub"), Some("spiffe://example.org/aws/builder"));
    assert_eq!(cloud.world.last().await.details["shown"], "aws-request");
    refused(&cloud, &good(), "replay", StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn rejects_each_login_that_is_bent_in_one_place() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let refused = async |login: Value, clause: &str| refused(&cloud, &login, clause, StatusCode::UNAUTHORIZED).await;
    refused(login(seed::SECRET_ACCESS_KEY, "https://other.example", 0), "audience").await;
    refused(login(seed::SECRET_ACCESS_KEY, AUTHORITY, 360), "date").await;
    refused(login(seed::SECRET_ACCESS_KEY, AUTHORITY, -360), "date").await;
    refused(login("another", AUTHORITY, 0), "signature").await;
    let mut account = good();
    account["account"] = json!("210987654321");
    refused(account, "issuer").await;
    let mut host = good();
    host["headers"]["host"] = json!("sts.us-east-1.amazonaws.com");
    refused(host, "host").await;
}

#[tokio::test]
async fn rejects_principals_of_another_account_and_answers_that_are_none() {
    let cloud = Cloud::new(vec![rule(json!({}))]).await;
    let url = "https://sts.eu-central-1.amazonaws.com/";
    let result =
        json!({ "Account": "210987654321", "Arn": "arn:aws:iam::210987654321:user/builder", "UserId": "AIDA2" });
    let answer = json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result } });
    cloud.world.network.answer(url, answer.to_string());
    refused(&cloud, &good(), "account", StatusCode::UNAUTHORIZED).await;
    cloud.world.network.answer(url, "<GetCallerIdentityResponse/>");
    refused(&cloud, &good(), "answer", StatusCode::UNAUTHORIZED).await;
    cloud.world.network.answer_all(503);
    refused(&cloud, &good(), "answer", StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn rejects_users_of_whom_no_rule_speaks() {
    let cloud = Cloud::new(vec![rule(json!({ "subject": "AIDAOTHER" }))]).await;
    refused(&cloud, &good(), "subject", StatusCode::UNAUTHORIZED).await;
}
