//! No role, program, configuration, signed request, span of time or name of a claim may make the trust model panic; a role
//! that is accepted is bound to something, ends, gives nobody root, and can be written and read again.
#![no_main]

use carnet_jose::Claims;
use carnet_vault::trust::{
    AwsClientConfig, AwsProof, CelRole, CheckedCelRole, CheckedConfig, CheckedRole, Looked, MethodConfig, Role,
    SYSTEM_TTL, lint_config, lint_role, look_up, parse_seconds,
};
use libfuzzer_sys::fuzz_target;

fn role(name: &str, body: &[u8]) {
    let Ok(role) = serde_json::from_slice::<Role>(body) else { return };
    let Ok(checked) = CheckedRole::new(name, role) else { return };
    let role = checked.role();
    let bound = !role.bound_audiences.is_empty()
        || !role.bound_subject.is_empty()
        || !role.bound_claims.is_empty()
        || !role.token.token_bound_cidrs.is_empty();
    assert!(bound || !checked.is_jwt(), "a role for everybody");
    assert!(checked.lifetime().is_positive() && checked.lifetime() <= SYSTEM_TTL);
    assert!(!checked.policies().contains("root"));
    assert_eq!(checked.name(), checked.name().to_ascii_lowercase());
    let text = serde_json::to_string(role).expect("a role is JSON");
    let again: Role = serde_json::from_str(&text).expect("it was written");
    assert_eq!(&again, role);
    CheckedRole::new(checked.name(), again).expect("it was accepted before");
    drop(lint_role(&checked));
}

/// Wherever a request was signed for, it is sent to AWS.
fn proof(address: &str, body: &str, headers: Vec<(String, String)>) {
    let Ok(url) = address.parse() else { return };
    let proof = AwsProof { method: "POST".to_owned(), url, body: body.to_owned(), headers };
    for use_sts_region_from_client in [false, true] {
        let config = AwsClientConfig { use_sts_region_from_client, ..AwsClientConfig::default() };
        if proof.check(&config).is_ok()
            && let Ok(target) = proof.target(&config)
        {
            assert!(target.host_str().is_some_and(|host| host.starts_with("sts.") && host.ends_with(".amazonaws.com")));
        }
    }
}

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (text, body) = input;
    parse_seconds(text);
    for name in [text, "app"] {
        role(name, &body);
    }
    if let Ok(config) = serde_json::from_slice::<MethodConfig>(&body)
        && let Ok(checked) = CheckedConfig::new(config)
    {
        assert!(!checked.algorithms().is_empty());
        drop(lint_config(&checked));
    }
    if let Ok(role) = serde_json::from_slice::<CelRole>(&body) {
        drop(CheckedCelRole::new("app", role));
    }
    for form in [text, "Action=GetCallerIdentity&Version=2011-06-15"] {
        proof(text, form, vec![("Authorization".to_owned(), String::from_utf8_lossy(&body).into_owned())]);
    }
    if let Ok(claims) = serde_json::from_slice(&body).map(Claims) {
        let found = look_up(&claims, text);
        if !text.starts_with('/') {
            assert_eq!(found, claims.get(text).map_or(Looked::Absent, Looked::Value));
        }
    }
});
