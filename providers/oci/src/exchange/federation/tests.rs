use std::os::unix::fs::PermissionsExt as _;

use carnet_core::{
    Exchange, ExchangeConfig, Files as _, HttpErrorKind, Kind, NewFile, OciSession, Secret, SystemFiles, chain,
};
use serde_json::json;

use super::*;
use crate::{
    exchange::{rpst::RpstConfig, upst::UpstConfig},
    testing::{self, Script, Step, TENANCY, answer, with},
};

const URL: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
const CLIENT: &str = "0123456789abcdef0123456789abcdef";

fn exchange<C: ExchangeConfig>(extra: &serde_json::Value) -> Result<std::sync::Arc<dyn Exchange>, Vec<Mistake>> {
    let mut config = json!({
        "url": URL, "client_id": CLIENT, "client_secret_file": "/run/secret", "region": "iad",
        "session_key": {"file": "/run/key.pem"},
    });
    for (name, value) in extra.as_object().unwrap() {
        config[name] = value.clone();
    }
    config.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    serde_json::from_value::<C>(config).unwrap().build()
}

fn mistakes<C: ExchangeConfig>(extra: &serde_json::Value) -> Vec<String> {
    exchange::<C>(extra).unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

fn context(script: &Script) -> Context {
    let pem = testing::pem(&testing::key());
    let files = [("/run/secret", "MARK-secret\n"), ("/run/key.pem", &pem), ("/run/client.pem", &pem)];
    with(script.context(), &[("OCI_TOKEN_EXCHANGE_CLIENT_SECRET", "from-variable"), ("MY_SECRET", "mine")], &files)
}

fn jwt(extra: serde_json::Value) -> Credential {
    Credential::new(Material::Jwt(testing::subject_token(extra)))
}

fn token(extra: serde_json::Value) -> Step {
    answer(200, &json!({"token": testing::session_token(extra).expose()}).to_string())
}

async fn run<C: ExchangeConfig>(
    config: serde_json::Value,
    script: &Script,
    credential: &Credential,
) -> Result<Credential, Error> {
    exchange::<C>(&config).unwrap().exchange(&context(script), credential, &Want::default()).await
}

async fn upst(config: serde_json::Value, step: Step) -> (Result<Credential, Error>, Script) {
    let script = Script::of([step]);
    let result = run::<UpstConfig>(config, &script, &jwt(json!({}))).await;
    (result, script)
}

async fn refused(step: Step) -> Error {
    upst(json!({}), step).await.0.unwrap_err()
}

fn session(credential: &Credential) -> &OciSession {
    let Material::OciSession(session) = &credential.material else { panic!("another kind") };
    session
}

#[tokio::test]
async fn a_upst_is_asked_for_as_oracle_documents_it() {
    let (result, script) = upst(json!({}), token(json!({}))).await;
    let credential = result.unwrap();
    assert_eq!(session(&credential).region.as_deref(), Some("us-ashburn-1"));
    assert_eq!(session(&credential).tenancy.as_deref(), Some(TENANCY));
    assert_eq!(session(&credential).private_key, testing::key().to_pkcs8().unwrap());
    assert_eq!(credential.facts["principal"], testing::USER);

    let request = script.request("/oauth2/v1/token");
    assert_eq!(request.url.as_str(), format!("{URL}/oauth2/v1/token"));
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let basic = STANDARD.encode(format!("{CLIENT}:MARK-secret"));
    assert_eq!(request.headers["authorization"], format!("Basic {basic}"));
    assert!(request.headers["authorization"].is_sensitive());
    // Base64 of one line, without armour, every `+`, `/` and `=` escaped.
    let key = STANDARD.encode(testing::key().public_spki());
    assert!(!key.contains('\n') && key.starts_with("MII"));
    let escaped = key.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let subject = testing::subject_token(json!({}));
    assert_eq!(
        script.body("/token"),
        format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &requested_token_type=urn%3Aoci%3Atoken-type%3Aoci-upst&subject_token={}&subject_token_type=jwt\
             &public_key={escaped}",
            subject.expose()
        )
    );
}

#[tokio::test]
async fn an_rpst_is_asked_for_with_its_label_and_its_life_in_seconds() {
    let script = Script::of([token(json!({"ptype": "resource", "sub": "repo:org/app"}))]);
    let config = json!({"res_type": "githubworkload", "rpst_exp": "20m"});
    let credential = run::<RpstConfig>(config, &script, &jwt(json!({}))).await.unwrap();
    assert_eq!(credential.facts["principal"], "repo:org/app");
    let body = script.body("/token");
    assert!(body.contains("requested_token_type=urn%3Aoci%3Atoken-type%3Aoci-rpst&"));
    assert!(body.ends_with("&res_type=githubworkload&rpst_exp=1200"), "{body}");
}

#[tokio::test]
async fn refuses_an_rpst_that_lives_longer_than_asked() {
    // 20 asked for as seconds times 60: what it would be if the domain read minutes.
    let now = testing::now().as_second();
    let script = Script::of([token(json!({"iat": now, "exp": now + 20 * 60 * 60}))]);
    let config = json!({"res_type": "w", "rpst_exp": 1200});
    let error = run::<RpstConfig>(config.clone(), &script, &jwt(json!({}))).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("lifetime")));
    let script = Script::of([token(json!({"iat": now, "exp": now + 600}))]);
    let credential = run::<RpstConfig>(config, &script, &jwt(json!({}))).await.unwrap();
    assert_eq!(credential.facts["warning"], "the session lives 600 s, 1200 s were asked for");
}

#[tokio::test]
async fn a_session_key_that_others_may_read_is_told_beside_a_shorter_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    SystemFiles.replace(&[NewFile::new(&path, testing::pem(&testing::key()))]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let now = testing::now().as_second();
    let script = Script::of([token(json!({"iat": now, "exp": now + 600}))]);
    let config = json!({"res_type": "w", "rpst_exp": 1200, "session_key": {"file": path}, "client_secret_file": null});
    let context = Context { files: std::sync::Arc::new(SystemFiles), ..context(&script) };
    let exchange = exchange::<RpstConfig>(&config).unwrap();
    let credential = exchange.exchange(&context, &jwt(json!({})), &Want::default()).await.unwrap();
    let warning = &credential.facts["warning"];
    assert!(warning.contains("the session lives 600 s") && warning.contains("chmod 600"), "{warning}");
}

#[tokio::test]
async fn the_client_secret_may_come_from_a_variable() {
    for (config, secret) in [
        (json!({"client_secret_file": null}), "from-variable"),
        (json!({"client_secret_file": null, "client_secret_env": "MY_SECRET"}), "mine"),
    ] {
        let (result, script) = upst(config, token(json!({}))).await;
        result.unwrap();
        let wanted = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
        assert_eq!(script.request("/token").headers["authorization"], wanted);
    }
}

#[tokio::test]
async fn a_client_may_prove_itself_with_a_key() {
    let config = json!({"client_secret_file": null, "client_key_file": "/run/client.pem", "client_key_id": "cert-1"});
    let (result, script) = upst(config, token(json!({}))).await;
    result.unwrap();
    assert!(!script.request("/token").headers.contains_key("authorization"));
    let body = script.body("/token");
    let field =
        |name: &str| url::form_urlencoded::parse(body.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(field("client_id"), CLIENT);
    let assertion = carnet_jose::UnverifiedJwt::parse(&field("client_assertion")).unwrap();
    let claims = assertion.unverified_claims();
    assert_eq!((assertion.unverified_alg(), assertion.unverified_kid()), ("RS256", Some("cert-1")));
    assert_eq!((claims.str("iss"), claims.str("sub")), (Some(CLIENT), Some(CLIENT)));
    assert_eq!(claims.audiences(), [format!("{URL}/")]);
    assert_eq!(claims.time("exp").unwrap().as_second() - claims.time("iat").unwrap().as_second(), 300);
    assert_eq!(claims.str("jti").unwrap().len(), 32);
}

#[tokio::test]
async fn a_signed_caller_needs_no_secret() {
    let profile = format!(
        "[DEFAULT]\nuser={}\nfingerprint={}\nkey_file=/run/key.pem\ntenancy={TENANCY}\n",
        testing::USER,
        testing::key().oci_fingerprint()
    );
    let pem = testing::pem(&testing::key());
    let script = Script::of([token(json!({}))]);
    let context = with(script.context(), &[], &[("/c", profile.as_str()), ("/run/key.pem", &pem)]);
    let config = json!({"client_id": null, "client_secret_file": null, "caller": {"oci-config": {"file": "/c"}}});
    let exchange = exchange::<UpstConfig>(&config).unwrap();
    exchange.exchange(&context, &jwt(json!({})), &Want::default()).await.unwrap();
    let request = script.request("/token");
    let header = request.headers["authorization"].to_str().unwrap();
    let names = "date (request-target) host content-length content-type x-content-sha256 opc-request-id";
    assert!(header.starts_with(&format!("Signature version=\"1\",headers=\"{names}\",keyId=\"{TENANCY}/")), "{header}");
    assert_eq!(request.headers["x-content-sha256"].to_str().unwrap(), crate::wire::body_hash(&request.body));
}

#[tokio::test]
async fn a_signed_caller_that_is_not_here_is_an_error_of_this_place() {
    let script = Script::default();
    let config = json!({"client_id": null, "client_secret_file": null, "caller": {"oci-resource": {}}});
    let error = run::<UpstConfig>(config, &script, &jwt(json!({}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotHere);
    assert!(error.to_string().contains("oci-resource: OCI_RESOURCE_PRINCIPAL_VERSION is not set"), "{error}");
}

#[tokio::test]
async fn refuses_an_expired_subject_token_before_anything_is_sent() {
    let script = Script::default();
    let old = jwt(json!({"exp": testing::now().as_second()}));
    let error = run::<UpstConfig>(json!({}), &script, &old).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
    assert_eq!(script.requests().len(), 0);
}

#[tokio::test]
async fn refuses_a_subject_token_that_is_no_jwt_without_quoting_it() {
    let bad = Credential::new(Material::Jwt(Secret::new("MARK.no.jwt")));
    let error = run::<UpstConfig>(json!({}), &Script::default(), &bad).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("form"));
    assert!(!format!("{error:?}").contains("MARK"));
}

#[tokio::test]
async fn refuses_a_credential_of_another_kind() {
    let error = run::<UpstConfig>(json!({}), &Script::default(), &testing::session()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_refusal_tells_clause_and_code_and_what_the_domain_saw_and_nothing_secret() {
    let subject = testing::subject_token(json!({}));
    let description = format!("No trust for issuer; token {} client MARK-secret", subject.expose());
    let body = json!({"error": "invalid_grant", "error_description": description}).to_string();
    let error = refused(answer(400, &body)).await;
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("invalid_grant"), Some("issuer")));
    assert_eq!(chain(&error)[0], format!("exchange the token for a user session (UPST) at {URL}"));
    let hints = error.hints().join("\n");
    assert!(
        hints.contains("iss https://issuer.example, sub repo:org/app:ref:refs/heads/main, aud https://github.com/org")
    );
    let shown = format!("{error:?} {hints}");
    assert!(!shown.contains("MARK") && !shown.contains(&subject.expose()[..40]), "{shown}");
}

#[tokio::test]
async fn an_unknown_client_is_refused_by_that_name() {
    let body = r#"{"error":"invalid_client","error_description":"Client authentication failed.","ecid":"e1"}"#;
    let error = refused(answer(401, body)).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("client")));
    assert!(chain(&error)[1].ends_with("Client authentication failed. (ECID e1)"), "{error:?}");
}

#[tokio::test]
async fn no_answer_and_bad_answers_are_unreachable() {
    for step in [
        Step::Fail(HttpErrorKind::Timeout),
        Step::Fail(HttpErrorKind::Connect),
        answer(503, ""),
        answer(429, ""),
        answer(200, "<html>MARK"),
        answer(200, r#"{"access_token":"MARK"}"#),
        answer(200, r#"{"token":"MARK"}"#),
        token(json!({"exp": null})),
        token(json!({"jwk": {"kty": "RSA", "n": "AAAA", "e": "AQAB"}})),
    ] {
        let error = refused(step).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        assert!(!format!("{error:?}").contains("MARK"), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_over_when_it_comes_is_a_matter_of_clocks() {
    let error = refused(token(json!({"exp": testing::now().as_second() - 1}))).await;
    assert_eq!(error.kind(), ErrorKind::Expired);
}

#[tokio::test]
async fn a_guard_that_does_not_allow_the_address_is_a_mistake() {
    assert_eq!(refused(Step::Fail(HttpErrorKind::Blocked)).await.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn refuses_a_missing_or_empty_secret_by_its_place() {
    for (config, place) in [
        (json!({"client_secret_file": "/none"}), "/none"),
        (json!({"client_secret_file": "/run/key.pem"}), "/run/key.pem"),
        (json!({"client_secret_file": null, "client_secret_env": "NONE"}), "NONE"),
    ] {
        let error = run::<UpstConfig>(config, &Script::default(), &jwt(json!({}))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[tokio::test]
async fn rejects_a_region_of_the_environment_by_its_variable() {
    let script = Script::default();
    let mut context = context(&script);
    context.environment = std::sync::Arc::new(carnet_core::MapEnvironment::of(&[("OCI_REGION", "../../x")]));
    let exchange = exchange::<UpstConfig>(&json!({"region": null})).unwrap();
    let error = exchange.exchange(&context, &jwt(json!({})), &Want::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(chain(&error), ["use the environment variable OCI_REGION", "use \"../../x\" as a region"]);
    assert_eq!(script.requests().len(), 0);
}

#[tokio::test]
async fn a_bare_401_for_an_oauth_client_talks_of_the_client_and_not_of_signatures() {
    let error = refused(answer(401, "")).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, None));
    assert!(error.hints()[0].contains("client id") && error.hints()[0].contains("secret"), "{:?}", error.hints());
}

#[test]
fn all_mistakes_of_a_section_are_told_at_once() {
    let both = json!({"caller": {"oci-instance": {}}, "url": "http://a.example"});
    assert_eq!(mistakes::<UpstConfig>(&both), ["url", "caller"]);
    let region = json!({"client_id": "a b", "region": "us ashburn!"});
    assert_eq!(mistakes::<UpstConfig>(&region), ["client_id", "region"]);
    assert_eq!(mistakes::<UpstConfig>(&json!({"client_id": null, "client_secret_file": null})), [""]);
    assert_eq!(mistakes::<UpstConfig>(&json!({"client_id": "a b"})), ["client_id"]);
    assert_eq!(mistakes::<UpstConfig>(&json!({"client_secret_env": "X"})), ["client_id"]);
    assert_eq!(
        mistakes::<UpstConfig>(&json!({"client_secret_file": null, "client_key_file": "/k"})),
        ["client_key_id"]
    );
    assert_eq!(mistakes::<UpstConfig>(&json!({"client_secret_file": null, "client_key_id": "k"})), ["client_key_file"]);
    let nested = json!({"client_id": null, "caller": {"oci-instance": {"auth_url": "ftp://x"}}});
    assert_eq!(mistakes::<UpstConfig>(&nested), ["client_secret_file", "caller.oci-instance.auth_url"]);
    assert_eq!(mistakes::<RpstConfig>(&json!({"res_type": " ", "rpst_exp": "13h"})), ["res_type", "rpst_exp"]);
    assert_eq!(mistakes::<RpstConfig>(&json!({"res_type": "w", "rpst_exp": 59})), ["rpst_exp"]);
}

#[test]
fn unknown_fields_are_refused() {
    assert!(serde_json::from_value::<UpstConfig>(json!({"url": URL, "client_secret": "MARK"})).is_err());
    assert!(serde_json::from_value::<UpstConfig>(json!({"url": URL, "caller": {"magic": {}}})).is_err());
}

#[test]
fn kinds_and_audience_are_told_before_anything_is_sent() {
    let exchange = exchange::<UpstConfig>(&json!({"audience": "aud"})).unwrap();
    assert!(exchange.takes().contains(Kind::Jwt) && exchange.gives().contains(Kind::OciSession));
    assert_eq!(exchange.audience().as_deref(), Some("aud"));
    assert!(!format!("{exchange:?}").contains("MARK"));
}
