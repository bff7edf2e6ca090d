//! Conditions on what only a request says, and on lists.

use super::*;

/// The case with a further condition, in the statement that allows or in one that denies everybody.
fn with(effect: &str, condition: &Value) -> Case {
    bent(|case| {
        let statements = case.policy["Statement"].as_array_mut().unwrap();
        if effect == "Deny" {
            statements.push(json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": condition}));
            return;
        }
        statements[0]["Condition"].as_object_mut().unwrap().extend(condition.as_object().unwrap().clone());
    })
}

/// Each holds for the request of [`FACTS`].
fn holding() -> [Value; 7] {
    [
        json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"Bool": {"AWS:SecureTransport": "true"}}),
        json!({"StringNotEqualsIfExists": {"aws:RequestedRegion": "us-east-1"}}),
        json!({"ForAnyValue:StringLike": {"aws:UserAgent": "aws-cli/*"}}),
        json!({"Null": {"aws:SourceVpce": "true"}}),
        json!({"StringNotLike": {"issuer.example/a:sub": "${aws:UserAgent, 'nobody'}"}}),
        json!({"Bool": {"aws:ViaAWSService": "false"}}),
    ]
}

/// Each fails for it.
fn failing() -> [Value; 7] {
    [
        json!({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}),
        json!({"Bool": {"aws:SecureTransport": "false"}}),
        json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
        json!({"StringNotLike": {"aws:UserAgent": "aws-cli/*"}}),
        json!({"Null": {"aws:SourceVpce": "false"}}),
        json!({"StringEquals": {"aws:Referer": "https://example.org/"}}),
        json!({"Bool": {"aws:ViaAWSService": "true"}}),
    ]
}

const FACTS: RequestFacts<'static> = RequestFacts {
    source: std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7)),
    secure: true,
    region: "eu-central-1",
    user_agent: Some("aws-cli/2"),
    referer: None,
};

#[test]
fn what_only_a_request_says_is_decided_with_one() {
    for (condition, holds) in holding().map(|one| (one, true)).into_iter().chain(failing().map(|one| (one, false))) {
        let allowing = with("Allow", &condition).decide_for(Some(&FACTS));
        assert_eq!(allowing.grant().is_some(), holds, "{condition}: {allowing:?}");
        let denying = with("Deny", &condition).decide_for(Some(&FACTS));
        assert_eq!(denying.grant().is_some(), !holds, "{condition}: {denying:?}");
    }
}

#[test]
fn rejects_by_what_only_a_request_says_when_there_is_none_and_says_so() {
    for condition in holding().into_iter().chain(failing()) {
        let refusal = with("Allow", &condition).refused("condition", "AccessDenied");
        assert!(refusal.seen.ends_with("is known of a request only"), "{refusal:?}");
        let refusal = with("Deny", &condition).refused("policy", "AccessDenied");
        assert!(refusal.seen.contains("may deny") && refusal.seen.ends_with("of a request only"), "{refusal:?}");
    }
}

#[test]
fn a_statement_that_denies_for_another_reason_too_denies_only_where_that_holds() {
    let condition = |subject: &str| json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringLike": {"issuer.example/a:sub": subject}});
    assert!(with("Deny", &condition("repo:other/*")).decide().grant().is_some());
    with("Deny", &condition("repo:o/*")).refused("policy", "AccessDenied");
}

#[test]
fn a_list_is_compared_by_set_operators_only() {
    let asked = |effect: &str, operator: &str, amr: Value| {
        let mut case = with(effect, &json!({operator: {"issuer.example/a:amr": "mfa"}}));
        case.claims["amr"] = amr;
        case
    };
    for amr in [json!(["mfa"]), json!(["pwd", "mfa"]), json!(["pwd", "otp"])] {
        for operator in ["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists"] {
            let refusal = asked("Allow", operator, amr.clone()).refused("condition", "AccessDenied");
            assert!(refusal.seen.ends_with("is for one value"), "{refusal:?}");
            asked("Deny", operator, amr.clone()).refused("policy", "AccessDenied");
        }
    }
    for (operator, amr, holds) in [
        ("ForAnyValue:StringEquals", json!(["pwd", "mfa"]), true),
        ("ForAllValues:StringEquals", json!(["pwd", "mfa"]), false),
        ("StringEquals", json!("mfa"), true),
        ("StringEquals", json!("pwd"), false),
    ] {
        let allowed = |effect: &str| asked(effect, operator, amr.clone()).decide().grant().is_some();
        assert_eq!((allowed("Allow"), allowed("Deny")), (holds, !holds), "{operator} {amr}");
    }
    let null = |effect: &str, absent: &str| {
        let mut case = with(effect, &json!({"Null": {"issuer.example/a:amr": absent}}));
        case.claims["amr"] = json!(["mfa"]);
        case.decide().grant().is_some()
    };
    assert!(null("Allow", "false") && null("Deny", "true") && !null("Allow", "true") && !null("Deny", "false"));
}
