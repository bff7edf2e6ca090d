//! No trust policy, permission policy or condition may make the readers panic, and what nothing allows is allowed to nobody.
#![no_main]

use carnet_aws::trust::{Condition, Context, OidcProvider, TrustPolicy};
use carnet_aws_sandbox::PolicyDocument;
use libfuzzer_sys::fuzz_target;

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
const PRINCIPAL: (&str, &str) = ("Federated", "arn:aws:iam::123456789012:oidc-provider/issuer.example");

/// Longest value that is compared: the time grows with the product of pattern and text.
const LONGEST: usize = 1000;

fuzz_target!(|input: (&str, &str, &str)| {
    let (document, operator, value) = input;
    let seen: String = value.chars().take(LONGEST).collect();
    let context = Context::default()
        .with("issuer.example:sub", [seen.clone()])
        .with("issuer.example:aud", ["sts.amazonaws.com"])
        .with("aws:TagKeys", ["team", "stage"]);
    if let Ok(policy) = TrustPolicy::parse(document) {
        let allows = policy.statements().iter().any(|one| one.is_allow() && one.names(PRINCIPAL) && one.covers(ACTION));
        match policy.allows(ACTION, PRINCIPAL, &context) {
            Ok(()) => assert!(allows, "nothing allows it"),
            Err(denied) => assert!(["principal", "action", "condition", "deny"].contains(&denied.clause)),
        }
    }
    drop(PolicyDocument::parse(document));
    let wanted: String = document.chars().take(LONGEST).collect();
    if let Some(condition) = Condition::new(operator, "issuer.example:sub", &[wanted], true) {
        condition.holds(&context);
        condition.holds(&Context::default());
    }
    let provider = OidcProvider {
        account: "123456789012".to_owned(),
        url: value.to_owned(),
        client_ids: vec![operator.to_owned()],
        thumbprints: vec![document.to_owned()],
    };
    if provider.check().is_ok() {
        assert_eq!(format!("https://{}", provider.name()), provider.url);
    }
});
