//! Whatever a role, a token or the name of a claim is, there is an answer; and no role is open to everybody by mistake.

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::collection::vec("[a-z*]{0,4}", 0..3).prop_map(Value::from),
        Just(json!({ "a": { "b": [1, "x"] } })),
    ]
}

fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "role_type",
        "bound_audiences",
        "bound_subject",
        "bound_claims",
        "bound_claims_type",
        "user_claim",
        "groups_claim",
        "claim_mappings",
        "expiration_leeway",
        "token_ttl",
        "token_max_ttl",
        "token_period",
        "token_policies",
        "token_bound_cidrs",
        "token_num_uses",
        "token_type",
    ])
}

proptest! {
    #[test]
    fn a_role_that_is_taken_is_bound_ends_and_gives_nobody_root(
        fields in prop::collection::vec((field(), value()), 0..4), name in "[a-zA-Z0-9_.é/-]{0,8}",
    ) {
        let mut role = Case::valid().role;
        for (field, value) in fields {
            role[field] = value;
        }
        let Ok(role) = serde_json::from_value::<Role>(role) else { return Ok(()) };
        let Ok(checked) = CheckedRole::new(&name, role) else { return Ok(()) };
        let role = checked.role();
        let bound = !role.bound_audiences.is_empty() || !role.bound_subject.is_empty();
        let bound = bound || !role.bound_claims.is_empty() || !role.token.token_bound_cidrs.is_empty();
        prop_assert!(bound || !checked.is_jwt());
        prop_assert!(checked.lifetime().is_positive() && checked.lifetime() <= SYSTEM_TTL);
        prop_assert!(!checked.policies().contains("root"));
        let again: Role = serde_json::from_value(serde_json::to_value(role).unwrap()).unwrap();
        prop_assert_eq!(&again, role);
        drop(lint_role(&checked));
    }

    #[test]
    fn any_configuration_is_read(field in "[a-z_]{0,24}|oidc_discovery_url|jwks_url|jwt_supported_algs", value in value()) {
        let mut config = Case::valid().config;
        config[field] = value;
        if let Ok(config) = serde_json::from_value(config)
            && let Ok(checked) = CheckedConfig::new(config)
        {
            prop_assert!(!checked.algorithms().is_empty());
        }
    }

    #[test]
    fn a_name_without_a_slash_is_a_member_at_the_top(name in "/?[a-z.~01/]{0,12}", value in value()) {
        let members: Map<String, Value> = [("a".to_owned(), value.clone()), (name.clone(), value)].into_iter().collect();
        let claims = carnet_jose::Claims(members);
        let found = look_up(&claims, &name);
        if !name.starts_with('/') {
            let there = claims.get(&name).unwrap();
            prop_assert_eq!(found, if there.is_null() { Looked::Absent } else { Looked::Value(there) });
        }
    }

    #[test]
    fn any_claim_is_decided_upon_and_bound_claims_hold(
        claim in prop::sample::select(vec!["iss", "sub", "aud", "exp", "nbf", "iat", "team", "groups", "org"]), value in value(),
    ) {
        let decision = Case::valid().claim(claim, value.clone()).decide();
        match claim {
            // What is left out of a token is not compared, so a claim that is there must be the bound one.
            "iss" if value != json!(ISSUER) => prop_assert!(decision.grant().is_none()),
            "sub" if value != json!(SUBJECT) => prop_assert!(decision.grant().is_none()),
            _ => {}
        }
    }

    #[test]
    fn no_address_leads_away_from_aws(address in "(https?:|x:|data:)(//)?[a-z.@/\\\\é-]{0,16}", region in "[a-z0-9./@-]{0,12}") {
        let Ok(url) = address.parse() else { return Ok(()) };
        let authorization = format!("AWS4-HMAC-SHA256 Credential=A/20261121/{region}/sts/aws4_request, SignedHeaders=host");
        let proof = AwsProof {
            method: "POST".to_owned(),
            url,
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
            headers: vec![("Authorization".to_owned(), authorization)],
        };
        for use_sts_region_from_client in [false, true] {
            let config = AwsClientConfig { use_sts_region_from_client, ..AwsClientConfig::default() };
            if proof.check(&config).is_ok()
                && let Ok(target) = proof.target(&config)
            {
                let host = target.host_str().unwrap_or_default();
                let regional = host.strip_prefix("sts.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
                prop_assert!(host == "sts.amazonaws.com" || regional.is_some_and(|region| !region.contains('.')), "{}", target);
            }
        }
    }
}
