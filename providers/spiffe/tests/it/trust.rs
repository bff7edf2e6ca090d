use carnet_spiffe::{
    SvidClause,
    trust::{REFUSED_CODE, Shown, SpiffeTrust, evaluate},
};
use carnet_trust::{Decision, Refusal};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{AUDIENCE, Domain, ID, LEEWAY, bundles, claims, claims_with, domain, now, seconds};

fn trust(domain: &Domain) -> SpiffeTrust {
    let audiences = vec![AUDIENCE.to_owned()];
    SpiffeTrust { audiences, leeway: LEEWAY, strict_header: true, bundles: bundles(&[domain]) }
}

fn refusal(decision: &Decision) -> Refusal {
    decision.refusal().cloned().unwrap()
}

#[test]
fn a_token_is_granted_as_its_spiffe_id_for_what_is_left_of_it() {
    let domain = domain();
    let decision = evaluate(Shown::Jwt(&domain.token(&json!({}), &claims())), &trust(&domain), now());
    let grant = decision.grant().unwrap();
    assert_eq!((grant.principal.as_str(), grant.lifetime), (ID, Some(SignedDuration::from_secs(300))));
    assert_eq!(grant.attributes["trust_domain"], "example.org");
    assert_eq!(grant.attributes["kid"], "key-1");
    assert_eq!((grant.held.first(), grant.held.last()), (Some(&"form"), Some(&"audience")));
    assert!(grant.warnings.is_empty());
}

#[test]
fn a_token_for_several_verifiers_is_granted_with_a_warning() {
    let domain = domain();
    let token = domain.token(&json!({}), &claims_with("aud", json!([AUDIENCE, "other"])));
    let decision = evaluate(Shown::Jwt(&token), &trust(&domain), now());
    assert_eq!(decision.grant().unwrap().warnings[0].clause, "audience");
}

#[test]
fn a_refused_token_says_what_held_what_was_seen_and_what_to_do() {
    let domain = domain();
    let token = domain.token(&json!({}), &claims_with("aud", json!(["other"])));
    let refusal = refusal(&evaluate(Shown::Jwt(&token), &trust(&domain), now()));
    assert_eq!((refusal.clause, refusal.code.as_str()), ("audience", REFUSED_CODE));
    assert_eq!((refusal.seen.as_str(), refusal.wanted.as_str()), ("other", AUDIENCE));
    assert_eq!(refusal.fix, SvidClause::Audience.fix());
    assert_eq!(refusal.held.len(), 11);
}

#[test]
fn a_certificate_is_granted_as_its_spiffe_id_for_what_is_left_of_it() {
    let domain = domain();
    let chain = domain.chain(ID);
    let decision = evaluate(Shown::X509(&chain), &trust(&domain), now());
    let grant = decision.grant().unwrap();
    assert_eq!((grant.principal.as_str(), grant.lifetime), (ID, Some(SignedDuration::from_secs(3600))));
}

#[test]
fn a_refused_certificate_has_the_kind_of_its_clause() {
    let domain = domain();
    let late = refusal(&evaluate(Shown::X509(&domain.chain(ID)), &trust(&domain), seconds(3700)));
    assert_eq!((late.clause, late.kind()), ("expired", carnet_core::ErrorKind::Expired));
    let stranger = Domain::new("other.example", carnet_jose::Algorithm::Es256);
    let foreign = refusal(&evaluate(Shown::X509(&stranger.chain(ID)), &trust(&domain), now()));
    assert_eq!(foreign.held, ["form", "uri-san", "subject", "trust-domain", "authority", "key"]);
}

#[test]
fn every_clause_has_a_name_of_its_own_and_a_fix() {
    let clauses = [
        SvidClause::Form,
        SvidClause::Algorithm,
        SvidClause::Header,
        SvidClause::KeyId,
        SvidClause::Subject,
        SvidClause::UriSan,
        SvidClause::TrustDomain,
        SvidClause::Key,
        SvidClause::Signature,
        SvidClause::Chain,
        SvidClause::Expired,
        SvidClause::NotYet,
        SvidClause::Lifetime,
        SvidClause::Claim,
        SvidClause::Audience,
        SvidClause::Authority,
        SvidClause::KeyUsage,
        SvidClause::ExtendedKeyUsage,
    ];
    let names: std::collections::BTreeSet<&str> = clauses.iter().map(|clause| clause.name()).collect();
    assert_eq!(names.len(), clauses.len());
    assert!(clauses.iter().all(|clause| !clause.fix().is_empty()));
}
