//! The source against a Workload API on a real socket.

mod agent;

use carnet_core::{
    Context, Credential, Error, ErrorKind, Found, Kind, MapEnvironment, Material, Mistake, SourceConfig, Want,
    test_context,
};
use carnet_grpc::{ENDPOINT_VARIABLE, tonic::Status};
use carnet_jose::{Algorithm, SigningKey};
use carnet_spiffe::{Spiffe, SvidKind, svid_profile};
use serde_json::json;

use self::agent::{Agent, Answers};
use crate::support::{AUDIENCE, Domain, ID, claims, claims_with, domain, now, seconds};

fn config(agent: &Agent) -> Spiffe {
    Spiffe { endpoint: Some(agent.address()), ..Spiffe::default() }
}

fn x509(agent: &Agent) -> Spiffe {
    Spiffe { svid: SvidKind::X509, ..config(agent) }
}

async fn find_in(config: Spiffe, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
    let want = Want { audience: audience.map(str::to_owned) };
    config.build().unwrap().find(context, &want).await
}

async fn find(config: Spiffe) -> Result<Credential, Error> {
    match find_in(config, &test_context(), Some(AUDIENCE)).await? {
        Found::Credential(credential) => Ok(*credential),
        Found::NotHere(reason) => Err(Error::not_here(reason)),
    }
}

fn jwt_answer(domain: &Domain) -> Answers {
    Answers::default().jwt(ID, &domain.token(&json!({}), &claims()), "")
}

/// An answer with one X509-SVID, its key and its bundle.
fn x509_answer(domain: &Domain) -> Answers {
    let profile = svid_profile(&ID.parse().unwrap(), &[], seconds(-10), seconds(3600));
    let issued = domain.intermediate.issue(&profile).unwrap();
    let chain = [issued.certificate.as_slice(), domain.intermediate.certificate()].concat();
    Answers::default().x509(ID, &chain, issued.private_key.expose(), domain.root.certificate())
}

#[tokio::test]
async fn gives_a_jwt_svid_for_what_the_next_step_needs() {
    let agent = Agent::start(jwt_answer(&domain()));
    let credential = find(config(&agent)).await.unwrap();
    assert_eq!((credential.kind(), credential.expires_at), (Kind::Jwt, Some(seconds(300))));
    assert_eq!(credential.facts["principal"], ID);
    assert_eq!(credential.facts["trust_domain"], "example.org");
    assert_eq!(agent.asked(), [(vec![AUDIENCE.to_owned()], String::new())]);
}

#[tokio::test]
async fn asks_for_the_audience_and_the_identity_that_are_configured() {
    let domain = domain();
    let token = domain.token(&json!({}), &claims_with("aud", json!(["own"])));
    let agent = Agent::start(Answers::default().jwt(ID, &token, ""));
    let wanted = Spiffe { audience: Some("own".to_owned()), spiffe_id: Some(ID.parse().unwrap()), ..config(&agent) };
    find(wanted).await.unwrap();
    assert_eq!(agent.asked(), [(vec!["own".to_owned()], ID.to_owned())]);
}

#[tokio::test]
async fn finds_the_agent_by_the_variable() {
    let agent = Agent::start(jwt_answer(&domain()));
    let environment = MapEnvironment::of(&[(ENDPOINT_VARIABLE, &agent.address())]);
    let context = Context { environment: std::sync::Arc::new(environment), ..test_context() };
    let found = find_in(Spiffe::default(), &context, Some(AUDIENCE)).await.unwrap();
    assert!(matches!(found, Found::Credential(_)));
}

#[tokio::test]
async fn is_not_here_without_an_address() {
    let found = find_in(Spiffe::default(), &test_context(), Some(AUDIENCE)).await.unwrap();
    assert!(matches!(found, Found::NotHere(reason) if reason == "SPIFFE_ENDPOINT_SOCKET is not set"));
}

#[tokio::test]
async fn is_not_here_when_the_agent_does_not_know_this_workload() {
    let agent = Agent::start(Answers::refusing(Status::permission_denied("no identity issued")));
    for config in [config(&agent), x509(&agent)] {
        let found = find_in(config, &test_context(), Some(AUDIENCE)).await.unwrap();
        let Found::NotHere(reason) = found else { panic!("{found:?}") };
        assert!(reason.contains(": no identity issued; "), "what the agent said: {reason}");
        assert!(reason.contains("register an entry whose selectors this process has"), "what to do: {reason}");
        assert!(reason.contains("whether the agent is banned"), "{reason}");
        assert!(!reason.contains("spiffe_id"), "it was not given: {reason}");
    }
}

#[tokio::test]
async fn whoever_names_an_identity_that_is_not_given_is_told_which() {
    let agent = Agent::start(Answers::refusing(Status::permission_denied("no identity issued")));
    let error = find(Spiffe { spiffe_id: Some(ID.parse().unwrap()), ..config(&agent) }).await.unwrap_err();
    let reason = error.to_string();
    assert!(reason.contains(&format!("or leave `spiffe_id` out, if {ID} is not its own")), "{reason}");
}

#[tokio::test]
async fn an_agent_that_was_named_must_answer() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix://{}", folder.path().join("none.sock").display());
    let error = find(Spiffe { endpoint: Some(nowhere), ..Spiffe::default() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hints().iter().any(|hint| hint.contains(ENDPOINT_VARIABLE)));
}

#[tokio::test]
async fn rejects_a_jwt_svid_without_a_known_audience() {
    let agent = Agent::start(jwt_answer(&domain()));
    let error = find_in(config(&agent), &test_context(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(agent.asked().is_empty());
}

#[tokio::test]
async fn takes_the_identity_with_the_hint_and_the_first_without_one() {
    let domain = domain();
    let token =
        |path: &str| domain.token(&json!({}), &claims_with("sub", json!(format!("spiffe://example.org/{path}"))));
    let agent = Agent::start(Answers::default().jwt("spiffe://example.org/a", &token("a"), "internal").jwt(
        "spiffe://example.org/b",
        &token("b"),
        "external",
    ));
    let principal = async |hint: Option<&str>| {
        let credential = find(Spiffe { hint: hint.map(str::to_owned), ..config(&agent) }).await?;
        Ok::<_, Error>(credential.facts["principal"].clone())
    };
    assert_eq!(principal(None).await.unwrap(), "spiffe://example.org/a");
    assert_eq!(principal(Some("external")).await.unwrap(), "spiffe://example.org/b");
    let error = principal(Some("other")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::NotHere,
            "the agent gives this workload no identity with the hint other, but spiffe://example.org/a (hint internal), \
             spiffe://example.org/b (hint external)"
        )
    );
}

#[tokio::test]
async fn rejects_a_jwt_svid_that_is_late_for_others_or_of_others() {
    let domain = domain();
    for (name, value, kind, clause) in [
        ("exp", json!(now().as_second()), ErrorKind::Expired, "expired"),
        ("aud", json!(["other"]), ErrorKind::Configuration, "audience"),
        ("sub", json!("spiffe://example.org/other"), ErrorKind::Unreachable, "subject"),
    ] {
        let agent = Agent::start(Answers::default().jwt(ID, &domain.token(&json!({}), &claims_with(name, value)), ""));
        let error = find(config(&agent)).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)));
    }
}

#[tokio::test]
async fn rejects_what_is_no_jwt_and_no_spiffe_id() {
    let domain = domain();
    let token = domain.token(&json!({}), &claims());
    for answers in [Answers::default().jwt(ID, "no token", ""), Answers::default().jwt("user", &token, "")] {
        let error = find(config(&Agent::start(answers))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn gives_an_x509_svid_with_its_key() {
    let agent = Agent::start(x509_answer(&domain()));
    let credential = find(x509(&agent)).await.unwrap();
    assert_eq!((credential.kind(), credential.expires_at), (Kind::X509, Some(seconds(3600))));
    assert_eq!((credential.issued_at, credential.facts["principal"].as_str()), (Some(seconds(-10)), ID));
    let Material::X509(identity) = credential.material else { panic!("not a certificate") };
    assert_eq!(identity.chain.len(), 2);
    SigningKey::from_pkcs8(Algorithm::Es256, &identity.private_key).unwrap();
}

#[tokio::test]
async fn rejects_an_x509_svid_of_another_identity() {
    let answers = x509_answer(&domain()).renamed("spiffe://example.org/other");
    let error = find(x509(&Agent::start(answers))).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("subject")));
}

#[tokio::test]
async fn rejects_an_x509_svid_whose_key_is_another() {
    let other = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    for key in [other.expose(), b"no key"] {
        let error = find(x509(&Agent::start(x509_answer(&domain()).with_key(key)))).await.unwrap_err();
        assert_eq!(error.to_string(), "read the private key of the X509-SVID from the agent");
    }
}

#[tokio::test]
async fn rejects_an_x509_svid_that_its_own_bundle_does_not_bear_out() {
    let stranger = Domain::new("example.org", Algorithm::Es256);
    let error =
        find(x509(&Agent::start(x509_answer(&domain()).with_bundle(stranger.root.certificate())))).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("signature")));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let fields = |config: Spiffe| {
        let mistakes = config.build().map(drop).unwrap_err();
        mistakes.into_iter().map(|Mistake { field, .. }| field).collect::<Vec<_>>()
    };
    let wrong = Spiffe {
        svid: SvidKind::Jwt,
        endpoint: Some("/run/a.sock".to_owned()),
        audience: Some(String::new()),
        spiffe_id: Some("spiffe://example.org".parse().unwrap()),
        hint: Some(String::new()),
    };
    assert_eq!(fields(wrong), ["endpoint", "audience", "spiffe_id", "hint"]);
    let audience = Spiffe { svid: SvidKind::X509, audience: Some("a".to_owned()), ..Spiffe::default() };
    assert_eq!(fields(audience), ["audience"]);
}

#[test]
fn the_kind_it_gives_is_the_one_configured() {
    for (svid, kind) in [(SvidKind::Jwt, Kind::Jwt), (SvidKind::X509, Kind::X509)] {
        let source = Spiffe { svid, ..Spiffe::default() }.build().unwrap();
        assert_eq!(source.gives().iter().collect::<Vec<_>>(), [kind]);
        assert_eq!(source.name(), "spiffe");
    }
}
