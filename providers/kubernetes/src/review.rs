//! Asking the API server whether a token is good: `POST /apis/authentication.k8s.io/v1/tokenreviews` ("TokenReview",
//! authentication.k8s.io/v1). It alone knows which pods and accounts are gone.

use std::collections::BTreeMap;

use carnet_core::{Context, Error, Secret};
use carnet_trust::Refusal;
use serde::Deserialize;
use serde_json::json;

use crate::{ApiServer, Bound, api::Attempt, trust::UNAUTHORIZED};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const MAY: &str =
    "bind the account that asks to the cluster role system:auth-delegator, which lets it create tokenreviews";

/// The user that a review names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ReviewedUser {
    /// `system:serviceaccount:NAMESPACE:NAME` for a service account.
    #[serde(default)]
    pub username: String,
    /// UID of the account.
    #[serde(default)]
    pub uid: String,
    /// What the token is bound to, by key: `authentication.kubernetes.io/pod-name` and so on.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Review {
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: ReviewedUser,
}

impl ApiServer {
    /// Whether the API server believes the token, for one of these audiences, and what it says of it.
    ///
    /// # Errors
    /// The outer one when the API server cannot be asked; the inner one, with the clauses `token`, `audience`, `subject` and
    /// `claims`, when it was asked and the token is not good.
    pub async fn review(
        &self,
        context: &Context,
        token: &Secret,
        audiences: &[&str],
    ) -> Result<Result<Bound, Box<Refusal>>, Error> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token.expose(), "audiences": audiences },
        });
        let attempt = Attempt { what: "ask the Kubernetes API server about a token", may: MAY, secrets: &[token] };
        let response = self.create(context, PATH, &body, &attempt).await?;
        Ok(response.json::<Review>("the token review")?.status.bound(audiences))
    }
}

/// What an answer of the API server says, for these audiences. `None` when it is no token review.
pub fn parse_review(body: &[u8], audiences: &[&str]) -> Option<Result<Bound, Box<Refusal>>> {
    Some(serde_json::from_slice::<Review>(body).ok()?.status.bound(audiences))
}

impl Status {
    fn bound(self, audiences: &[&str]) -> Result<Bound, Box<Refusal>> {
        if !self.authenticated {
            return Err(Box::new(Refusal::new(
                "token",
                "a token that the API server does not believe",
                "a token of this cluster, of a pod and an account that are still there",
                UNAUTHORIZED,
                "show a new token of a running pod; the audit log of the API server tells why this one was refused",
            )));
        }
        // A server that knows no audiences answers without them, and would believe tokens for anybody.
        if !self.audiences.iter().any(|known| audiences.contains(&known.as_str())) {
            return Err(Box::new(Refusal::new(
                "audience",
                carnet_core::safe_text(&self.audiences.join(" ")),
                audiences.join(" or "),
                UNAUTHORIZED,
                "project the token, or ask the TokenRequest API for it, with this audience",
            )));
        }
        Bound::of_user(&self.user)
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp};
    use serde_json::Value;

    use super::*;
    use crate::{
        ApiAccess,
        testing::{AUDIENCE, place},
    };

    const OWN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

    fn answer() -> Value {
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
            "authenticated": true, "audiences": [AUDIENCE],
            "user": {"username": "system:serviceaccount:example:admin", "uid": "s-1", "groups": ["system:serviceaccounts"],
                "extra": {"authentication.kubernetes.io/pod-name": ["admin-0"], "authentication.kubernetes.io/pod-uid": ["p-1"],
                          "authentication.kubernetes.io/credential-id": ["JTI=x"]}},
        }})
    }

    fn clause(path: &str, value: Value) -> &'static str {
        let mut bent = answer();
        *bent.pointer_mut(path).unwrap() = value;
        parse_review(bent.to_string().as_bytes(), &[AUDIENCE]).unwrap().unwrap_err().clause
    }

    #[test]
    fn rejects_what_the_api_server_does_not_believe_or_not_for_us() {
        assert_eq!(clause("/status/authenticated", json!(false)), "token");
        assert_eq!(clause("/status/audiences", json!([])), "audience");
        assert_eq!(clause("/status/audiences", json!(["https://kubernetes.default.svc"])), "audience");
        assert_eq!(clause("/status/user/username", json!("kubernetes-admin")), "subject");
        assert_eq!(clause("/status/user/extra/authentication.kubernetes.io~1pod-uid", json!([])), "claims");
    }

    #[test]
    fn rejects_an_answer_that_is_no_review() {
        for body in ["", "{}", "[]", "{\"status\": 7}", "{\"status\": {\"authenticated\": \"yes\"}}"] {
            assert!(parse_review(body.as_bytes(), &[AUDIENCE]).is_none(), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_breaks_the_reader(body: Vec<u8>, text in "\\{\"status\": [\\[\\]{}\":,a-z0-9]{0,48}\\}") {
            drop(parse_review(&body, &[AUDIENCE]));
            drop(parse_review(text.as_bytes(), &[AUDIENCE]));
        }
    }

    type Asked = Result<Result<Bound, Box<Refusal>>, Error>;

    async fn asked(http: ScriptedHttp) -> (Asked, Vec<carnet_core::Request>) {
        let variables = [("KUBERNETES_SERVICE_HOST", "10.96.0.1")];
        let (context, http) = place(&variables, &[(OWN, "own-token\n"), (CA, "PEM")], http);
        let server = ApiAccess::default().need(&context).unwrap();
        (server.review(&context, &Secret::new("the.pods.token"), &[AUDIENCE]).await, http.requests())
    }

    #[tokio::test]
    async fn the_api_server_is_asked_for_the_audience_with_our_own_token() {
        let (bound, requests) = asked(ScriptedHttp::default().answer(201, answer().to_string())).await;
        assert_eq!(bound.unwrap().unwrap().account.to_string(), "example:admin");
        let sent = requests.first().unwrap();
        assert_eq!(sent.url.as_str(), "https://10.96.0.1/apis/authentication.k8s.io/v1/tokenreviews");
        assert_eq!(sent.headers["authorization"], "Bearer own-token");
        assert_eq!(sent.ca_pem.as_deref(), Some(&b"PEM"[..]));
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body["spec"], json!({"token": "the.pods.token", "audiences": [AUDIENCE]}));
    }

    #[tokio::test]
    async fn an_api_server_that_is_away_slow_or_busy_refuses_nobody_and_believes_nobody() {
        for http in [
            ScriptedHttp::default().fail(HttpErrorKind::Connect),
            ScriptedHttp::default().fail(HttpErrorKind::Timeout),
            ScriptedHttp::default().fail(HttpErrorKind::Tls),
            ScriptedHttp::default().answer(410, "{}"),
            ScriptedHttp::default().answer(429, "{}"),
            ScriptedHttp::default().answer(500, ""),
            ScriptedHttp::default().answer(201, "not json"),
        ] {
            let (answer, _) = asked(http).await;
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unreachable);
        }
    }

    #[tokio::test]
    async fn rejects_an_account_that_may_not_ask() {
        let (answer, _) = asked(ScriptedHttp::default().answer(403, "{\"reason\": \"Forbidden\"}")).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("rbac")));
        assert!(error.hints().join(" ").contains("system:auth-delegator"));
    }
}
