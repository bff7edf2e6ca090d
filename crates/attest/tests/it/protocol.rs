//! The words between agent and authority.

use carnet_attest::{Kind, protocol::*};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn bytes_are_base64_with_padding() {
    assert_eq!(serde_json::to_value(Base64(vec![0xfb, 0xff])).unwrap(), "+/8=");
    for bad in ["-_8=", "+/8", "+/9=", "*", " +/8="] {
        serde_json::from_value::<Base64>(json!(bad)).unwrap_err();
    }
}

#[test]
fn rejects_a_field_that_is_not_known_in_every_request() {
    serde_json::from_value::<StartRequest>(json!({"kind": "oci", "x": 1})).unwrap_err();
    serde_json::from_value::<RenewRequest>(json!({"csr": "", "x": 1})).unwrap_err();
    let attest = json!({"attempt": "a", "kind": "oci", "payload": {}, "csr": "", "x": 1});
    serde_json::from_value::<AttestRequest>(attest).unwrap_err();
    serde_json::from_value::<X509Request>(json!({"entry_id": "a", "csr": "", "x": 1})).unwrap_err();
    serde_json::from_value::<JwtRequest>(json!({"entry_id": "a", "audiences": [], "x": 1})).unwrap_err();
}

#[test]
fn every_method_has_one_name() {
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    "tpm".parse::<Kind>().unwrap_err();
}

#[test]
fn what_holds_a_token_does_not_show_it() {
    let answer: IssuedJwt = serde_json::from_value(json!({
        "token": "s3cr3t", "issued_at": "2026-11-21T12:00:00Z", "expires_at": "2026-11-21T12:05:00Z", "revision": 1
    }))
    .unwrap();
    let request: AttestRequest =
        serde_json::from_value(json!({"attempt": "a", "kind": "k8s", "payload": {"token": "s3cr3t"}, "csr": ""}))
            .unwrap();
    assert!(!format!("{answer:?} {request:?}").contains("s3cr3t"));
    assert_eq!(serde_json::to_value(&answer).unwrap()["token"], "s3cr3t");
    assert!(!format!("{:?}", JwtAnswer::Issued(answer)).contains("s3cr3t"));
}

#[test]
fn identities_of_agents_and_authority_are_reserved() {
    let domain = "example.org".parse().unwrap();
    assert_eq!(authority_id(&domain).unwrap().path(), "/carnet/authority");
    assert_eq!(agent_id(&domain, "oci/t/i").unwrap().path(), "/carnet/agent/oci/t/i");
    agent_id(&domain, "../authority").unwrap_err();
}

proptest! {
    #[test]
    fn any_text_is_a_request_or_none(text in "\\PC{0,200}") {
        let _ = serde_json::from_str::<AttestRequest>(&text);
        let _ = serde_json::from_str::<Vec<X509Request>>(&text);
        let _ = serde_json::from_str::<Updates>(&text);
    }

    #[test]
    fn bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let json = serde_json::to_string(&Base64(bytes.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Base64>(&json).unwrap().0, bytes);
    }
}
