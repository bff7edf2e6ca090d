//! No answer of AWS may make the readers panic; keys that are accepted are there, and what is shown of a refusal is safe.
#![no_main]

use carnet_aws::{
    SessionKeys, parse_error, parse_json_keys, parse_roles_anywhere, parse_session, parse_web_identity_token,
};
use libfuzzer_sys::fuzz_target;

fn check(session: Result<SessionKeys, &'static str>) {
    if let Ok(SessionKeys { keys, .. }) = session {
        assert!(!keys.access_key_id.is_empty() && !keys.secret_access_key.is_empty());
        assert!(keys.session_token.is_none_or(|token| !token.is_empty()));
    }
}

fuzz_target!(|body: &[u8]| {
    let said = parse_error(body);
    for text in said.code.iter().chain(&said.message) {
        assert!(!text.chars().any(char::is_control));
    }
    for action in ["AssumeRoleWithWebIdentity", "AssumeRole"] {
        check(parse_session(body, action));
    }
    check(parse_json_keys(body));
    check(parse_roles_anywhere(body));
    if let Ok(token) = parse_web_identity_token(body) {
        assert!(!token.is_empty());
    }
});
