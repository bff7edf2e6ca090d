//! Logins that are good but for one place.

use carnet_core::{AwsKeys, Request, Secret};
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const ACCOUNT: &str = "123456789012";
const AUTHORITY: &str = "https://authority.example";
const REGION: &str = "eu-central-1";

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn trust() -> LoginTrust<'static> {
    LoginTrust { account: ACCOUNT, regions: &[], window: MAX_SKEW, audience: AUTHORITY }
}

/// A login of somebody with temporary keys, `late` seconds after now.
fn signed(audience: Option<&str>, late: i64) -> Value {
    let keys = AwsKeys {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret"),
        session_token: Some(Secret::new("session")),
    };
    let url = Url::parse(&format!("https://sts.{REGION}.amazonaws.com/")).unwrap();
    let mut request = Request::new(Method::POST, url)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"))
        .body(BODY);
    if let Some(audience) = audience {
        let name = HeaderName::from_static(AUDIENCE_HEADER);
        request = request.header(name, HeaderValue::from_str(audience).unwrap());
    }
    let time = Timestamp::from_second(NOW + late).unwrap();
    let signed = sign(request, &keys, &Scope { time, region: REGION, service: "sts" }).unwrap();
    let headers: Map<String, Value> =
        signed.headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
    json!({ "account": ACCOUNT, "headers": headers })
}

fn read(login: &Value) -> Checked<Read> {
    trust().read(&Login::parse(login.to_string().as_bytes())?, now())
}

#[track_caller]
fn bent(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut login = signed(Some(AUTHORITY), 0);
    change(&mut login["headers"]);
    read(&login).unwrap_err().clause
}

/// The header with one text in place of another.
fn replace(headers: &mut Value, from: &str, to: &str) {
    let text = headers["authorization"].as_str().unwrap();
    assert!(text.contains(from), "{text}");
    headers["authorization"] = json!(text.replacen(from, to, 1));
}

fn identity(changes: &Value) -> CallerIdentity {
    let mut identity = json!({
        "Account": ACCOUNT, "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/job"), "UserId": "AROAEXAMPLE:job",
    });
    identity.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(identity).unwrap()
}

#[test]
fn accepts_a_session_of_a_role() {
    let read = read(&signed(Some(AUTHORITY), 0)).unwrap();
    assert_eq!(read.url.as_str(), "https://sts.eu-central-1.amazonaws.com/");
    assert_eq!(read.headers["accept"], "application/json");
    let claims = trust().admit(&read, &identity(&json!({}))).unwrap();
    let expected = json!({
        "sub": "AROAEXAMPLE", "aud": AUTHORITY, "iat": NOW, "exp": NOW + 300, "account": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/job"), "kind": "assumed-role", "name": "reader",
        "role": format!("arn:aws:iam::{ACCOUNT}:role/reader"), "session": "job",
    });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn accepts_a_user() {
    let read = read(&signed(Some(AUTHORITY), 0)).unwrap();
    let user = json!({ "Arn": format!("arn:aws:iam::{ACCOUNT}:user/team/builder"), "UserId": "AIDAEXAMPLE" });
    let claims = trust().admit(&read, &identity(&user)).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["name"], &claims["kind"]),
        (&json!("AIDAEXAMPLE"), &json!("builder"), &json!("user"))
    );
}

#[test]
fn a_request_that_does_not_name_us_is_for_sts() {
    assert_eq!(read(&signed(None, 0)).unwrap().audience, "https://sts.eu-central-1.amazonaws.com");
    let one = read(&signed(Some("https://authority.example#deploy"), 0)).unwrap();
    assert_eq!((one.audience.as_str(), one.rule.as_deref()), (AUTHORITY, Some("deploy")));
}

#[test]
fn rejects_a_request_for_somebody_else() {
    for audience in ["https://authority.example.evil.test", "https://authority.example/", "https://authority.example#"]
    {
        assert_eq!(read(&signed(Some(audience), 0)).unwrap_err().clause, "audience", "{audience}");
    }
}

#[test]
fn a_clock_may_be_off_by_four_minutes_and_not_by_six() {
    for (late, refused) in [(240, false), (-240, false), (360, true), (-360, true)] {
        let clause = read(&signed(Some(AUTHORITY), late)).err().map(|refusal| refusal.clause);
        assert_eq!(clause, refused.then_some("date"), "{late}");
    }
}

#[test]
fn rejects_dates_that_are_none_or_of_another_day() {
    for date in ["", "20261121T120000", "2026-11-21T12:00:00Z", "20261321T120000Z", "20261121t120000z"] {
        let clause = bent(|headers| headers["x-amz-date"] = json!(date));
        assert!(matches!(clause, "date" | "headers"), "{date}: {clause}");
    }
    assert_eq!(bent(|headers| headers["x-amz-date"] = json!("20261120T235959Z")), "date");
}

#[test]
fn rejects_hosts_that_are_not_sts_of_the_region() {
    for host in [
        "sts.eu-central-1.amazonaws.com.evil.example",
        "sts.us-east-1.amazonaws.com",
        "sts.amazonaws.com",
        "sts.eu-central-1.amazonaws.com:443",
        "STS.eu-central-1.amazonaws.com",
        "iam.eu-central-1.amazonaws.com",
        "127.0.0.1",
    ] {
        assert_eq!(bent(|headers| headers["host"] = json!(host)), "host", "{host}");
    }
    assert_eq!(bent(|headers| replace(headers, REGION, "evil.example#")), "host");
    let listed = ["us-west-2".to_owned()];
    let login = Login::parse(signed(Some(AUTHORITY), 0).to_string().as_bytes()).unwrap();
    assert_eq!(LoginTrust { regions: &listed, ..trust() }.read(&login, now()).unwrap_err().clause, "host");
}

#[test]
fn rejects_authorizations_of_another_form() {
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        ("AWS4-HMAC-SHA256 ", ""),
        ("/sts/", "/s3/"),
        ("aws4_request", "aws5_request"),
        ("Credential=", "Credential=/"),
        ("Credential=ASIAEXAMPLE", "Credential="),
        ("Signature=", "Signature=g"),
        ("Signature=", "Signature=00,Signature="),
        ("Signature=", "More=1,Signature="),
        ("SignedHeaders=", "Signed="),
        (", Signature=", "; Signature="),
    ] {
        assert_eq!(bent(|headers| replace(headers, from, to)), "authorization", "{from} {to}");
    }
}

#[test]
fn rejects_what_is_shown_and_not_signed_and_the_other_way_round() {
    assert_eq!(bent(|headers| replace(headers, ";x-carnet-audience", "")), "signed-headers");
    assert_eq!(bent(|headers| replace(headers, "host;", "")), "signed-headers");
    assert_eq!(bent(|headers| replace(headers, "host;", "host;range;")), "signed-headers");
    assert_eq!(bent(|headers| replace(headers, "host;", "host;host;")), "signed-headers");
    assert_eq!(bent(|headers| headers["accept"] = json!("application/json")), "signed-headers");
    assert_eq!(bent(|headers| drop(headers.as_object_mut().unwrap().remove("x-carnet-audience"))), "signed-headers");
}

#[test]
fn rejects_headers_that_speak_of_another_body() {
    assert_eq!(bent(|headers| headers["content-type"] = json!("application/json")), "headers");
    assert_eq!(bent(|headers| headers["x-carnet-audience"] = json!("a\nb")), "headers");
}

#[test]
fn rejects_members_that_are_unknown_or_missing() {
    for (name, value) in [("x-amz-target", json!("a")), ("host", json!(7)), ("x-amz-date", json!(null))] {
        assert_eq!(bent(|headers| headers[name] = value), "request", "{name}");
    }
    assert_eq!(bent(|headers| drop(headers.as_object_mut().unwrap().remove("host"))), "request");
}

#[test]
fn rejects_each_answer_that_is_not_of_a_user_or_role_of_the_account() {
    let read = read(&signed(Some(AUTHORITY), 0)).unwrap();
    let of = |arn: &str, id: &str| identity(&json!({ "Arn": format!("arn:aws:{arn}"), "UserId": id }));
    for (caller, clause) in [
        (identity(&json!({ "Account": "210987654321" })), "account"),
        (of("iam::123456789012:root", ACCOUNT), "principal"),
        (of("sts::123456789012:federated-user/a", "123456789012:a"), "principal"),
        (of("sts::210987654321:assumed-role/reader/job", "AROAEXAMPLE:job"), "principal"),
        (of("sts::123456789012:assumed-role/reader", "AROAEXAMPLE"), "principal"),
        (of("sts::123456789012:assumed-role/reader/job", "AROAEXAMPLE:other"), "principal"),
        (of("iam::123456789012:user/builder", "AROAEXAMPLE"), "principal"),
        (of("iam::123456789012:user/", "AIDAEXAMPLE"), "principal"),
    ] {
        assert_eq!(trust().admit(&read, &caller).unwrap_err().clause, clause, "{caller:?}");
    }
}

#[test]
fn an_answer_is_read_from_json() {
    let result = json!({ "Account": ACCOUNT, "Arn": "a", "UserId": "u" });
    let body = json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result, "ResponseMetadata": {} } });
    assert_eq!(parse_caller_identity(body.to_string().as_bytes()).unwrap().user_id, "u");
    assert!(parse_caller_identity(b"<GetCallerIdentityResponse/>").is_none());
}

#[test]
fn nothing_that_was_shown_is_printed() {
    let login = Login::parse(signed(Some(AUTHORITY), 0).to_string().as_bytes()).unwrap();
    let printed = format!("{login:?} {:?}", trust().read(&login, now()).unwrap());
    assert!(!printed.contains("session") && !printed.contains("ASIA"), "{printed}");
}
