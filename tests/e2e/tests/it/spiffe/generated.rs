//! A client generated from the public definition: every method, and the exact words of every refusal (SPIFFE Workload API, and
//! what clients that know SPIRE look for).

use serde_json::{Value, json};

use crate::{
    authority::scene::{AUDIENCE, Authority},
    harness::json,
};

fn calls(authority: &Authority, what: &str) -> Value {
    json(authority.workload("spiffe_calls.py").arg(what))
}

fn refusal(code: &str, text: &str) -> Value {
    json!({ "code": code, "text": text })
}

#[test]
fn every_method_answers_a_good_call() {
    let authority = Authority::shared();
    let answer = calls(authority, "good");
    for method in ["x509", "x509_bundles", "jwt_bundles", "jwt", "validated"] {
        assert_eq!(answer[method]["code"], "OK", "{method}: {answer}");
    }
    let (user, domain) = (authority.user(), authority.domain());
    let svids = answer["x509"]["svids"].as_array().unwrap();
    assert_eq!((svids.len(), &svids[0]["id"]), (1, &json!(user)));
    assert!(["chain", "key", "bundle"].iter().all(|part| svids[0][part].as_str().is_some_and(|text| !text.is_empty())));
    assert_eq!(answer["x509_bundles"]["bundles"][&domain], svids[0]["bundle"], "{answer}");
    let keys = answer["jwt_bundles"]["bundles"][&domain]["keys"].as_array().unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| key["kid"].is_string() && key["x5c"].is_null()), "{answer}");
    assert_eq!(answer["jwt"]["ids"], json!([user]));
    assert_eq!(answer["jwt_of_one"], json!({ "outcome": { "code": "OK" }, "ids": [user] }));
    assert_eq!(answer["validated"]["id"], json!(user));
    // As a list, whatever the token has.
    assert_eq!(answer["validated"]["claims"]["aud"], json!([AUDIENCE]));
}

#[test]
fn rejects_every_call_whose_security_header_is_not_as_it_must_be() {
    let answer = calls(Authority::shared(), "refused");
    let headers = answer["headers"].as_object().unwrap();
    assert_eq!(headers.len(), 5, "{answer}");
    for (header, methods) in headers {
        let methods = methods.as_object().unwrap();
        assert_eq!(methods.len(), 7, "{answer}");
        for (method, told) in methods {
            let wanted = refusal("INVALID_ARGUMENT", "security header missing from request");
            assert_eq!(*told, wanted, "{header} header, {method}");
        }
    }
}

#[test]
fn refusals_have_the_codes_and_texts_that_clients_look_for() {
    let answer = calls(Authority::shared(), "refused");
    for call in ["no_audience", "empty_audience", "validate_no_audience"] {
        assert_eq!(answer[call], refusal("INVALID_ARGUMENT", "audience must be specified"), "{call}");
    }
    assert_eq!(answer["foreign_id"], refusal("PERMISSION_DENIED", "no identity issued"));
    assert_eq!(answer["malformed_id"]["code"], "INVALID_ARGUMENT");
    let text = answer["malformed_id"]["text"].as_str().unwrap();
    assert!(text.starts_with("invalid requested SPIFFE ID: "), "{text}");
    for call in ["validate_no_token", "validate_other_audience", "validate_bent", "validate_garbage"] {
        assert_eq!(answer[call]["code"], "INVALID_ARGUMENT", "{call}: {answer}");
        assert!(answer[call]["text"].as_str().is_some_and(|text| !text.is_empty()), "{call}: {answer}");
    }
    for call in ["wit_svid", "wit_bundles"] {
        assert_eq!(answer[call]["code"], "UNIMPLEMENTED", "{call}: {answer}");
    }
}

#[test]
fn health_and_reflection_are_on_the_same_socket_and_want_no_header() {
    let answer = calls(Authority::shared(), "neighbours");
    for service in ["whole", "SpiffeWorkloadAPI"] {
        assert_eq!(answer["health"][service], json!({ "code": "OK", "status": "SERVING" }), "{answer}");
    }
    assert_eq!(answer["health"]["nobody"]["code"], "NOT_FOUND", "{answer}");
    let services: Vec<&str> = answer["services"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for service in ["SpiffeWorkloadAPI", "envoy.service.secret.v3.SecretDiscoveryService", "grpc.health.v1.Health"] {
        assert!(services.contains(&service), "{answer}");
    }
    assert_eq!(answer["unknown"]["code"], "UNIMPLEMENTED", "{answer}");
}

#[test]
fn secret_discovery_answers_a_stream_with_acknowledgements() {
    let authority = Authority::shared();
    let answer = json(authority.workload("spiffe_sds.py").args([authority.user(), authority.domain()]));
    let stream = &answer["stream"];
    let (one, two) = (&stream["one"], &stream["two"]);
    assert_eq!((&one["version"], &two["version"]), (&json!("1"), &json!("2")), "{stream}");
    for message in [one, two] {
        let nonce = message["nonce"].as_str().unwrap();
        assert!(nonce.len() == 8 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{nonce}");
    }
    assert_ne!(one["nonce"], two["nonce"]);
    assert_eq!(one["secrets"].as_object().unwrap().len(), 1, "{stream}");
    assert_eq!(two["secrets"]["ROOTCA"]["domains"], json!([authority.service.says("trust_domain")]), "{stream}");
    assert_eq!(
        stream["more"], 0,
        "what was acknowledged, refused, or asked with an old nonce is not answered: {stream}"
    );
    assert_eq!(answer["delta"]["code"], "UNIMPLEMENTED");
}

#[test]
fn secret_discovery_gives_each_name_what_it_stands_for() {
    let authority = Authority::shared();
    let (user, domain) = (authority.user(), authority.domain());
    let answer = json(authority.workload("spiffe_sds.py").args([&user, &domain]));
    let fetched = |name: &str| {
        let answer = &answer["fetch"][name];
        assert_eq!((&answer["code"], &answer["nonce"]), (&json!("OK"), &json!("")), "{name}: {answer}");
        // Under the name that was asked for.
        answer["secrets"][name].clone()
    };
    for name in ["default", user.as_str()] {
        let secret = fetched(name);
        assert!(secret["chain"].as_str().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")), "{secret}");
        assert_eq!(secret["key"], "-----BEGIN PRIVATE KEY-----");
    }
    for name in ["ROOTCA", "ALL", domain.as_str()] {
        let secret = fetched(name);
        assert_eq!(secret["validator"], "envoy.tls.cert_validator.spiffe", "{secret}");
        assert_eq!(secret["domains"], json!([authority.service.says("trust_domain")]), "{secret}");
    }
    let mut all: Vec<&String> = answer["everything"]["secrets"].as_object().unwrap().keys().collect();
    all.sort();
    assert_eq!(all, [&domain, &user], "{answer}");
    let text = "workload is not authorized for the requested identities [\"spiffe://nobody.test/x\"]";
    assert_eq!(answer["fetch"]["spiffe://nobody.test/x"], refusal("INVALID_ARGUMENT", text));
}
