//! What each service is asked, and how its answer is read. Texts are those of the pages that the catalogue names.

use carnet_core::{Material, Request};

use super::*;
use crate::testing::{form, secret};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What came out, and the one request that was made.
fn granted(name: &str, status: u16, answer: &Value) -> (Credential, Request) {
    let (made, world) = ask(name, status, answer);
    let mut requests = world.http.requests();
    assert_eq!(requests.len(), 1, "{name}");
    let request = requests.remove(0);
    assert_eq!(request.headers["accept"], "application/json", "{name}");
    (made.unwrap(), request)
}

fn asked(request: &Request) -> (&str, &str) {
    (request.method.as_str(), request.url.as_str())
}

fn ends(made: &Credential) -> i64 {
    made.expires_at.unwrap().as_second() - NOW
}

fn json_body(request: &Request) -> Value {
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(!request.headers.contains_key("authorization"));
    serde_json::from_slice(&request.body).unwrap()
}

fn form_body(request: &Request) -> Vec<(String, String)> {
    assert!(!request.headers.contains_key("authorization"));
    form(request)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn rfc_8693(expires_in: i64) -> Value {
    json!({
        "access_token": "given", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer", "expires_in": expires_in, "scope": "inference"
    })
}

#[test]
fn claude_is_asked_by_jwt_bearer_in_json() {
    let answer = json!({"access_token": "sk-ant-oat01-x", "token_type": "Bearer", "expires_in": 1800, "scope": "s"});
    let (made, request) = granted("claude", 200, &answer);
    assert_eq!(asked(&request), ("POST", "https://api.anthropic.com/v1/oauth/token"));
    let expected = json!({
        "grant_type": BEARER, "assertion": shown_text(), "federation_rule_id": "fdrl_1", "organization_id": "org",
        "service_account_id": "svac_1"
    });
    assert_eq!(json_body(&request), expected);
    assert_eq!((secret(&made), ends(&made), made.facts["scope"].as_str()), ("sk-ant-oat01-x", 1800, "s"));
    assert_eq!(made.facts["issuer"], "Claude (Anthropic)");
}

#[test]
fn openai_is_asked_by_token_exchange_in_json_and_its_token_ends_with_the_one_shown() {
    let (made, request) = granted("openai", 200, &rfc_8693(3600));
    assert_eq!(asked(&request), ("POST", "https://auth.openai.com/oauth/token"));
    let expected = json!({
        "grant_type": EXCHANGE, "subject_token": shown_text(), "subject_token_type": JWT,
        "identity_provider_id": "idp_1", "service_account_id": "sa_1"
    });
    assert_eq!(json_body(&request), expected);
    assert_eq!((secret(&made), ends(&made)), ("given", 600));
}

#[test]
fn openrouter_is_asked_by_token_exchange_in_a_form() {
    let (made, request) = granted("openrouter", 200, &rfc_8693(300));
    assert_eq!(asked(&request), ("POST", "https://openrouter.ai/api/v1/oauth/token"));
    let expected = pairs([
        ("grant_type", EXCHANGE),
        ("subject_token", shown_text().as_str()),
        ("subject_token_type", JWT),
        ("federation_policy_id", "policy"),
    ]);
    assert_eq!(form_body(&request), expected);
    assert_eq!((secret(&made), ends(&made), made.facts["scope"].as_str()), ("given", 300, "inference"));
}

#[test]
fn tailscale_is_asked_with_members_of_its_own() {
    let (made, request) = granted("tailscale", 200, &json!({"access_token": "given", "expires_in": 3600}));
    assert_eq!(asked(&request), ("POST", "https://api.tailscale.com/api/v2/oauth/token-exchange"));
    assert_eq!(form_body(&request), pairs([("jwt", shown_text().as_str()), ("client_id", "kClient")]));
    assert_eq!((secret(&made), ends(&made)), ("given", 3600));
}

#[test]
fn databricks_is_asked_by_token_exchange_at_the_workspace() {
    let (made, request) = granted("databricks", 200, &rfc_8693(3600));
    assert_eq!(asked(&request), ("POST", "https://dbc-1.cloud.databricks.com/oidc/v1/token"));
    let expected = pairs([
        ("grant_type", EXCHANGE),
        ("subject_token", shown_text().as_str()),
        ("subject_token_type", JWT),
        ("client_id", "principal"),
        ("scope", "all-apis"),
    ]);
    assert_eq!(form_body(&request), expected);
    assert_eq!(ends(&made), 600, "its life is derived from the token shown");
}

#[test]
fn databricks_is_asked_for_the_account_at_a_path_with_its_id() {
    let (_, request) = granted("databricks-account", 200, &rfc_8693(60));
    assert_eq!(asked(&request), ("POST", "https://accounts.cloud.databricks.com/oidc/accounts/acc/v1/token"));
    assert!(!form_body(&request).iter().any(|(name, _)| name == "client_id"), "a policy of the account takes none");
}

#[test]
fn npm_is_shown_the_token_in_the_header_and_the_package_in_the_path() {
    let answer = json!({
        "token_type": "oidc", "token": "npm_given", "created": "2026-11-21T12:00:00.000Z",
        "expires": jiff::Timestamp::from_second(NOW + 1200).unwrap().to_string()
    });
    let (made, request) = granted("npm", 201, &answer);
    let url = "https://registry.npmjs.org/-/npm/v1/oidc/token/exchange/package/@carnet%2Fsandbox";
    assert_eq!(asked(&request), ("POST", url));
    assert_eq!(request.headers["authorization"], format!("Bearer {}", shown_text()));
    assert!(request.headers["authorization"].is_sensitive() && request.body.is_empty());
    assert_eq!((secret(&made), ends(&made)), ("npm_given", 1200));
}

#[test]
fn pypi_is_asked_in_json_and_its_token_is_a_password() {
    let (made, request) = granted("pypi", 200, &json!({"success": true, "token": "pypi-given"}));
    assert_eq!(asked(&request), ("POST", "https://pypi.org/_/oidc/mint-token"));
    assert_eq!(json_body(&request), json!({"token": shown_text()}));
    assert_eq!((secret(&made), ends(&made)), ("pypi-given", 900));
    assert_eq!(made.facts["use"], "the password of the user __token__");
}

#[test]
fn crates_io_is_asked_in_json_and_its_token_lives_half_an_hour() {
    let (made, request) = granted("crates-io", 200, &json!({"token": "cio_given"}));
    assert_eq!(asked(&request), ("POST", "https://crates.io/api/v1/trusted_publishing/tokens"));
    assert_eq!(json_body(&request), json!({"jwt": shown_text()}));
    assert_eq!((secret(&made), ends(&made)), ("cio_given", 1800));
}

#[test]
fn octo_sts_is_asked_by_get_with_the_token_in_the_header_only() {
    let (made, request) = granted("octo-sts", 200, &json!({"token": "ghs_given"}));
    let url = "https://octo-sts.dev/sts/exchange?scope=carnet-sandbox%2Fapp&identity=reader";
    assert_eq!(asked(&request), ("GET", url));
    assert_eq!(request.headers["authorization"], format!("Bearer {}", shown_text()));
    assert!(request.body.is_empty());
    assert_eq!((secret(&made), ends(&made)), ("ghs_given", 3600));
}

#[test]
fn infisical_is_asked_in_json_with_its_own_spelling() {
    let answer = json!({"accessToken": "given", "expiresIn": 7200, "accessTokenMaxTTL": 9000, "tokenType": "Bearer"});
    let (made, request) = granted("infisical", 200, &answer);
    assert_eq!(asked(&request), ("POST", "https://app.infisical.com/api/v1/auth/oidc-auth/login"));
    assert_eq!(json_body(&request), json!({"jwt": shown_text(), "identityId": "machine"}));
    assert_eq!((secret(&made), ends(&made)), ("given", 7200));
}

#[test]
fn a_life_of_zero_is_no_life_that_infisical_names() {
    let answer = json!({"accessToken": "given", "expiresIn": 0, "accessTokenMaxTTL": 0, "tokenType": "Bearer"});
    assert_eq!(ends(&granted("infisical", 200, &answer).0), 300);
}

#[test]
fn hcp_is_asked_in_json_at_the_path_of_the_provider() {
    let (made, request) = granted("hcp", 200, &json!({"access_token": "given", "expires_in": 3600}));
    let provider = "iam/project/p/service-principal/s/workload-identity-provider/w";
    let url = format!("https://api.cloud.hashicorp.com/2019-12-10/{provider}/exchange-token");
    assert_eq!(asked(&request), ("POST", url.as_str()));
    assert_eq!(json_body(&request), json!({"jwt_token": shown_text()}));
    assert_eq!((secret(&made), ends(&made)), ("given", 3600));
}

#[test]
fn snowflake_is_not_asked_at_all() {
    let (made, world) = ask_with("snowflake", &shown(), ScriptedHttp::default());
    let made = made.unwrap();
    assert!(world.http.requests().is_empty());
    assert_eq!(secret(&made), format!("WIF.OIDC.{}", shown_text()));
    assert_eq!(ends(&made), 600);
    assert_eq!(made.facts["header"], "X-Snowflake-Authorization-Token-Type: WORKLOAD_IDENTITY_FEDERATION");
}

#[test]
fn what_is_given_is_a_bearer_token_and_no_fact_of_it_is_the_token() {
    let (made, _) = granted("pypi", 200, &json!({"token": "pypi-given"}));
    let Material::AccessToken(access) = &made.material else { panic!("{made:?}") };
    assert_eq!(access.token_type, "Bearer");
    assert!(made.facts.values().all(|fact| !fact.contains("pypi-given")), "{:?}", made.facts);
}

#[test]
fn a_life_that_the_answer_does_not_name_is_counted_short() {
    assert_eq!(ends(&granted("npm", 201, &json!({"token": "t"})).0), 300);
    assert_eq!(ends(&granted("tailscale", 200, &json!({"access_token": "t"})).0), 300);
}

#[test]
fn a_life_longer_than_the_service_gives_is_not_believed() {
    let answer = json!({"access_token": "t", "expires_in": 86_400});
    assert_eq!(ends(&granted("tailscale", 200, &answer).0), 3600);
}
