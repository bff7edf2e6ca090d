//! The headers as texts: `Authorization`, the key ids that it may name, and dates.

use super::*;

#[test]
fn rejects_other_algorithms() {
    for algorithm in ["rsa-pss-sha256", "hmac-sha256", "none", ""] {
        let mut request = Signing::get();
        request.sign();
        let header = request.headers["authorization"].to_str().unwrap().replace("rsa-sha256", algorithm);
        request.set("authorization", &header);
        assert_eq!(clause(&request.check(&Options::API, at_date(0))), "algorithm", "{algorithm}");
    }
}

#[test]
fn rejects_requests_without_one_good_header() {
    let mut request = Signing::get();
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "authorization");
    request.sign();
    let good = request.headers["authorization"].to_str().unwrap().to_owned();
    for bad in [
        good.replace("Signature ", "Bearer "),
        good.replace(r#"version="1""#, r#"version="2""#),
        good.replace(r#",version="1""#, ""),
        good.replace(r#"keyId=""#, r#"keyId="a/"#),
        good.replace(r#"keyId=""#, r#"keyId="x",keyId=""#),
        good.replace("date (request", "date date (request"),
        good.replace(r#"signature=""#, r#"signature="-"#),
        good.replace('"', ""),
        format!("{good} x"),
    ] {
        request.set("authorization", &bad);
        assert_ne!(clause(&request.check(&Options::API, at_date(0))), "allowed", "{bad}");
        request.set("authorization", &good);
        assert_eq!(clause(&request.check(&Options::API, at_date(0))), "allowed");
    }
    request.headers.append("authorization", HeaderValue::from_str(&good).unwrap());
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "authorization");
}

#[test]
fn parameters_may_come_in_any_order_with_spaces() {
    let text = r#"signature version="1", keyId="ST$a.b.c",  algorithm="rsa-sha256",headers="date host" , extra="x", signature="AA==""#;
    let parsed = parse_authorization(text).unwrap();
    assert_eq!(
        (parsed.key_id, parsed.headers, parsed.signature),
        (KeyId::Session("a.b.c"), vec!["date", "host"], "AA==")
    );
}

#[test]
fn every_form_of_a_key_id_is_known() {
    let id = |text| KeyId::parse(text);
    assert_eq!(id("t/u/f"), Some(KeyId::ApiKey { tenancy: "t", user: "u", fingerprint: "f" }));
    assert_eq!(
        id("t/fed-x509/AA:BB"),
        Some(KeyId::X509 { tenancy: "t", digest: X509Digest::Sha1, fingerprint: "AA:BB" })
    );
    assert_eq!(
        id("t/fed-x509-sha256/aa"),
        Some(KeyId::X509 { tenancy: "t", digest: X509Digest::Sha256, fingerprint: "aa" })
    );
    assert_eq!(id("resource/v2.1/r"), Some(KeyId::Resource { version: ResourceVersion::V2_1, tenancy: None, id: "r" }));
    assert_eq!(
        id("resource/v2.1.2/t/r"),
        Some(KeyId::Resource { version: ResourceVersion::V2_1_2, tenancy: Some("t"), id: "r" })
    );
    for bad in ["", "ST$", "a", "a/b", "a/b/c/d", "a//c", "resource/v2.1.1/t", "resource/v2.1/a/b"] {
        assert_eq!(id(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_the_parser_panic(text in "\\PC{0,300}") {
        let _ = parse_authorization(&text);
    }

    #[test]
    fn nearly_good_headers_do_not_make_the_parser_panic(text in "Signature ([a-zA-Z]{0,9}=?\"?[a-z$/. ]{0,12}\"?[ ,]{0,3}){0,9}") {
        let _ = parse_authorization(&text);
    }

    #[test]
    fn what_is_written_is_read_back(
        parts in Just(["version=\"1\"", "keyId=\"ST$x.y.z\"", "algorithm=\"rsa-sha256\"", "headers=\"date host\"", "signature=\"AA==\""]).prop_shuffle(),
        comma in prop::sample::select(vec![",", ", ", " , "]),
    ) {
        let text = format!("Signature {}", parts.join(comma));
        let parsed = parse_authorization(&text).unwrap();
        prop_assert_eq!(parsed.key_id, KeyId::Session("x.y.z"));
        prop_assert_eq!(parsed.headers, vec!["date", "host"]);
    }

    #[test]
    fn no_date_makes_the_parser_panic(text in "(Mon|Tue|\\PC{0,4}), [0-9]{0,3} (Jan|Feb|\\PC{0,3}) [0-9]{0,5} [0-9:]{0,9} (GMT|UTC|\\PC{0,3})") {
        let _ = parse_http_date(&text);
    }
}
