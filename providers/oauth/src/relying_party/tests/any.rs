//! Whatever a service answers, there is a credential or an error, and no error shows the token that was sent.

use carnet_core::chain;
use proptest::prelude::*;

use super::*;
use crate::testing::secret;

/// A text that answers are made of, the token that was sent among them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        "[ -~\\x00-\\x1f]{0,20}",
        Just("invalid_grant".to_owned()),
        Just(shown_text()),
        Just("2026-11-21T13:00:00Z".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        text().prop_map(|text| json!([{ "code": text, "detail": text, "description": text }])),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let member = prop::sample::select(vec![
        "access_token",
        "accessToken",
        "token",
        "token_type",
        "tokenType",
        "expires_in",
        "expiresIn",
        "expires",
        "scope",
        "error",
        "error_description",
        "error_id",
        "message",
        "code",
        "errors",
        "statusCode",
        "success",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..120),
        prop::collection::btree_map(member, value(), 0..6).prop_map(|members| json!(members).to_string().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_answer_is_read_and_no_token_is_shown(
        name in prop::sample::select(crate::parties().collect::<Vec<_>>()), status in 200_u16..600, body in body(),
    ) {
        let (made, world) = ask_with(name, &shown(), ScriptedHttp::default().answer(status, body));
        match made {
            Ok(made) if !world.http.requests().is_empty() => {
                prop_assert!((200..300).contains(&status), "{} {}", name, status);
                prop_assert!(!secret(&made).is_empty() && secret(&made).bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(made.expires_at.is_none_or(|end| end.as_second() >= NOW));
            }
            // What is presented as it is.
            Ok(made) => prop_assert!(secret(&made).ends_with(&shown_text())),
            Err(error) => {
                let said = format!("{:?} {:?} {:?}", chain(&error), error.hints(), error.provider_code());
                prop_assert!(!said.contains(&shown_text()), "{}: {}", name, said);
                prop_assert!(!chain(&error).iter().any(|text| text.chars().any(char::is_control)), "{}: {}", name, said);
            }
        }
    }
}
