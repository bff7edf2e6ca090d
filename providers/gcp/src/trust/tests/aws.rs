//! One signed request that AWS vouches for, bent in one place.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

const PROVIDER: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/amazon/providers/aws";
const STS: &str = "https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261121/eu-central-1/sts/aws4_request, \
                         SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=c0ffee";

struct Signed {
    request: Value,
    provider: Provider,
    caller: Result<CallerIdentity, &'static str>,
    encode: fn(&Value) -> String,
}

fn percent(request: &Value) -> String {
    utf8_percent_encode(&request.to_string(), NON_ALPHANUMERIC).to_string()
}

fn valid() -> Signed {
    let header = |key: &str, value: &str| json!({ "key": key, "value": value });
    Signed {
        request: json!({
            "url": STS,
            "method": "POST",
            "headers": [
                header("Authorization", SIGNATURE),
                header("host", "sts.eu-central-1.amazonaws.com"),
                header("x-amz-date", "20261121T120000Z"),
                header("x-amz-security-token", "session"),
                header("x-goog-cloud-target-resource", PROVIDER),
            ],
        }),
        provider: Provider { aws: Some(Aws { account_id: "210987654321".to_owned() }), ..Provider::default() },
        caller: Ok(CallerIdentity {
            arn: "arn:aws:sts::210987654321:assumed-role/builder/i-0abc".to_owned(),
            user_id: "AROAEXAMPLE:i-0abc".to_owned(),
            account: "210987654321".to_owned(),
        }),
        encode: percent,
    }
}

impl Signed {
    fn url(mut self, url: &str) -> Self {
        self.request["url"] = url.into();
        self
    }

    /// The value of a header by name in lower case; `null` takes it out.
    fn header(mut self, name: &str, value: Value) -> Self {
        let headers = self.request["headers"].as_array_mut().unwrap();
        let at = headers.iter().position(|header| header["key"].as_str().unwrap().eq_ignore_ascii_case(name));
        match (at, value) {
            (Some(at), Value::Null) => drop(headers.remove(at)),
            (Some(at), value) => headers[at]["value"] = value,
            (None, value) => headers.push(json!({ "key": name, "value": value })),
        }
        self
    }

    fn token(&self) -> Secret {
        Secret::new((self.encode)(&self.request))
    }

    fn decide(&self) -> Decision {
        let (token, pool) = (self.token(), Pool::default());
        let provider = CheckedProvider::new("amazon", self.provider.clone()).unwrap();
        let question = Question {
            audience: PROVIDER,
            subject: Subject::Aws(&token),
            pool: Some(&pool),
            provider: Some(&provider),
            now: Timestamp::from_second(NOW).unwrap(),
        };
        evaluate(&question, self.caller.as_ref().map_or_else(|reason| Fetched::Failed(reason), Fetched::CallerIdentity))
    }

    #[track_caller]
    fn refused(&self, clause: &str, seen: &str) {
        let decision = self.decide();
        let refusal = decision.refusal().unwrap_or_else(|| panic!("allowed {}", decision.grant().unwrap().principal));
        assert_eq!(refusal.clause, clause, "{refusal}");
        assert_eq!(refusal.code, "invalid_grant");
        assert!(refusal.seen.contains(seen), "{refusal}");
        assert!(!format!("{refusal:?}").contains("c0ffee"), "{refusal:?}");
    }

    #[track_caller]
    fn accepted(&self) -> carnet_trust::Grant {
        match self.decide() {
            Decision::Allow(grant) => grant,
            Decision::Refuse(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn a_role_becomes_a_principal_by_the_default_mapping() {
    let grant = valid().accepted();
    assert_eq!(grant.attributes["google.subject"], "arn:aws:sts::210987654321:assumed-role/builder/i-0abc");
    assert_eq!(grant.attributes["attribute.aws_role"], "arn:aws:sts::210987654321:assumed-role/builder");
    assert_eq!(
        grant.held,
        [
            "request",
            "target",
            "aws-request",
            "aws-target",
            "date",
            "caller-identity",
            "account",
            "mapping",
            "condition"
        ]
    );
}

#[test]
fn a_user_has_his_own_arn_as_role() {
    let mut signed = valid();
    signed.caller.as_mut().unwrap().arn = "arn:aws:iam::210987654321:user/ada".to_owned();
    assert_eq!(signed.accepted().attributes["attribute.aws_role"], "arn:aws:iam::210987654321:user/ada");
}

#[test]
fn mapping_and_condition_read_what_aws_said() {
    let mut signed = valid();
    signed.provider.attribute_mapping = mapping(&[("google.subject", "assertion.userid")]);
    signed.provider.attribute_condition = "assertion.account == '210987654321'".to_owned();
    assert_eq!(signed.accepted().attributes["google.subject"], "AROAEXAMPLE:i-0abc");
    signed.provider.attribute_condition = "assertion.arn.endsWith('/other')".to_owned();
    let decision = signed.decide();
    assert_eq!(decision.refusal().unwrap().clause, "condition");
}

#[test]
fn accepts_the_forms_that_libraries_write() {
    // Plain JSON; blanks as `+`.
    Signed { encode: Value::to_string, ..valid() }.accepted();
    Signed { encode: |request| percent(request).replace("%20", "+"), ..valid() }.accepted();
    // A slash, the other order, the global endpoint, an empty body.
    valid().url("https://sts.eu-central-1.amazonaws.com/?Version=2011-06-15&Action=GetCallerIdentity").accepted();
    let global = STS.replace("eu-central-1.", "");
    valid().url(&global).header("host", "sts.amazonaws.com".into()).accepted();
    let mut signed = valid();
    signed.request["body"] = "".into();
    signed.accepted();
    // Names in any case; the target signed or not, or both.
    let mut signed = valid();
    for header in signed.request["headers"].as_array_mut().unwrap() {
        header["key"] = header["key"].as_str().unwrap().to_ascii_uppercase().into();
    }
    signed.accepted();
    let with_target = SIGNATURE.replace("security-token,", "security-token;x-goog-cloud-target-resource,");
    let mut signed = valid().header("authorization", with_target.into());
    signed.accepted();
    let again = json!({ "key": "X-Goog-Cloud-Target-Resource", "value": PROVIDER });
    signed.request["headers"].as_array_mut().unwrap().push(again);
    signed.accepted();
}

#[test]
fn what_is_sent_on_is_what_was_signed() {
    let (token, pool) = (valid().token(), Pool::default());
    let provider = CheckedProvider::new("amazon", valid().provider).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let (subject, pool, provider) = (Subject::Aws(&token), Some(&pool), Some(&provider));
    let admitted = Question { audience: PROVIDER, subject, pool, provider, now }.admit().unwrap();
    let Need::CallerIdentity(request) = admitted.need() else { panic!("{:?}", admitted.need()) };
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
    );
    assert_eq!(request.headers.len(), 5);
    assert_eq!(request.headers["authorization"], SIGNATURE);
    assert!(request.headers["authorization"].is_sensitive() && request.headers["x-amz-security-token"].is_sensitive());
    assert!(request.max_response <= 64 << 10);
    assert!(!format!("{admitted:?}").contains("c0ffee"), "{admitted:?}");
}

#[test]
fn rejects_what_is_no_request() {
    for text in ["", "x", "[]", "%5B%5D", "\"x\"", "%FF"] {
        assert_eq!(SignedRequest::parse(text).unwrap_err(), "it is not a JSON object, percent-encoded or not");
    }
    assert!(SignedRequest::parse(&"x".repeat(70_000)).unwrap_err().contains("64 KB"));
}

#[test]
fn rejects_hosts_that_are_not_aws_sts() {
    for host in [
        "sts.eu-central-1.amazonaws.com.evil.example",
        "evil.example",
        "127.0.0.1",
        "169.254.169.254",
        "sts.s3.amazonaws.com",
        "sts.s3-eu-west-1.amazonaws.com",
        "sts.eu.amazonaws.com",
        "sts.eu-1.amazonaws.com",
        "sts.eu-central-.amazonaws.com",
        "sts..amazonaws.com",
        "sts.a.eu-central-1.amazonaws.com",
        "stseu-central-1.amazonaws.com",
        "xsts.amazonaws.com",
        "sts.eu-central-1.amazonaws.com.cn",
        "sts.eu-central-1.amazonaws.com.",
    ] {
        let url = STS.replace("sts.eu-central-1.amazonaws.com", host);
        valid().url(&url).header("host", host.into()).refused("aws-request", "the host is not AWS STS");
    }
}

#[test]
fn rejects_urls_with_more_than_a_host() {
    let alone = "the URL is not https and a host alone";
    valid().url(&STS.replace("https", "http")).refused("aws-request", alone);
    valid().url(&STS.replace("//", "//user@")).refused("aws-request", alone);
    valid().url(&STS.replace("//", "//:word@")).refused("aws-request", alone);
    valid().url(&STS.replace("com?", "com:8443?")).refused("aws-request", alone);
    valid().url(&STS.replace("com?", "com/x?")).refused("aws-request", "a path");
    valid().url(&format!("{STS}#x")).refused("aws-request", "a fragment");
    valid().url("sts").refused("aws-request", "the URL cannot be read");
    let mut signed = valid();
    signed.request["url"] = Value::Null;
    signed.refused("aws-request", "there is no URL");
}

#[test]
fn rejects_other_actions() {
    for query in [
        "Action=AssumeRole&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2010-05-08",
        "Action=GetCallerIdentity",
        "Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "Action=GetCallerIdentity&Action=GetCallerIdentity",
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60",
        "",
    ] {
        let url = format!("https://sts.eu-central-1.amazonaws.com?{query}");
        valid().url(&url).refused("aws-request", "something else than GetCallerIdentity");
    }
}

#[test]
fn rejects_other_methods_and_bodies() {
    for method in ["GET", "post", ""] {
        let mut signed = valid();
        signed.request["method"] = method.into();
        signed.refused("aws-request", "the method is not POST");
    }
    for body in [json!("Action=AssumeRole"), json!({})] {
        let mut signed = valid();
        signed.request["body"] = body;
        signed.refused("aws-request", "the body is not empty");
    }
    valid().header("content-length", "0".into()).accepted();
    valid().header("content-length", "9".into()).refused("aws-request", "the body is not empty");
}

#[test]
fn rejects_headers_that_are_missing_twice_there_or_others() {
    for name in ["authorization", "host", "x-amz-date", "x-goog-cloud-target-resource"] {
        valid().header(name, Value::Null).refused("aws-request", &format!("there is no header `{name}`"));
    }
    valid().header("x-forwarded-for", "127.0.0.1".into()).refused("aws-request", "does not have");
    valid().header("host", "evil.example".into()).refused("aws-request", "not that of the URL");
    valid().header("x-amz-security-token", 1.into()).refused("aws-request", "not a key with a value");
    valid().header("x-amz-security-token", "a\nb".into()).refused("aws-request", "no value");
    for (name, value) in [("HOST", "sts.eu-central-1.amazonaws.com"), ("x-goog-cloud-target-resource", "//other")] {
        let mut signed = valid();
        signed.request["headers"].as_array_mut().unwrap().push(json!({ "key": name, "value": value }));
        signed.refused("aws-request", "a header is there twice");
    }
    let mut signed = valid();
    let many = vec![json!({ "key": "host", "value": "x" }); 17];
    signed.request["headers"].as_array_mut().unwrap().extend(many);
    signed.refused("aws-request", "more than 16 headers");
    let mut signed = valid();
    signed.request["headers"] = Value::Null;
    signed.refused("aws-request", "no list of headers");
}

#[test]
fn rejects_what_is_no_signature_for_sts() {
    for wrong in [
        "Bearer x".to_owned(),
        SIGNATURE.replace("HMAC-SHA256", "ECDSA-P256-SHA256"),
        SIGNATURE.replace("/sts/", "/iam/"),
        SIGNATURE.replace("Signature=", "Sig="),
        format!("{SIGNATURE}, Signature=x"),
    ] {
        valid().header("authorization", wrong.into()).refused("aws-request", "not a signature of version 4");
    }
    for unsigned in ["host;", "x-amz-date;"] {
        let wrong = SIGNATURE.replace(unsigned, "");
        valid().header("authorization", wrong.into()).refused("aws-request", "host or time are not signed");
    }
}

#[test]
fn rejects_request_for_another_provider() {
    for other in [PROVIDER.replace("/aws", "/other"), format!("https:{PROVIDER}"), String::new()] {
        valid().header("x-goog-cloud-target-resource", other.clone().into()).refused("aws-target", &other);
    }
}

#[test]
fn rejects_dates_more_than_15_minutes_away() {
    for good in ["20261121T114500Z", "20261121T121500Z"] {
        valid().header("x-amz-date", good.into()).accepted();
    }
    for wrong in ["20261121T114459Z", "20261121T121501Z", "20251121T120000Z"] {
        valid().header("x-amz-date", wrong.into()).refused("date", "`x-amz-date`");
    }
}

#[test]
fn rejects_dates_that_are_none() {
    for wrong in ["", "20261121", "2026-11-21T12:00:00Z", "20261121T120000+", "20261321T120000Z", "20261121T120000z"] {
        valid().header("x-amz-date", wrong.into()).refused("aws-request", "`x-amz-date` is not a time");
    }
}

#[test]
fn rejects_when_aws_does_not_vouch() {
    let signed = Signed { caller: Err("InvalidClientTokenId: The security token is invalid."), ..valid() };
    signed.refused("caller-identity", "InvalidClientTokenId");
}

#[test]
fn rejects_another_account() {
    let mut signed = valid();
    signed.caller.as_mut().unwrap().account = "111111111111".to_owned();
    signed.refused("account", "111111111111");
}

#[test]
fn rejects_tokens_of_another_kind() {
    let provider = provider();
    let decision = Signed { provider, ..valid() }.decide();
    let refusal = decision.refusal().unwrap();
    assert_eq!((refusal.clause, refusal.code.as_str()), ("token-type", "invalid_request"));
    let change = |provider: &mut Provider| *provider = valid().provider;
    assert_eq!(Case::valid().with_provider(change).refused("token-type").code, "invalid_request");
}

proptest! {
    #[test]
    fn any_token_is_read(token in ".{0,200}") {
        drop(SignedRequest::parse(&token));
    }

    #[test]
    fn any_member_is_read(url in "[ -~]{0,60}", key in "[ -~]{0,30}", value in "\\PC{0,60}") {
        let mut signed = valid();
        signed.request["url"] = format!("https://sts.{url}").into();
        drop(SignedRequest::parse(&signed.request.to_string()));
        let header = json!({ "key": key, "value": value });
        let mut signed = valid();
        signed.request["headers"].as_array_mut().unwrap().push(header);
        drop(SignedRequest::parse(&percent(&signed.request)));
    }

    #[test]
    fn only_sts_is_ever_asked(host in "(sts|s3|x)\\.?[a-z0-9.-]{0,20}\\.?amazonaws\\.com(\\.cn)?") {
        let url = STS.replace("sts.eu-central-1.amazonaws.com", &host);
        let signed = valid().url(&url).header("host", host.clone().into());
        if let Ok(request) = SignedRequest::parse(&signed.request.to_string()) {
            prop_assert!(request.url().host_str().unwrap() == "sts.amazonaws.com" || host.split('.').count() == 4);
            prop_assert_eq!(request.url().path(), "/");
        }
    }
}
