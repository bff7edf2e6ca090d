//! The sources against the emulated CI systems.

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use axum::{Router, body::Body};
    use carnet_ci::{GitHubActions, GitLabCi};
    use carnet_ci_sandbox::{Issuer, seed};
    use carnet_core::{
        BoxFuture, Clock, Context, Credential, Error, ErrorKind, FixedClock, FixedRandom, Found, HttpError, HttpSend,
        MapEnvironment, NoHttp, Request, Response, SecretBytes, SourceConfig, Want, test_context,
    };
    use carnet_sandbox_kit::{Emulator, Fault, FaultKind, ServiceUrls, Urls, World};
    use http_body_util::BodyExt;
    use jiff::Timestamp;
    use tower::ServiceExt;

    /// One listener for everything.
    #[derive(Debug)]
    struct Loopback(OnceLock<Router>);

    impl HttpSend for Loopback {
        fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
            Box::pin(async move {
                let mut inner = http::Request::new(Body::from(request.body));
                *inner.method_mut() = request.method;
                *inner.uri_mut() = request.url.as_str().parse().unwrap();
                *inner.headers_mut() = request.headers;
                let (head, body) = self.0.get().unwrap().clone().oneshot(inner).await.unwrap().into_parts();
                let body = SecretBytes::new(body.collect().await.unwrap().to_bytes());
                Ok(Response { status: head.status, headers: head.headers, body })
            })
        }
    }

    /// A job, and the world it runs in.
    struct Job {
        world: World,
        context: Context,
    }

    fn job(issuer: Issuer, id_tokens: &[(&str, &str)], change: impl Fn(&mut Vec<(String, String)>)) -> Job {
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(FixedRandom::default()), Arc::new(NoHttp));
        let ci = carnet_ci_sandbox::emulator(world.clone());
        let url: url::Url = "http://127.0.0.1:7101/".parse().unwrap();
        let urls = Urls::from([("ci-github", ServiceUrls { plain: url.clone(), tls: url })]);
        let mut variables = ci.job_environment(issuer, &urls, id_tokens).unwrap();
        change(&mut variables);
        let router = ci.services().into_iter().find(|service| service.name == "ci-github").unwrap().router;
        let context = Context {
            clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
            http: Arc::new(Loopback(OnceLock::from(router))),
            environment: Arc::new(MapEnvironment(variables.into_iter().collect())),
            ..test_context()
        };
        Job { world, context }
    }

    async fn find(source: impl SourceConfig, job: &Job, audience: &str) -> Result<Credential, Error> {
        let want = Want { audience: Some(audience.to_owned()) };
        match source.build().unwrap().find(&job.context, &want).await? {
            Found::Credential(credential) => Ok(*credential),
            Found::NotHere(reason) => panic!("not here: {reason}"),
        }
    }

    #[tokio::test]
    async fn a_github_job_gets_its_token_for_any_audience() {
        let job = job(Issuer::Github, &[], |_| {});
        let found = find(GitHubActions::default(), &job, "https://a.example/x?y=z&w=ä").await.unwrap();
        assert_eq!(found.facts["audience"], "https://a.example/x?y=z&w=ä");
        assert_eq!(
            (found.facts["issuer"].as_str(), found.facts["subject"].as_str()),
            (seed::GITHUB_ISSUER, seed::GITHUB_SUBJECT)
        );
        assert_eq!(found.facts["repository_owner_id"], seed::OWNER_ID);
    }

    #[tokio::test]
    async fn rejects_request_token_of_another_job() {
        let job = job(Issuer::Github, &[], |variables| {
            for (name, value) in variables {
                if name == "ACTIONS_ID_TOKEN_REQUEST_TOKEN" {
                    *value = "other".to_owned();
                }
            }
        });
        let error = find(GitHubActions::default(), &job, "https://a").await.unwrap_err();
        assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("401")));
    }

    #[tokio::test]
    async fn rejects_token_that_was_given_expired() {
        let job = job(Issuer::Github, &[], |_| {});
        job.world.faults.add(Fault::new(FaultKind::Expired).service("ci-github"));
        assert_eq!(find(GitHubActions::default(), &job, "https://a").await.unwrap_err().kind(), ErrorKind::Expired);
    }

    #[tokio::test]
    async fn a_gitlab_job_has_its_token_until_its_end() {
        let job = job(Issuer::Gitlab, &[("CARNET_ID_TOKEN", "https://a"), ("GCP_ID_TOKEN", "https://b")], |_| {});
        let found = find(GitLabCi::default(), &job, "https://b").await.unwrap();
        assert_eq!(
            (found.facts["audience"].as_str(), found.facts["subject"].as_str()),
            ("https://b", seed::GITLAB_SUBJECT)
        );
        assert_eq!(found.facts["project_path"], seed::REPOSITORY);
        job.world.clock.advance(jiff::SignedDuration::from_hours(1));
        assert_eq!(find(GitLabCi::default(), &job, "https://b").await.unwrap_err().kind(), ErrorKind::Expired);
    }

    #[tokio::test]
    async fn rejects_audience_that_no_variable_has() {
        let job = job(Issuer::Gitlab, &[("CARNET_ID_TOKEN", "https://a")], |_| {});
        let error = find(GitLabCi::default(), &job, "https://c").await.unwrap_err();
        assert_eq!(error.failed_clause(), Some("audience"));
    }
}
