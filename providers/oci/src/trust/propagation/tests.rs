//! One valid exchange, bent in one place at a time.

use std::sync::LazyLock;

use carnet_jose::{Jwk, PublicKey, SigningKey, encode_jwt};
use carnet_trust::{Grant, Refusal};
use serde_json::{Map, Value, json};

use super::*;

mod key;
mod set_up;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";
const USER: &str = "ocid1.user.oc1..svcci";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("one"));
static OTHER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("one"));

fn now() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

/// A complete exchange that is allowed.
struct Case {
    requested: RequestedToken,
    resource_type: Option<&'static str>,
    rpst_exp: Option<&'static str>,
    caller: Caller<'static>,
    claims: Value,
    key: &'static SigningKey,
    /// The one key that the issuer publishes.
    listed: Jwk,
    trust: PropagationTrust,
    users: Vec<DomainUser>,
    upst_max: Option<SignedDuration>,
}

impl Case {
    fn upst() -> Self {
        Self {
            requested: RequestedToken::Upst,
            resource_type: None,
            rpst_exp: None,
            caller: Caller::Client("c11e47"),
            claims: json!({
                "iss": ISSUER, "sub": SUBJECT, "aud": "oci", "repository": "carnet-sandbox/app",
                "iat": now().as_second() - 10, "exp": now().as_second() + 290,
            }),
            key: &KEY,
            listed: KEY.public_jwk(),
            trust: PropagationTrust {
                name: "github".to_owned(),
                issuer: ISSUER.to_owned(),
                active: true,
                public_key_endpoint: Some(format!("{ISSUER}/.well-known/jwks")),
                oauth_clients: vec!["c11e47".to_owned()],
                allow_impersonation: true,
                impersonation_service_users: vec![
                    rule("ocid1.user.oc1..svcdeploy", "sub eq 'repo:carnet-sandbox/app:environment:production'"),
                    rule(USER, "sub eq repo:carnet-sandbox/app:*"),
                ],
                ..PropagationTrust::default()
            },
            users: vec![user("svc-ci", USER), user("svc-deploy", "ocid1.user.oc1..svcdeploy")],
            upst_max: None,
        }
    }

    fn rpst() -> Self {
        let mut case = Self::upst();
        case.requested = RequestedToken::Rpst;
        case.resource_type = Some("githubworkload");
        case.trust.subject_type = SubjectType::Resource;
        case.trust.impersonation_service_users.clear();
        case.trust.impersonating_resource = Some("githubworkload".to_owned());
        case.trust.claim_propagations =
            vec!["ext_repository".to_owned(), "ext_absent".to_owned(), "ext_iss".to_owned()];
        case.trust.claim_validations =
            vec![ClaimValidation { name: "repository".to_owned(), value: "carnet-sandbox/app".to_owned() }];
        case
    }

    fn token(&self) -> UnverifiedJwt {
        let Value::Object(claims) = &self.claims else { panic!("an object") };
        UnverifiedJwt::parse(encode_jwt(self.key, &Map::new(), claims).unwrap().expose()).unwrap()
    }

    fn decide(&self) -> Decision {
        let request = ExchangeRequest {
            requested: self.requested,
            resource_type: self.resource_type,
            rpst_exp: self.rpst_exp,
            caller: self.caller,
        };
        let keys = KeySet::of(PublicKey::from_jwk(&self.listed).unwrap());
        let domain = Domain { users: &self.users, upst_max: self.upst_max };
        evaluate(&request, &self.token(), &keys, &self.trust, &domain, now())
    }

    fn grant(&self) -> Grant {
        match self.decide() {
            Decision::Allow(grant) => grant,
            Decision::Refuse(refusal) => panic!("{refusal}"),
        }
    }

    fn refusal(&self) -> Refusal {
        self.decide().refusal().cloned().expect("it must be refused")
    }
}

fn rule(ocid: &str, rule: &str) -> ServiceUserRule {
    ServiceUserRule { ocid: Some(ocid.to_owned()), value: None, rule: rule.to_owned() }
}

fn user(name: &str, ocid: &str) -> DomainUser {
    DomainUser {
        id: format!("id-of-{name}"),
        ocid: ocid.to_owned(),
        name: name.to_owned(),
        active: true,
        service_user: true,
        ..DomainUser::default()
    }
}

/// Bends a valid exchange and returns the clause and the code of the refusal.
fn bent(mut case: Case, bend: impl FnOnce(&mut Case)) -> (&'static str, String) {
    assert!(case.decide().grant().is_some(), "the case must be valid before it is bent");
    bend(&mut case);
    let refusal = case.refusal();
    (refusal.clause, refusal.code)
}

fn is(clause: &'static str, code: &str) -> (&'static str, String) {
    (clause, code.to_owned())
}

#[test]
fn the_first_matching_rule_names_the_service_user() {
    let grant = Case::upst().grant();
    assert_eq!(grant.principal, USER);
    assert_eq!(grant.attributes["source_authn_prin"], SUBJECT);
    assert_eq!(grant.attributes["user_name"], "svc-ci");
    assert_eq!(
        grant.held,
        ["issuer", "trust", "client", "token-type", "signature", "expired", "claim-validation", "subject", "lifetime"]
    );

    let mut production = Case::upst();
    production.claims["sub"] = json!("repo:carnet-sandbox/app:environment:production");
    assert_eq!(production.grant().principal, "ocid1.user.oc1..svcdeploy");
}

#[test]
fn a_rule_may_name_the_user_by_id() {
    let mut case = Case::upst();
    case.trust.impersonation_service_users =
        vec![ServiceUserRule { value: Some("id-of-svc-ci".to_owned()), ocid: None, rule: "sub co carnet".to_owned() }];
    assert_eq!(case.grant().principal, USER);
}

#[test]
fn a_upst_lives_as_long_as_the_smallest_of_three() {
    let mut case = Case::upst();
    assert_eq!(case.grant().lifetime, Some(SignedDuration::from_secs(290)));
    case.trust.clock_skew_seconds = Some(60);
    assert_eq!(case.grant().lifetime, Some(SignedDuration::from_secs(290)), "clocks that disagree add nothing");
    case.claims["exp"] = json!(now().as_second() + 86_400);
    assert_eq!(case.grant().lifetime, Some(UPST_MAX));
    case.upst_max = Some(SignedDuration::from_mins(15));
    assert_eq!(case.grant().lifetime, Some(SignedDuration::from_mins(15)));
}

#[test]
fn without_impersonation_the_claim_finds_the_user() {
    let mut case = Case::upst();
    case.trust.allow_impersonation = false;
    case.trust.subject_claim_name = Some("repository".to_owned());
    case.trust.subject_mapping_attribute = Some("externalid".to_owned());
    case.users[1].attributes.insert("externalId".to_owned(), "carnet-sandbox/app".to_owned());
    let grant = case.grant();
    assert_eq!(grant.principal, "ocid1.user.oc1..svcdeploy");
    assert!(!grant.attributes.contains_key("source_authn_prin"));

    case.users[0].attributes.insert("externalId".to_owned(), "carnet-sandbox/app".to_owned());
    assert_eq!(case.refusal().clause, "subject", "two users with the same attribute");
}

#[test]
fn an_rpst_carries_the_propagated_claims_and_skips_the_missing_one() {
    let grant = Case::rpst().grant();
    assert_eq!(grant.principal, SUBJECT);
    let attributes: Vec<(&str, &str)> = grant.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        attributes,
        [("ext_iss", ISSUER), ("ext_repository", "carnet-sandbox/app"), ("res_type", "githubworkload")]
    );
    assert_eq!(grant.lifetime, Some(RPST_DEFAULT));
}

#[test]
fn an_rpst_lives_as_long_as_is_asked() {
    let mut case = Case::rpst();
    case.rpst_exp = Some("43200");
    assert_eq!(case.grant().lifetime, Some(RPST_MAX));
}

#[test]
fn a_signed_caller_needs_no_client_but_a_policy() {
    let mut case = Case::rpst();
    case.trust.oauth_clients.clear();
    case.caller = Caller::Principal { id: "ocid1.instance.oc1..i", permitted: true };
    assert!(case.decide().grant().is_some());
    case.caller = Caller::Principal { id: "ocid1.instance.oc1..i", permitted: false };
    assert_eq!((case.refusal().clause, case.refusal().code.as_str()), ("policy", "unauthorized_client"));
}

#[test]
fn rejects_signed_caller_when_the_trust_names_clients() {
    let seen = bent(Case::rpst(), |case| case.caller = Caller::Principal { id: "ocid1.instance", permitted: true });
    assert_eq!(seen, is("client", "unauthorized_client"));
}

#[test]
fn rejects_client_not_in_oauth_clients() {
    let seen = bent(Case::upst(), |case| case.caller = Caller::Client("another"));
    assert_eq!(seen, is("client", "unauthorized_client"));
    let seen = bent(Case::upst(), |case| case.trust.oauth_clients.clear());
    assert_eq!(seen, is("client", "unauthorized_client"));
}

#[test]
fn rejects_issuer_that_differs_by_a_slash() {
    let mut case = Case::upst();
    case.claims["iss"] = json!(format!("{ISSUER}/"));
    let refusal = case.refusal();
    assert_eq!((refusal.clause, refusal.code.as_str()), ("issuer", "invalid_grant"));
    assert!(refusal.fix.contains("slash"), "{}", refusal.fix);

    let found = find_trust([&case.trust], &case.token());
    assert!(found.unwrap_err().fix.contains("slash"));
    assert!(find_trust([&case.trust], &Case::upst().token()).is_ok());
}

#[test]
fn rejects_token_without_issuer() {
    let seen = bent(Case::upst(), |case| {
        case.claims.as_object_mut().unwrap().remove("iss");
    });
    assert_eq!(seen, is("issuer", "invalid_grant"));
}

#[test]
fn rejects_inactive_trust() {
    assert_eq!(bent(Case::upst(), |case| case.trust.active = false), is("trust", "invalid_grant"));
}

#[test]
fn rejects_trust_of_another_type() {
    assert_eq!(bent(Case::upst(), |case| case.trust.kind = TrustType::Saml), is("trust", "invalid_grant"));
}

#[test]
fn rejects_trust_with_a_fourth_propagated_claim() {
    let seen = bent(Case::rpst(), |case| case.trust.claim_propagations.push("ext_aud".to_owned()));
    assert_eq!(seen, is("trust", "invalid_grant"));
}

#[test]
fn rejects_upst_from_a_trust_for_resources() {
    let seen = bent(Case::rpst(), |case| case.requested = RequestedToken::Upst);
    assert_eq!(seen, is("token-type", "invalid_request"));
}

#[test]
fn rejects_rpst_from_a_trust_for_users() {
    let seen = bent(Case::upst(), |case| case.requested = RequestedToken::Rpst);
    assert_eq!(seen, is("token-type", "invalid_request"));
}

#[test]
fn rejects_resource_type_that_is_not_the_label() {
    let seen = bent(Case::rpst(), |case| case.resource_type = Some("gitlabworkload"));
    assert_eq!(seen, is("resource", "invalid_request"));
    assert_eq!(bent(Case::rpst(), |case| case.resource_type = None), is("resource", "invalid_request"));
}

#[test]
fn rejects_rpst_exp_out_of_bounds() {
    for rpst_exp in ["43201", "0", "-1", "1200.5", "", "soon", "99999999999999"] {
        let seen = bent(Case::rpst(), |case| case.rpst_exp = Some(rpst_exp));
        assert_eq!(seen, is("lifetime", "invalid_request"), "{rpst_exp}");
    }
}

#[test]
fn rejects_expired_token_beyond_the_skew() {
    let expire = |case: &mut Case| case.claims["exp"] = json!(now().as_second() - 30);
    assert_eq!(bent(Case::upst(), expire), is("expired", "invalid_grant"));
    let tolerant = |mut case: Case| {
        case.trust.clock_skew_seconds = Some(60);
        expire(&mut case);
        case
    };
    assert_eq!(tolerant(Case::rpst()).grant().lifetime, Some(RPST_DEFAULT));
    // A UPST would live no longer than the token, which is not at all.
    assert_eq!(tolerant(Case::upst()).refusal().clause, "lifetime");
}

#[test]
fn rejects_token_that_is_not_valid_yet() {
    let seen = bent(Case::upst(), |case| case.claims["nbf"] = json!(now().as_second() + 30));
    assert_eq!(seen, is("not-yet", "invalid_grant"));
}

#[test]
fn rejects_token_without_expiry() {
    let seen = bent(Case::upst(), |case| {
        case.claims.as_object_mut().unwrap().remove("exp");
    });
    assert_eq!(seen.1, "invalid_grant");
}

#[test]
fn rejects_audience_that_is_not_among_the_client_claim_values() {
    let mut pinned = Case::upst();
    pinned.trust.client_claim_name = Some("aud".to_owned());
    pinned.trust.client_claim_values = vec!["other".to_owned(), "oci".to_owned()];
    assert!(pinned.grant().held.contains(&"audience"));
    assert!(pinned.grant().warnings.is_empty(), "{:?}", pinned.grant().warnings);
    for aud in [json!("sts.amazonaws.com"), json!(["sts.amazonaws.com"]), json!(7), Value::Null] {
        pinned.claims["aud"] = aud;
        assert_eq!(pinned.refusal().clause, "audience");
    }
    pinned.claims["aud"] = json!(["sts.amazonaws.com", "oci"]);
    assert!(pinned.decide().grant().is_some());
    pinned.trust.client_claim_values.clear();
    assert_eq!(pinned.refusal().clause, "audience", "an empty list accepts nothing");
}

#[test]
fn rejects_claim_that_fails_its_validation() {
    for repository in [json!("carnet-sandbox/other"), json!(["carnet-sandbox/app"]), Value::Null] {
        let seen = bent(Case::rpst(), |case| case.claims["repository"] = repository);
        assert_eq!(seen, is("claim-validation", "invalid_grant"));
    }
}

#[test]
fn rejects_subject_that_no_rule_matches() {
    let seen = bent(Case::upst(), |case| case.claims["sub"] = json!("repo:somebody/else:ref:refs/heads/main"));
    assert_eq!(seen, is("subject", "invalid_grant"));
}

#[test]
fn rejects_service_user_that_cannot_be_used_without_trying_the_next_rule() {
    let catch_all = |case: &mut Case| {
        case.trust.impersonation_service_users.push(rule("ocid1.user.oc1..svcdeploy", "sub eq *"));
    };
    let bends: [fn(&mut Case); 3] = [
        |case| case.users[0].active = false,
        |case| case.users[0].service_user = false,
        |case| {
            case.users.remove(0);
        },
    ];
    for bend in bends {
        let seen = bent(Case::upst(), |case| {
            catch_all(case);
            bend(case);
        });
        assert_eq!(seen, is("subject", "invalid_grant"));
    }
}

#[test]
fn rejects_subject_that_maps_to_no_active_user() {
    let mut case = Case::upst();
    case.trust.allow_impersonation = false;
    case.claims["sub"] = json!("svc-ci");
    assert_eq!(case.grant().principal, USER);
    case.users[0].active = false;
    assert_eq!(case.refusal().clause, "subject");
    case.users.clear();
    assert_eq!(case.refusal().clause, "subject");
}

#[test]
fn rejects_subject_that_is_not_text() {
    for sub in [json!(["a"]), json!(7), json!(""), Value::Null] {
        assert_eq!(bent(Case::rpst(), |case| case.claims["sub"] = sub), is("subject", "invalid_grant"));
    }
}
