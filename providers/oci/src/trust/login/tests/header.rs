//! The header `Authorization` and the members beside it: the cases that relying parties of this kind have to tell apart, and
//! further ones.

use super::*;

/// What becomes of a good login with another header.
fn clause_of(authorization: &str) -> &'static str {
    let caller = Caller::user();
    let login = Login::parse(caller.json(authorization).to_string().as_bytes()).unwrap();
    trust().read(&login, &SeenTokens::default(), now()).map_or_else(|refusal| refusal.clause, |_| "accepted")
}

fn good() -> String {
    Caller::user().authorization(&KEY)
}

fn bent(from: &str, to: &str) -> &'static str {
    let good = good();
    let bent = good.replacen(from, to, 1);
    assert_ne!(good, bent, "{from} is not there");
    clause_of(&bent)
}

#[test]
fn a_header_as_clients_write_it_names_its_key() {
    assert_eq!(clause_of(&good()), "accepted");
    let read = Caller::user().read().unwrap();
    assert_eq!((read.principal.id.as_str(), read.fingerprint.as_deref()), (USER, Some(FINGERPRINT)));
}

#[test]
fn accepts_the_scheme_in_any_case() {
    assert_eq!(bent("Signature", "SIGNATURE"), "accepted");
    assert_eq!(bent("Signature", "signature"), "accepted");
}

#[test]
fn rejects_a_header_without_scheme_or_with_another() {
    assert_eq!(bent("Signature ", ""), "authorization");
    assert_eq!(bent("Signature ", "Bearer "), "authorization");
}

#[test]
fn accepts_spaces_after_commas() {
    assert_eq!(clause_of(&good().replace("\",", "\",  ")), "accepted");
}

#[test]
fn rejects_a_header_without_key() {
    assert_eq!(bent("keyId=", "keyid="), "authorization");
}

#[test]
fn rejects_a_key_that_is_there_twice() {
    assert_eq!(bent("keyId=", "keyId=\"a/b/c\",keyId="), "authorization");
}

#[test]
fn rejects_keys_of_two_and_of_four_parts() {
    assert_eq!(bent(&format!("{TENANCY}/{USER}/"), &format!("{TENANCY}/")), "authorization");
    assert_eq!(bent(&format!("{TENANCY}/"), &format!("{TENANCY}/x/")), "authorization");
}

#[test]
fn a_session_token_is_read_as_one() {
    assert_eq!(bent(&format!("{TENANCY}/{USER}/{FINGERPRINT}"), "ST$x"), "token");
    assert_eq!(bent(&format!("{TENANCY}/{USER}/{FINGERPRINT}"), "ST$"), "authorization");
}

#[test]
fn rejects_a_value_without_quotes() {
    assert_eq!(bent("version=\"1\"", "version=1"), "authorization");
}

#[test]
fn rejects_what_is_empty_or_no_text() {
    assert_eq!(clause_of(""), "headers");
    for wrong in [json!(null), json!(7), json!([good()])] {
        let mut login = Caller::user().json("");
        login["headers"]["authorization"] = wrong;
        assert_eq!(Login::parse(login.to_string().as_bytes()).unwrap_err().clause, "request");
    }
}

#[test]
fn rejects_the_user_and_the_tenancy_of_others() {
    assert_eq!(bent(USER, "ocid1.user.oc1..oooo"), "signer");
    assert_eq!(bent(TENANCY, "ocid1.tenancy.oc1..bbbb"), "tenancy");
}

#[test]
fn rejects_another_version() {
    assert_eq!(bent("version=\"1\"", "version=\"2\""), "authorization");
    assert_eq!(bent("version=\"1\",", ""), "authorization");
}

#[test]
fn rejects_another_algorithm() {
    for algorithm in ["rsa-pss-sha256", "hmac-sha256", "none", "RSA-SHA256", ""] {
        assert_eq!(bent("rsa-sha256", algorithm), "algorithm", "{algorithm}");
    }
}

#[test]
fn rejects_lists_of_headers_without_one_that_counts() {
    for name in ["(request-target) ", "date ", "host "] {
        assert_eq!(bent(name, ""), "signed-headers", "{name}");
    }
    assert_eq!(bent("headers=\"", "headers=\"date "), "authorization");
}

#[test]
fn rejects_headers_that_are_shown_and_not_signed() {
    for name in [AUDIENCE_HEADER, NONCE_HEADER] {
        let caller = Caller { unsigned: vec![name], ..Caller::user() }.with(name, AUTHORITY);
        assert_eq!(caller.refused(), "signed-headers", "{name}");
    }
}

#[test]
fn rejects_headers_that_are_signed_and_not_shown() {
    assert_eq!(bent("headers=\"", "headers=\"accept "), "signed-headers");
}

#[test]
fn rejects_a_signature_that_is_no_base64() {
    assert_eq!(bent("signature=\"", "signature=\"-"), "authorization");
}

#[test]
fn rejects_text_behind_the_last_parameter() {
    assert_eq!(clause_of(&format!("{} x", good())), "authorization");
    assert_eq!(clause_of(&format!("{},", good())), "accepted");
}

#[test]
fn rejects_keys_of_resources_and_certificates() {
    let own = format!("{TENANCY}/{USER}/{FINGERPRINT}");
    assert_eq!(bent(&own, &format!("resource/v2.1.1/{TENANCY}/{INSTANCE}")), "key");
    assert_eq!(bent(&own, &format!("{TENANCY}/fed-x509-sha256/{FINGERPRINT}")), "key");
}

#[test]
fn rejects_fingerprints_that_are_none() {
    for fingerprint in ["x", &FINGERPRINT.to_uppercase(), &FINGERPRINT.replace(':', ""), &format!("{FINGERPRINT}:00")] {
        assert_eq!(bent(FINGERPRINT, fingerprint), "key", "{fingerprint}");
    }
}

#[test]
fn rejects_values_that_are_no_line_of_a_header() {
    for value in ["a\nb", "a\r\nx-more: b", "é", " a", "a "] {
        assert_eq!(Caller::user().with(NONCE_HEADER, value).refused(), "headers", "{value:?}");
    }
}

#[test]
fn rejects_members_that_are_unknown_or_there_twice() {
    let good = Caller::user().json(&good()).to_string();
    let text = |from: &str, to: &str| Login::parse(good.replacen(from, to, 1).as_bytes()).map_err(|error| error.clause);
    assert!(text("", "").is_ok());
    for (from, to) in [
        ("\"host\":", "\"x-forwarded-host\":\"a\",\"host\":"),
        ("\"host\":", "\"host\":\"a\",\"host\":"),
        ("\"host\":", "\"Host\":"),
        ("\"user\":", "\"userOcid\":"),
        ("\"user\":", "\"user\":\"a\",\"user\":"),
        ("{", "["),
    ] {
        assert_eq!(text(from, to).unwrap_err(), "request", "{from} {to}");
    }
    assert_eq!(Login::parse(&vec![b' '; MAX_LOGIN + 1]).unwrap_err().clause, "request");
}

proptest! {
    #[test]
    fn no_login_makes_the_reader_panic(authorization in "Signature ([a-zA-Z]{0,9}=?\"?[a-z$/.: ]{0,20}\"?[ ,]{0,3}){0,9}", host in "\\PC{0,60}", user in "\\PC{0,60}") {
        let login = json!({ "user": user, "headers": { "authorization": authorization, "host": host, "date": DATE } });
        if let Ok(login) = Login::parse(login.to_string().as_bytes()) {
            let _ = login.claimed_tenancy(&SeenTokens::default(), now());
            let _ = trust().read(&login, &SeenTokens::default(), now());
        }
    }
}
