//! No federated credential, expression, tenant or scope may make the trust model panic; a refusal names a mistake, and what
//! is accepted can be written and read again.
#![no_main]

use carnet_azure::trust::{
    ClientKind, FederatedCredential, FederatedCredentials, MAX_CREDENTIALS, MatchingExpression, check_tenant,
    parse_scope,
};
use carnet_jose::Claims;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const ISSUERS: [&str; 3] =
    ["https://token.actions.githubusercontent.com", "https://gitlab.com", "https://app.terraform.io"];

fn credentials(body: &[u8]) {
    let Ok(many) = serde_json::from_slice::<Vec<FederatedCredential>>(body) else { return };
    for kind in [ClientKind::Application, ClientKind::ManagedIdentity] {
        let mut held = FederatedCredentials::default();
        for credential in &many {
            match held.put(kind, credential.clone()) {
                Ok(_) => {
                    let text = serde_json::to_string(credential).expect("a credential is JSON");
                    assert_eq!(
                        &serde_json::from_str::<FederatedCredential>(&text).expect("it was written"),
                        credential
                    );
                }
                Err(mistakes) => assert!(!mistakes.is_empty()),
            }
            assert!(held.len() <= MAX_CREDENTIALS);
        }
    }
}

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (text, body) = input;
    credentials(&body);
    for issuer in ISSUERS.into_iter().chain([text]) {
        let Ok(expression) = MatchingExpression::parse(text, issuer) else { continue };
        assert!(!expression.conditions().is_empty());
        let all: Map<String, Value> =
            expression.conditions().iter().map(|one| (one.claim.clone(), one.value.clone().into())).collect();
        // A claim that has the text of its pattern is like it, whatever the pattern; unless two patterns are for one claim.
        if all.len() == expression.conditions().len() {
            assert!(expression.matches(&Claims(all)));
        }
        assert!(!expression.matches(&Claims(Map::new())), "a claim that is absent never matches");
    }
    if check_tenant(text).is_ok() {
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
    }
    if let Ok(resource) = parse_scope(text) {
        assert_eq!(format!("{resource}/.default"), text);
    }
});
