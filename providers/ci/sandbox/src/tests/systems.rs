//! Every system: what it shows, how a job gets its token, and what is refused.

use carnet_core::{Command, Commands};
use serde_json::json;

use super::*;

fn value(variables: &[(String, String)], name: &str) -> String {
    variables.iter().find(|(found, _)| found == name).unwrap().1.clone()
}

fn play(ci: &CiEmulator, job: &str, audience: Option<&str>) -> Vec<(String, String)> {
    Emulator::job_environment(ci, job, audience, &urls()).unwrap().unwrap()
}

/// A request to a URL of the service, wherever that listens.
async fn send(ci: &CiEmulator, service: &str, request: Request<Body>) -> (StatusCode, Value) {
    let service = ci.services().into_iter().find(|found| found.name == service).unwrap();
    let response = service.router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn token_of_program(ci: &CiEmulator, variables: Vec<(String, String)>, command: &str) -> Result<String, String> {
    let argv = command.split(' ').map(ToOwned::to_owned).collect();
    let command =
        Command { argv, environment: Vec::new(), timeout: std::time::Duration::from_secs(1), max_output: 10_000 };
    let output = JobPrograms::new(ci.clone(), variables).run(command).await.unwrap();
    let text = |bytes: &carnet_core::SecretBytes| String::from_utf8(bytes.expose().to_vec()).unwrap().trim().to_owned();
    if output.status == Some(0) { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn every_issuer_shows_itself_and_the_keys_of_its_tokens() {
    let ci = ci();
    for issuer in Issuer::ALL {
        let place = oidc::path(issuer.url());
        let path = format!("{place}/.well-known/openid-configuration");
        let (status, document) = get(&ci, issuer.service(), &path, None).await;
        assert_eq!((status, document["issuer"].as_str()), (StatusCode::OK, Some(issuer.url())));
        let keys: url::Url = document["jwks_uri"].as_str().unwrap().parse().unwrap();
        let hosts = ci.services().into_iter().find(|service| service.name == issuer.service()).unwrap().hosts;
        assert!(hosts.iter().any(|host| host.matches(keys.host_str().unwrap())), "{keys}");
        let (status, set) = get(&ci, issuer.service(), keys.path(), None).await;
        assert_eq!(status, StatusCode::OK, "{keys}");
        let token = ci.mint(&MintRequest::new(issuer, "https://a")).unwrap();
        let jwt = UnverifiedJwt::parse(&token).unwrap();
        assert_eq!(set["keys"][0]["kid"].as_str(), jwt.unverified_kid(), "{issuer:?}");
        assert_eq!(jwt.unverified_claims().str("iss"), Some(issuer.url()));
        assert_eq!(jwt.unverified_header().contains_key("typ"), issuer != Issuer::Jenkins);
    }
}

#[tokio::test]
async fn jobs_of_github_differ_by_issuer_and_subject() {
    let ci = ci();
    for (job, issuer, subject) in [
        ("github-immutable", Issuer::Github, seed::GITHUB_IMMUTABLE_SUBJECT),
        ("github-pull-request", Issuer::Github, seed::GITHUB_PULL_REQUEST_SUBJECT),
        ("github-enterprise", Issuer::GithubEnterprise, seed::GITHUB_SUBJECT),
        ("github-residency", Issuer::GithubResidency, seed::GITHUB_SUBJECT),
        ("github-server", Issuer::GithubServer, seed::GITHUB_SUBJECT),
    ] {
        let variables = play(&ci, job, None);
        let url: url::Url = value(&variables, "ACTIONS_ID_TOKEN_REQUEST_URL").parse().unwrap();
        let bearer = value(&variables, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        let (_, body) = get(&ci, issuer.service(), &format!("{}?audience=a", url.path()), Some(&bearer)).await;
        let found = claims(body["value"].as_str().unwrap());
        assert_eq!((found.str("iss"), found.str("sub")), (Some(issuer.url()), Some(subject)), "{job}");
        assert_eq!(found.str("enterprise_id").is_some(), job.ends_with("enterprise") || job.ends_with("residency"));
    }
}

#[test]
fn what_is_in_variables_has_the_audience_of_the_definition() {
    let ci = ci();
    for (job, variable, expected) in [
        ("gitlab-self-managed", "CARNET_ID_TOKEN", "https://a"),
        ("bitbucket", "BITBUCKET_STEP_OIDC_TOKEN", "https://a"),
        ("circleci", "CIRCLE_OIDC_TOKEN", seed::CIRCLECI_ORGANIZATION),
        ("circleci", "CIRCLE_OIDC_TOKEN_V2", seed::CIRCLECI_ORGANIZATION),
        ("hcp-terraform", "TFC_WORKLOAD_IDENTITY_TOKEN", "https://a"),
        ("spacelift", "SPACELIFT_OIDC_TOKEN", seed::SPACELIFT_AUDIENCE),
        ("jenkins", "CARNET_ID_TOKEN", "https://a"),
    ] {
        let token = value(&play(&ci, job, Some("https://a")), variable);
        assert_eq!(claims(&token).audiences(), [expected], "{job}");
    }
    let undefined = value(&play(&ci, "bitbucket", None), "BITBUCKET_STEP_OIDC_TOKEN");
    assert_eq!(claims(&undefined).audiences(), [seed::BITBUCKET_AUDIENCE]);
    let none = MintRequest { audience: None, ..MintRequest::new(Issuer::Jenkins, "") };
    assert!(claims(&ci.mint(&none).unwrap()).get("aud").is_none(), "a credential of Jenkins may have none");
    let metadata = value(&play(&ci, "google-cloud-build", None), "GCE_METADATA_HOST");
    assert_eq!(metadata, "127.0.0.1:7101");
}

#[test]
fn rejects_more_audiences_than_bitbucket_takes() {
    let many = |count: usize, length: usize| {
        let audience = "a".repeat(length);
        let audiences = vec![("", audience.as_str()); count];
        ci().job_environment(Issuer::Bitbucket, &urls(), &audiences).map(drop)
    };
    many(10, 150).unwrap();
    assert!(many(11, 1).is_err() && many(1, 151).is_err());
}

#[tokio::test]
async fn the_program_of_circleci_makes_tokens_for_an_audience_and_nothing_else() {
    let ci = ci();
    let run = |arguments: &str| {
        let ci = ci.clone();
        let command = format!("circleci {arguments}");
        async move { token_of_program(&ci, play(&ci, "circleci", None), &command).await }
    };
    let token = run(r#"run oidc get --claims {"aud":"https://a"}"#).await.unwrap();
    let found = claims(&token);
    assert_eq!((found.audiences(), found.str("sub")), (vec!["https://a"], Some(seed::CIRCLECI_SUBJECT)));
    let root = claims(&run(r#"run oidc get --claims {"aud":"pypi"} --root-issuer"#).await.unwrap());
    assert_eq!(root.str("iss"), Some(seed::CIRCLECI_ROOT_ISSUER));
    for wrong in [
        r#"run oidc get --claims {"aud":"a","sub":"b"}"#,
        r#"run oidc get --claims {"aud":["a"]}"#,
        "run oidc get --claims",
        "run oidc get --audience a",
        "run oidc",
    ] {
        assert!(run(wrong).await.is_err(), "{wrong}");
    }
    let outside = token_of_program(&ci, Vec::new(), "circleci run oidc get").await;
    assert!(outside.unwrap_err().contains("in a job only"));
}

#[tokio::test]
async fn the_program_of_buildkite_asks_with_the_jobs_own_token() {
    let ci = ci();
    let ask = |variables: Vec<(String, String)>, options: &str| {
        let ci = ci.clone();
        let command = format!("buildkite-agent oidc request-token{options}");
        async move { token_of_program(&ci, variables, &command).await }
    };
    let job = || play(&ci, "buildkite", None);
    let token =
        ask(job(), " --audience https://a --lifetime 60 --claim organization_id --claim pipeline_id").await.unwrap();
    let found = claims(&token);
    assert_eq!((found.audiences(), found.str("pipeline_id")), (vec!["https://a"], Some(seed::BUILDKITE_PIPELINE)));
    assert_eq!(found.time("exp").unwrap().as_second(), NOW + 60);
    let bare = claims(&ask(job(), "").await.unwrap());
    assert_eq!((bare.audiences(), bare.get("pipeline_id")), (vec!["https://buildkite.com/carnet-sandbox"], None));
    assert_eq!(bare.time("exp").unwrap().as_second(), NOW + 300);
    for wrong in [" --lifetime -1", " --lifetime 86401", " --claim agent_id", " --audience", " --nonsense a"] {
        assert!(ask(job(), wrong).await.is_err(), "{wrong}");
    }
    let mut stolen = job();
    stolen.retain(|(name, _)| name != "BUILDKITE_AGENT_ACCESS_TOKEN");
    assert!(ask(stolen, "").await.unwrap_err().contains("401"));
}

#[tokio::test]
async fn agents_of_buildkite_ask_over_http() {
    let ci = ci();
    let variables = play(&ci, "buildkite", None);
    let url: url::Url = value(&variables, "BUILDKITE_AGENT_ENDPOINT").parse().unwrap();
    let ask = |job: &str, token: String, body: &'static str| {
        let request = Request::post(format!("{}/jobs/{job}/oidc/tokens", url.path()))
            .header("authorization", format!("Token {token}"))
            .body(Body::from(body))
            .unwrap();
        let ci = ci.clone();
        async move { send(&ci, "ci-buildkite", request).await }
    };
    let token = || value(&variables, "BUILDKITE_AGENT_ACCESS_TOKEN");
    let (status, body) = ask(seed::BUILDKITE_JOB, token(), r#"{"audience":"https://a"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(claims(body["token"].as_str().unwrap()).audiences(), ["https://a"]);
    assert_eq!(ask(seed::BUILDKITE_JOB, "other".to_owned(), "{}").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("another-job", token(), "{}").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(seed::BUILDKITE_JOB, token(), r#"{"claims":["x"]}"#).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(seed::BUILDKITE_JOB, token(), "no json").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn azure_gives_tokens_of_the_pipeline_and_of_connections_that_it_may_use() {
    let ci = ci();
    let variables = play(&ci, "azure-devops", None);
    let uri: url::Url = value(&variables, "SYSTEM_OIDCREQUESTURI").parse().unwrap();
    let ask = |query: &str, bearer: String, suppress: bool| {
        let mut request =
            Request::post(format!("{}{query}", uri.path())).header("authorization", format!("Bearer {bearer}"));
        if suppress {
            request = request.header("x-tfs-fedauthredirect", "Suppress");
        }
        let (ci, request) = (ci.clone(), request.body(Body::empty()).unwrap());
        async move { send(&ci, "ci-azure-devops", request).await }
    };
    let token = || value(&variables, "SYSTEM_ACCESSTOKEN");
    let (_, body) = ask("?api-version=7.1", token(), true).await;
    let of_pipeline = claims(body["oidcToken"].as_str().unwrap());
    assert_eq!((of_pipeline.str("sub"), of_pipeline.str("def_id")), (Some(seed::AZURE_SUBJECT), Some("7")));
    let connection = |id: &str| format!("?api-version=7.1&serviceConnectionId={id}");
    let (_, body) = ask(&connection(seed::AZURE_CONNECTION), token(), true).await;
    let of_connection = claims(body["oidcToken"].as_str().unwrap());
    assert_eq!(of_connection.str("sub"), Some(seed::AZURE_CONNECTION_SUBJECT));
    assert_eq!((of_connection.audiences(), of_connection.get("def_id")), (vec![seed::AZURE_AUDIENCE], None));
    for (query, bearer, suppress, expected) in [
        (connection(seed::AZURE_OTHER_CONNECTION), token(), true, StatusCode::FORBIDDEN),
        (connection("none"), token(), true, StatusCode::NOT_FOUND),
        (String::new(), token(), true, StatusCode::BAD_REQUEST),
        ("?api-version=7.1".to_owned(), "other".to_owned(), true, StatusCode::UNAUTHORIZED),
        ("?api-version=7.1".to_owned(), "other".to_owned(), false, StatusCode::NON_AUTHORITATIVE_INFORMATION),
    ] {
        let (status, body) = ask(&query, bearer, suppress).await;
        assert_eq!((status, body.get("oidcToken")), (expected, None), "{query}");
    }
}

#[tokio::test]
async fn the_control_api_knows_every_issuer() {
    for issuer in Issuer::ALL {
        let body = json!({ "issuer": issuer, "audience": "a" }).to_string();
        let request = Request::post("/mint").body(Body::from(body)).unwrap();
        let response = ci().control().unwrap().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{issuer:?}");
    }
}

#[tokio::test]
async fn the_fault_expired_is_of_one_system() {
    let ci = ci();
    ci.0.world.faults.add(Fault::new(FaultKind::Expired).service("ci-spacelift"));
    let ended = |job: &str, variable: &str| {
        claims(&value(&play(&ci, job, None), variable)).time("exp").unwrap().as_second() < NOW
    };
    assert!(ended("spacelift", "SPACELIFT_OIDC_TOKEN") && !ended("circleci", "CIRCLE_OIDC_TOKEN"));
}
