//! Tokens that the API server is asked for: `POST …/serviceaccounts/NAME/token` ("TokenRequest", authentication.k8s.io/v1).

use carnet_core::{Context, Credential, Error, Secret};
use carnet_jose::{Claims, SubjectToken};
use serde::Deserialize;
use serde_json::{Value, json};

use super::credential;
use crate::{ApiServer, Bound, ServiceAccount, api::Attempt};

/// What the API server makes of a request.
#[derive(Deserialize)]
struct TokenRequest {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    token: Secret,
}

/// A token of the account, for the audience: of the one that is named, else of the pod's own, and then bound to the pod, so that
/// it ends with it.
pub(super) async fn ask(
    context: &Context,
    server: &ApiServer,
    named: Option<&ServiceAccount>,
    audience: &str,
    lifetime: u32,
) -> Result<Credential, Error> {
    let own = own_identity(context, server)?;
    let account = match (named, &own) {
        (Some(named), _) => named.clone(),
        (None, Some(own)) => own.account.clone(),
        (None, None) => {
            return Err(Error::configuration("ask the Kubernetes API server for a token: it is not known whose")
                .hint("the token that is shown to the API server is no service account's: set `service_account`"));
        }
    };
    let mut spec = json!({ "audiences": [audience], "expirationSeconds": lifetime });
    let pod = own.filter(|own| own.account == account).and_then(|own| own.pod);
    if let (Some(pod), Some(spec)) = (pod, spec.as_object_mut()) {
        let reference = json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid });
        spec.insert("boundObjectRef".to_owned(), reference);
    }
    let body: Value = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
    // Names of accounts and namespaces need no escaping.
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", account.namespace(), account.name());
    let what = format!("ask the Kubernetes API server for a token of {account}");
    let may = format!(
        "let the account that asks create serviceaccounts/token: a Role in the namespace {} with resources \
         [\"serviceaccounts/token\"], resourceNames [\"{}\"] and verbs [\"create\"]",
        account.namespace(),
        account.name()
    );
    let attempt = Attempt { what: &what, may: &may, secrets: &[] };
    let response = server.create(context, &path, &body, &attempt).await?;
    let answer: TokenRequest = response.json("the token request")?;
    checked(context, answer.status.token, &account, audience)
}

/// What the token that is shown to the API server says of its owner. `None` when it is no service account's.
fn own_identity(context: &Context, server: &ApiServer) -> Result<Option<Bound>, Error> {
    let token = server.own_token(context)?;
    let Ok(token) = SubjectToken::parse(token) else { return Ok(None) };
    token.refuse_expired("the token that is shown to the Kubernetes API server", context.now())?;
    Ok(Bound::of_claims(token.unverified_claims()).ok())
}

/// What was given must be what was asked for: another audience or account would be refused further on, in worse words.
fn checked(context: &Context, token: Secret, account: &ServiceAccount, audience: &str) -> Result<Credential, Error> {
    let what = "the token that the Kubernetes API server gave";
    let answer = |wrong: String| Error::unreachable(format!("use {what}: {wrong}"));
    let token = SubjectToken::parse(token).map_err(|error| answer("it is no JWT".to_owned()).because(error))?;
    if subject(token.unverified_claims()) != account.subject() {
        return Err(answer(format!("it is not of {account}")).clause("subject"));
    }
    if !token.names_audience(audience) {
        let seen = token.audience_text().unwrap_or_else(|| "nobody".to_owned());
        return Err(answer(format!("it is for {seen}")).clause("audience"));
    }
    token
        .refuse_expired(what, context.now())
        .map_err(|error| error.hint("it has just been made: compare the clocks"))?;
    Ok(credential(token, context.now()).fact("place", "Kubernetes (TokenRequest)"))
}

fn subject(claims: &Claims) -> &str {
    claims.str("sub").unwrap_or_default()
}
