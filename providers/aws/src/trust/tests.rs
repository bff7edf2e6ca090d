//! One valid request, bent in one place.

mod principals;
mod request;
mod session;

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, PublicKey, SigningKey, encode_jwt};
use carnet_trust::{Decision, Refusal};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const ISSUER: &str = "https://issuer.example/a";

struct Case {
    claims: Value,
    policy: Value,
    client_ids: Vec<String>,
    session_name: &'static str,
    duration: Option<i64>,
    algorithm: Algorithm,
    keys: bool,
    role: bool,
    bend: fn(String) -> String,
}

fn case() -> Case {
    Case {
        claims: json!({"iss": ISSUER, "sub": "repo:o/r:ref:refs/heads/main", "aud": "sts.amazonaws.com",
            "iat": NOW, "exp": NOW + 300}),
        policy: json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/issuer.example/a"},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {"StringEquals": {"issuer.example/a:aud": "sts.amazonaws.com"},
                "StringLike": {"issuer.example/a:sub": "repo:o/r:*"}}}]}),
        client_ids: vec!["sts.amazonaws.com".to_owned()],
        session_name: "job",
        duration: None,
        algorithm: Algorithm::Es256,
        keys: true,
        role: true,
        bend: |token| token,
    }
}

impl Case {
    fn decide(&self) -> Decision {
        self.decide_for(None)
    }

    fn decide_for(&self, request: Option<&RequestFacts<'_>>) -> Decision {
        let key = SigningKey::generate(self.algorithm).unwrap().with_kid("k");
        let keys = KeySet::of(PublicKey::from_jwk(&key.public_jwk()).unwrap());
        let Value::Object(claims) = &self.claims else { panic!("claims are an object") };
        let token = Secret::new((self.bend)(encode_jwt(&key, &Map::new(), claims).unwrap().expose().to_owned()));
        let provider = OidcProvider {
            account: "123456789012".to_owned(),
            url: ISSUER.to_owned(),
            client_ids: self.client_ids.clone(),
            thumbprints: Vec::new(),
        };
        let trust = TrustPolicy::parse(&self.policy.to_string()).unwrap();
        let role = Role::new("arn:aws:iam::123456789012:role/ci/deploy", trust);
        let question = Question {
            token: &token,
            role: self.role.then_some(&role),
            provider: Some(&provider),
            session_name: self.session_name,
            duration: self.duration.map(SignedDuration::from_secs),
            now: Timestamp::from_second(NOW).unwrap(),
        };
        let keys = self.keys.then_some(&keys);
        let Some(facts) = request else { return evaluate(&question, keys) };
        match question.admit().and_then(|admitted| admitted.of_request(facts).decide(keys)) {
            Ok(grant) => Decision::Allow(grant),
            Err(refusal) => Decision::Refuse(*refusal),
        }
    }

    #[track_caller]
    fn refused(&self, clause: &str, code: &str) -> Refusal {
        let decision = self.decide();
        let refusal = decision.refusal().unwrap_or_else(|| panic!("allowed: {decision:?}"));
        assert_eq!((refusal.clause, refusal.code.as_str()), (clause, code), "{refusal:?}");
        assert!(!format!("{refusal:?}").contains("eyJ"), "{refusal:?}");
        refusal.clone()
    }
}

fn bent(bend: impl FnOnce(&mut Case)) -> Case {
    let mut case = case();
    bend(&mut case);
    case
}

#[test]
fn accepts_a_job_of_the_repository() {
    let decision = case().decide();
    let grant = decision.grant().unwrap();
    assert_eq!(grant.principal, "arn:aws:sts::123456789012:assumed-role/deploy/job");
    assert_eq!(grant.lifetime, Some(DEFAULT_SESSION));
    assert!(grant.warnings.is_empty(), "{grant:?}");
}

#[test]
fn azp_counts_before_aud() {
    let case = bent(|case| {
        case.claims["azp"] = json!("sts.amazonaws.com");
        case.claims["aud"] = json!("other");
    });
    assert!(case.decide().grant().is_some());
}

#[test]
fn rejects_issuer_without_provider() {
    bent(|case| case.claims["iss"] = json!("https://issuer.example/b")).refused("issuer", "InvalidIdentityToken");
}

#[test]
fn rejects_issuer_that_is_not_the_whole_url() {
    for issuer in
        ["issuer.example/a", "http://issuer.example/a", "HTTPS://issuer.example/a", "https://issuer.example/a/"]
    {
        let refusal = bent(|case| case.claims["iss"] = json!(issuer)).refused("issuer", "InvalidIdentityToken");
        assert_eq!(refusal.seen, issuer);
    }
}

#[test]
fn a_provider_is_found_by_the_whole_url_alone() {
    let mut providers = Providers::default();
    let provider = OidcProvider {
        account: "123456789012".to_owned(),
        url: ISSUER.to_owned(),
        client_ids: Vec::new(),
        thumbprints: Vec::new(),
    };
    assert!(providers.insert(provider));
    assert!(providers.find("123456789012", ISSUER).is_some());
    for (account, issuer) in
        [("123456789012", "issuer.example/a"), ("123456789012", "http://issuer.example/a"), ("1", ISSUER)]
    {
        assert!(providers.find(account, issuer).is_none(), "{account} {issuer}");
    }
    assert!(providers.named("123456789012", "issuer.example/a").is_some());
    assert!(providers.remove("123456789012", "issuer.example/a").is_some());
}

#[test]
fn google_is_known_without_a_provider() {
    let google = OidcProvider::built_in("https://accounts.google.com").unwrap();
    assert_eq!(google.arn(), "accounts.google.com");
    assert!(OidcProvider::built_in("accounts.google.com").is_none() && OidcProvider::built_in(ISSUER).is_none());
    let role = |condition: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
            "Principal": {"Federated": "accounts.google.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition}});
        Role::new("arn:aws:iam::123456789012:role/r", TrustPolicy::parse(&policy.to_string()).unwrap())
    };
    let good = json!({"StringEquals": {"accounts.google.com:sub": "1", "accounts.google.com:oaud": "sts"}});
    assert!(lint_role(&role(good), &google).is_empty());
    assert_eq!(
        lint_role(&role(json!({"StringEquals": {"accounts.google.com:sub": "1"}})), &google)[0].clause,
        "audience"
    );
}

#[test]
fn rejects_audience_that_is_no_client_id() {
    bent(|case| case.claims["aud"] = json!("other")).refused("audience", "InvalidIdentityToken");
}

#[test]
fn rejects_token_that_is_over() {
    bent(|case| case.claims["exp"] = json!(NOW)).refused("expired", "ExpiredTokenException");
}

#[test]
fn rejects_token_of_the_future() {
    bent(|case| case.claims["iat"] = json!(NOW + 301)).refused("not-yet", "InvalidIdentityToken");
}

#[test]
fn rejects_times_that_are_not_whole() {
    bent(|case| case.claims["iat"] = json!(1.5)).refused("claims", "InvalidIdentityToken");
}

#[test]
fn rejects_access_token() {
    bent(|case| case.bend = |_| "opaque".to_owned()).refused("form", "InvalidIdentityToken");
}

#[test]
fn rejects_bent_signature() {
    bent(|case| case.bend = |token| format!("{}AAAA", &token[..token.len() - 4]))
        .refused("signature", "InvalidIdentityToken");
}

#[test]
fn rejects_algorithm_outside_the_list() {
    bent(|case| case.algorithm = Algorithm::EdDsa).refused("algorithm", "InvalidIdentityToken");
}

#[test]
fn rejects_issuer_without_keys() {
    bent(|case| case.keys = false).refused("keys", "InvalidIdentityToken");
}

#[test]
fn rejects_role_that_is_not_there() {
    bent(|case| case.role = false).refused("role", "AccessDenied");
}

#[test]
fn rejects_subject_of_another_repository_and_says_which_claim() {
    let refusal = bent(|case| case.claims["sub"] = json!("repo:o/other:ref")).refused("condition", "AccessDenied");
    assert_eq!(refusal.seen, "issuer.example/a:sub is repo:o/other:ref");
    assert_eq!(refusal.wanted, "StringLike repo:o/r:*");
}

#[test]
fn actions_are_compared_without_case_and_told_as_written() {
    let asking = |action: &str| bent(|case| case.policy["Statement"][0]["Action"] = json!([action]));
    for action in ["STS:assumerolewithwebidentity", "sts:AssumeRoleWith*", "sts:AssumeRoleWithWebIdentit?", "*"] {
        assert!(asking(action).decide().grant().is_some(), "{action}");
    }
    assert_eq!(asking("sts:AssumeRole").refused("action", "AccessDenied").wanted, "sts:AssumeRole");
}

#[test]
fn rejects_what_a_statement_denies() {
    bent(|case| {
        let mut deny = case.policy["Statement"][0].clone();
        deny["Effect"] = json!("Deny");
        case.policy["Statement"].as_array_mut().unwrap().push(deny);
    })
    .refused("policy", "AccessDenied");
}

#[test]
fn rejects_session_names_and_durations_outside_the_rules() {
    bent(|case| case.session_name = "a b").refused("session-name", "ValidationError");
    bent(|case| case.duration = Some(899)).refused("duration", "ValidationError");
    bent(|case| case.duration = Some(3601)).refused("duration", "ValidationError");
}

#[test]
fn warns_of_a_role_for_every_subject() {
    let case = bent(|case| case.policy["Statement"][0]["Condition"] = json!({}));
    assert_eq!(case.decide().grant().unwrap().warnings[0].clause, "subject");
}

#[test]
fn every_operator_compares_as_documented() {
    let context = Context::default()
        .with("s", ["Ab"])
        .with("n", ["5"])
        .with("d", ["2026-11-21T12:00:00Z"])
        .with("b", ["true"])
        .with("ip", ["203.0.113.7"])
        .with("arn", ["arn:aws:s3:::b/k"])
        .with("many", ["x", "y"]);
    for (operator, key, value, expected) in [
        ("StringEquals", "s", "Ab", true),
        ("StringEquals", "s", "ab", false),
        ("StringEquals", "S", "Ab", true),
        ("StringNotEquals", "s", "ab", true),
        ("StringEqualsIgnoreCase", "s", "aB", true),
        ("StringNotEqualsIgnoreCase", "s", "aB", false),
        ("StringLike", "s", "A?", true),
        ("StringNotLike", "s", "A*", false),
        ("StringEquals", "s", "A*", false),
        ("NumericEquals", "n", "5.0", true),
        ("NumericNotEquals", "n", "5", false),
        ("NumericLessThan", "n", "5", false),
        ("NumericLessThanEquals", "n", "5", true),
        ("NumericGreaterThan", "n", "4", true),
        ("NumericGreaterThanEquals", "n", "x", false),
        ("DateLessThan", "d", "2026-11-22", true),
        ("DateGreaterThan", "d", "1795262400", false),
        ("DateEquals", "d", "1795262400", true),
        ("Bool", "b", "TRUE", true),
        ("IpAddress", "ip", "203.0.113.0/24", true),
        ("NotIpAddress", "ip", "203.0.113.7", false),
        ("ArnLike", "arn", "arn:aws:s3:::*", true),
        ("ArnEquals", "arn", "arn:*:b/k", false),
        ("Null", "s", "false", true),
        ("Null", "gone", "true", true),
        ("StringEquals", "gone", "x", false),
        ("StringEqualsIfExists", "gone", "x", true),
        ("StringNotEquals", "gone", "x", true),
        ("ForAllValues:StringEquals", "gone", "x", true),
        ("ForAnyValue:StringEquals", "gone", "x", false),
        ("ForAllValues:StringEquals", "many", "x", false),
        ("ForAnyValue:StringEquals", "many", "x", true),
    ] {
        let condition = Condition::new(operator, key, &[value.to_owned()], true).unwrap();
        assert_eq!(condition.holds(&context), expected, "{operator} {key} {value}");
    }
}

#[test]
fn rejects_policies_bent_in_one_place() {
    let good = case().policy.to_string();
    for (from, to) in [
        ("2012-10-17", "2020-01-01"),
        ("\"Allow\"", "\"Maybe\""),
        ("\"Federated\"", "\"Everybody\""),
        ("sts:AssumeRoleWithWebIdentity", "s3:GetObject"),
        ("StringLike", "StringResembles"),
        ("\"Principal\"", "\"NotPrincipal\""),
        ("{\"Federated\"", "{\"AWS\":\"1\"},\"Principal\":{\"Federated\""),
        ("\"Federated\"", "\"Federated\":\"*\",\"Federated\""),
        ("\"Effect\"", "\"Effect\":\"Deny\",\"Effect\""),
        ("\"StringEquals\"", "\"StringEquals\":{},\"StringEquals\""),
        ("\"issuer.example/a:aud\"", "\"issuer.example/a:aud\":\"x\",\"issuer.example/a:aud\""),
        ("\"Effect\"", "\"Sid\":\"a b!\",\"Effect\""),
        ("[\"sts:AssumeRoleWithWebIdentity\"]", "[]"),
        ("\"Statement\"", "\"Statements\""),
        ("}", ""),
    ] {
        assert!(TrustPolicy::parse(&good.replacen(from, to, 1)).is_err(), "{from} as {to}");
    }
}

proptest! {
    #[test]
    fn any_policy_is_read_and_only_one_that_allows_allows(
        text in ".{0,80}",
        effect in "Allow|Deny|allow",
        action in "sts:[A-Za-z*?]{0,30}|\\*|s3:.{0,8}",
        operator in "(ForA(ll|ny)Values?:)?(String|Numeric|Date|Bool|Arn|Null|Ip)(Like|Equals|Address|LessThan)?(IfExists)?",
        value in "\\PC{0,20}",
    ) {
        prop_assert!(TrustPolicy::parse(&text).is_err());
        let principal = ("Federated", "arn:aws:iam::123456789012:oidc-provider/issuer.example/a");
        let document = json!({ "Version": "2012-10-17", "Statement": { "Effect": effect,
            "Principal": { "Federated": principal.1 }, "Action": action, "Condition": { operator: { "a:sub": value } } } });
        if let Ok(policy) = TrustPolicy::parse(&document.to_string()) {
            for context in [Context::default(), Context::default().with("a:sub", [value.clone()])] {
                let allowed = policy.allows("sts:AssumeRoleWithWebIdentity", principal, &context);
                prop_assert!(allowed.is_err() || effect == "Allow", "{}", document);
            }
        }
    }

    #[test]
    fn a_provider_is_named_as_it_was_given(url in "(https|HTTPS|http)?(://)?[ a-z0-9./:?#\\t-]{0,30}") {
        let provider = OidcProvider {
            account: "123456789012".to_owned(),
            url: url.clone(),
            client_ids: vec!["a".to_owned()],
            thumbprints: Vec::new(),
        };
        if provider.check().is_ok() {
            prop_assert_eq!(format!("https://{}", provider.name()), url);
        }
    }
}
