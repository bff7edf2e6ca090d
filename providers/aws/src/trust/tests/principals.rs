//! Whom a statement is about.

use super::*;

/// Everybody, in each way that a statement can write it.
fn everybody() -> [Value; 4] {
    [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"Federated": "*"}),
        json!({"AWS": ["arn:aws:iam::210987654321:root", "*"]}),
    ]
}

#[test]
fn rejects_a_token_that_a_statement_denies_to_everybody() {
    let denying = |principal: &Value, condition: &Value| {
        bent(|case| {
            let deny = json!({"Effect": "Deny", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition});
            case.policy["Statement"].as_array_mut().unwrap().push(deny);
        })
    };
    let unless = |subject: &str| json!({"StringNotEquals": {"issuer.example/a:sub": subject}});
    for principal in everybody() {
        denying(&principal, &json!({})).refused("policy", "AccessDenied");
        denying(&principal, &unless("repo:o/r:other")).refused("policy", "AccessDenied");
        let decision = denying(&principal, &unless("repo:o/r:ref:refs/heads/main")).decide();
        assert!(decision.grant().is_some(), "{principal}: {decision:?}");
    }
    let other = json!({"AWS": "arn:aws:iam::210987654321:root"});
    assert!(denying(&other, &json!({})).decide().grant().is_some());
}

#[test]
fn rejects_a_service_that_a_statement_denies_to_everybody() {
    let pods = ("Service", "pods.eks.amazonaws.com");
    let allows = |deny: Option<&Value>| {
        let mut statements =
            vec![json!({"Effect": "Allow", "Principal": {"Service": pods.1}, "Action": "sts:AssumeRole"})];
        let deny = deny.map(|principal| json!({"Effect": "Deny", "Principal": principal, "Action": "sts:AssumeRole"}));
        statements.extend(deny);
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        TrustPolicy::parse(&policy).unwrap().allows("sts:AssumeRole", pods, &Context::default())
    };
    assert_eq!(allows(None), Ok(()));
    for principal in everybody() {
        assert_eq!(allows(Some(&principal)).unwrap_err().clause, "deny", "{principal}");
    }
    assert_eq!(allows(Some(&json!({"Service": "ec2.amazonaws.com"}))), Ok(()));
}

#[test]
fn everybody_is_let_in_by_no_statement_that_means_somebody_of_another_issuer() {
    for principal in everybody() {
        bent(|case| case.policy["Statement"][0]["Principal"] = principal.clone()).refused("principal", "AccessDenied");
    }
}
