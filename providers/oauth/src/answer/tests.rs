use proptest::prelude::*;

use super::*;
use crate::token_type::{ID_TOKEN, JWT};

const GOOD: &str = r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599,"scope":"a b"}"#;

fn answer(from: &str, to: &str) -> TokenAnswer {
    assert!(from.is_empty() || GOOD.contains(from), "{from}");
    parse_token_answer(GOOD.replacen(from, to, 1).as_bytes()).unwrap()
}

#[test]
fn reads_the_answer_as_the_standards_write_it() {
    let read = answer("", "");
    assert_eq!((read.access_token.expose(), read.expires_in, read.scope.as_deref()), ("t", Some(3599), Some("a b")));
    assert_eq!(answer("3599", "\"3599\"").expires_in, Some(3599));
    assert_eq!(answer("3599", "null").expires_in, None);
    read.check_types(Some(ACCESS_TOKEN), true).unwrap();
    read.check_token().unwrap();
}

#[test]
fn rejects_answers_bent_in_one_place() {
    for (from, to, says) in [
        (r#""t""#, r#""""#, "`access_token` is empty"),
        ("access_token\":\"t", "other\":\"t", "it is not JSON with `access_token` and `token_type`"),
        ("\"token_type\":\"Bearer\",", "", "it is not JSON with `access_token` and `token_type`"),
        ("{", "{\"access_token\":\"u\",", "it is not JSON with `access_token` and `token_type`"),
        ("3599", "1e99", "`expires_in` is not a sensible number of seconds"),
        ("3599", "1.5", "`expires_in` is not a sensible number of seconds"),
        ("3599", "3599000000", "`expires_in` is not a sensible number of seconds"),
        ("3599", "\"soon\"", "`expires_in` is not a sensible number of seconds"),
    ] {
        assert_eq!(parse_token_answer(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err(), says, "{to}");
    }
}

#[test]
fn rejects_another_type_than_was_asked_for() {
    let jwt = answer(ACCESS_TOKEN, JWT);
    jwt.check_types(Some(JWT), false).unwrap();
    jwt.check_types(None, false).unwrap();
    let says = jwt.check_types(Some(ACCESS_TOKEN), true).unwrap_err();
    assert_eq!(says, format!("`issued_token_type` is {JWT}, {ACCESS_TOKEN} was asked for"));
}

#[test]
fn rejects_a_missing_type_unless_an_access_token_was_asked_for() {
    let without = answer(&format!("\"issued_token_type\":\"{ACCESS_TOKEN}\","), "");
    without.check_types(Some(ACCESS_TOKEN), true).unwrap();
    without.check_types(None, true).unwrap();
    let says = without.check_types(Some(ID_TOKEN), false).unwrap_err();
    assert_eq!(says, format!("`issued_token_type` is missing, {ID_TOKEN} was asked for"));
}

#[test]
fn rejects_a_use_that_does_not_fit_the_type() {
    let unfit = |word: &str| format!("`token_type` is {word}, which cannot be used here");
    for word in ["DPoP", "mac", "N_A"] {
        assert_eq!(answer("Bearer", word).check_types(Some(ACCESS_TOKEN), true).unwrap_err(), unfit(word));
        // An access token is never `N_A`, even when it is only read as a JWT.
        assert_eq!(answer("Bearer", word).check_types(Some(ACCESS_TOKEN), false).unwrap_err(), unfit(word));
    }
    let text = GOOD.replace(ACCESS_TOKEN, JWT).replace("Bearer", "n_a");
    let not_applicable = parse_token_answer(text.as_bytes()).unwrap();
    not_applicable.check_types(Some(JWT), false).unwrap();
    assert_eq!(not_applicable.check_types(Some(JWT), true).unwrap_err(), unfit("n_a"));
}

#[test]
fn rejects_a_token_that_no_header_carries() {
    for bent in ["t t", r"t\r\nX-Evil: 1", &"t".repeat(70_000)] {
        let says = answer(r#""t""#, &format!("\"{bent}\"")).check_token().unwrap_err();
        assert_eq!(says, "`access_token` is not one word of visible ASCII");
    }
}

#[test]
fn tells_the_scopes_that_were_left_out() {
    let asked = ["b", "c"].map(str::to_owned);
    assert_eq!(answer("", "").scopes_left_out(&asked), ["c"]);
    assert!(answer(",\"scope\":\"a b\"", "").scopes_left_out(&asked).is_empty(), "then all of them were given");
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse_token_answer(&body));
    }

    #[test]
    fn what_is_read_has_a_token_and_a_bounded_life(
        token in ".{0,20}", kind in ".{0,10}", issued in proptest::option::of(".{0,10}"), life in any::<i64>(),
    ) {
        let body = serde_json::json!({"access_token": token, "token_type": kind, "issued_token_type": issued, "expires_in": life});
        if let Ok(read) = parse_token_answer(body.to_string().as_bytes()) {
            prop_assert!(!read.access_token.is_empty());
            prop_assert!(read.expires_in.unwrap().abs() <= LONGEST_LIFE);
            if read.check_types(None, true).is_ok() {
                prop_assert!(kind.eq_ignore_ascii_case("bearer"));
            }
        }
    }
}
