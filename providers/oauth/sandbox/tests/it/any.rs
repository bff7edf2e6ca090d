//! Whatever is asked, something is answered: no panic, JSON, and 500 only where a party says so.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{
    support::{Sandbox, Signed},
    wire::WIRES,
};

fn path() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "v1",
        "oauth",
        "token",
        "api",
        "v2",
        "oidc",
        "accounts",
        "x",
        "-",
        "npm",
        "exchange",
        "package",
        "@a%2fb",
        "%ff",
        "",
        "_",
        "mint-token",
        "audience",
        "sts",
        "2019-12-10",
        "iam",
        "exchange-token",
        "legacy",
        "models",
        "statements",
        "crates",
        "new",
        "ca",
        "rn",
        "carnet-sandbox",
        "repos",
        "projects",
        "resource-manager",
    ]);
    let query = prop::sample::select(vec!["", "?", "?scope=a&scope=b", "?scope=a&identity=b", "?%ff=%zz"]);
    (prop::collection::vec(parts, 0..8), query).prop_map(|(parts, query)| format!("/{}{query}", parts.join("/")))
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,64}",
        prop::sample::select(vec![
            String::new(),
            "[]".to_owned(),
            "{\"jwt\":1}".to_owned(),
            "{\"jwt\":\"a.b.c\",\"token\":\"a.b.c\",\"jwt_token\":\"e30.e30.\"}".to_owned(),
            "grant_type=x&grant_type=y".to_owned(),
            "jwt=e30.e30.&client_id=x".to_owned(),
        ]),
    ]
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["application/json", "application/x-www-form-urlencoded", "text/plain", "a;b"])
}

fn authorization() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer WIF.OIDC.e30.e30.", "Basic x", "x"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_is_answered(
        requests in prop::collection::vec(
            (prop::sample::select(WIRES.to_vec()), prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
                path(), kind(), authorization(), body()),
            1..16,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::new();
            for (wire, method, path, kind, authorization, body) in requests {
                let Ok(_) = path.parse::<http::Uri>() else { continue };
                let headers = BTreeMap::from([
                    ("content-type", kind.to_owned()), ("authorization", authorization.to_owned()),
                ]);
                let reply = sandbox.send(wire.service, method, &path, &headers, body).await;
                assert_ne!(reply.status, 500, "{} {method} {path}: {}", wire.service, reply.text);
                let _ = reply.json();
            }
        });
    }

    /// The entrance itself, with any token and any value of a claim.
    #[test]
    fn any_token_is_answered(
        wire in prop::sample::select(WIRES.to_vec()),
        token in prop_oneof!["[A-Za-z0-9_.-]{1,200}".prop_map(Some), Just(None)],
        claim in prop::sample::select(vec!["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "repository"]),
        value in prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            ".{0,40}".prop_map(serde_json::Value::from),
            Just(serde_json::json!([[], {}, "x"])),
        ],
        signed in prop::sample::select(vec![Signed::Well, Signed::WithoutKeyId, Signed::Forged, Signed::ByAStranger]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::new();
            let mut asked = sandbox.good(wire.party);
            asked.claim(claim, value);
            (asked.token, asked.signed) = (token, signed);
            let reply = sandbox.ask(&asked).await;
            // crates.io and npm answer 500 when the keys cannot be read.
            assert!(reply.status != 500 || reply.text.contains("key set") || wire.party == "npm", "{}", reply.text);
            let _ = reply.json();
        });
    }
}
