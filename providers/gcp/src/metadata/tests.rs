use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, World, token, world};

const GOOGLE: &[(&str, &str)] = &[(FLAVOR, "Google")];
const HOST: (&str, &str) = ("GCE_METADATA_HOST", "127.0.0.1:7108");

fn identity() -> Vec<u8> {
    let claims = json!({"iss": "https://accounts.google.com", "aud": "https://a", "sub": "1", "email": "sa@p.iam.gserviceaccount.com",
        "exp": NOW + 3600, "google": {"compute_engine": {"project_id": "p", "zone": "us-east1-b", "instance_id": "7"}}});
    format!("{}\n", token(&claims).expose()).into_bytes()
}

fn find(section: Value, world: &World, audience: Option<&str>) -> Result<Found, Error> {
    let source = serde_json::from_value::<GcpMetadata>(section).unwrap().build().unwrap();
    let want = Want { audience: audience.map(ToOwned::to_owned) };
    source.find(&world.context, &want).now_or_never().expect("nothing here waits")
}

fn credential(found: Result<Found, Error>) -> Credential {
    match found.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("{reason}"),
    }
}

fn reason(found: Result<Found, Error>) -> String {
    match found.unwrap() {
        Found::NotHere(reason) => reason,
        Found::Credential(_) => panic!("there is a credential"),
    }
}

#[test]
fn an_id_token_is_asked_for_the_audience_of_the_next_step() {
    let world = world(ScriptedHttp::default().answer_with(200, GOOGLE, identity()), &[HOST]);
    let found = credential(find(json!({}), &world, Some("https://a")));
    assert_eq!(found.facts["principal"], "sa@p.iam.gserviceaccount.com");
    assert_eq!(found.facts["project"], "p");
    let request = world.http.requests().remove(0);
    assert_eq!(
        request.url.as_str(),
        "http://127.0.0.1:7108/computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Fa&format=full"
    );
    assert_eq!(request.headers["metadata-flavor"], "Google");
    assert_eq!(request.destination, Destination::Metadata);
}

#[test]
fn an_access_token_has_its_scopes() {
    let body = r#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#;
    let world = world(ScriptedHttp::default().answer_with(200, GOOGLE, body), &[HOST]);
    let found = credential(find(json!({"token": "access", "scopes": ["a", "b"]}), &world, None));
    assert_eq!((found.kind(), found.expires_at.unwrap().as_second()), (Kind::AccessToken, NOW + 3599));
    assert!(world.http.requests()[0].url.as_str().ends_with("/default/token?scopes=a%2Cb"));
}

#[test]
fn the_usual_address_is_probed_first() {
    let world = world(
        ScriptedHttp::default().answer_with(200, GOOGLE, "computeMetadata/\n").answer_with(200, GOOGLE, identity()),
        &[],
    );
    credential(find(json!({}), &world, Some("https://a")));
    let probe = world.http.requests().remove(0);
    assert_eq!((probe.url.as_str(), probe.timeout), ("http://169.254.169.254/", PROBE));
}

#[test]
fn where_nothing_answers_it_is_not_here() {
    let nothing = world(ScriptedHttp::default().fail(HttpErrorKind::Timeout), &[]);
    assert!(reason(find(json!({}), &nothing, None)).contains("169.254.169.254"));
    let other_cloud = world(ScriptedHttp::default().answer(404, ""), &[]);
    assert!(reason(find(json!({}), &other_cloud, None)).contains("not Google's"));
}

#[test]
fn the_switch_of_google_s_libraries_turns_it_off() {
    let off = world(ScriptedHttp::default(), &[HOST, ("NO_GCE_CHECK", "true")]);
    assert_eq!(reason(find(json!({}), &off, None)), "NO_GCE_CHECK is set");
}

#[test]
fn a_host_that_was_named_must_answer() {
    let world = world(ScriptedHttp::default().fail(HttpErrorKind::Connect), &[HOST]);
    assert_eq!(find(json!({}), &world, Some("https://a")).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn a_machine_without_service_account_is_not_here() {
    let world = world(ScriptedHttp::default().answer_with(404, GOOGLE, "<html>"), &[HOST]);
    assert!(reason(find(json!({}), &world, Some("https://a"))).contains("no service account"));
}

#[test]
fn rejects_id_token_without_audience() {
    let error = find(json!({}), &world(ScriptedHttp::default(), &[HOST]), None).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
}

#[test]
fn rejects_answer_without_flavor() {
    let world = world(ScriptedHttp::default().answer(200, identity()), &[HOST]);
    assert_eq!(find(json!({}), &world, Some("https://a")).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn rejects_id_token_for_another_audience() {
    let world = world(ScriptedHttp::default().answer_with(200, GOOGLE, identity()), &[HOST]);
    assert_eq!(find(json!({}), &world, Some("https://b")).unwrap_err().failed_clause(), Some("audience"));
}

#[test]
fn rejects_refusal() {
    let world = world(ScriptedHttp::default().answer_with(403, GOOGLE, ""), &[HOST]);
    assert_eq!(find(json!({}), &world, Some("https://a")).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn rejects_sections_that_contradict_themselves() {
    for (section, field) in [
        (json!({"token": "access", "audience": "x"}), "audience"),
        (json!({"scopes": ["x"]}), "scopes"),
        (json!({"service_account": "../x"}), "service_account"),
        (json!({"host": "a/b"}), "host"),
    ] {
        let mistakes = serde_json::from_value::<GcpMetadata>(section).unwrap().build().unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].field.as_str()), (1, field));
    }
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..100), host in ".{0,40}") {
        drop((parse_identity(&body), base(&host)));
    }
}
