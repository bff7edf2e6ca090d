//! A client for OCI's services: signs, sends, and explains what is refused.

use carnet_core::{Context, Credential, Error, ErrorKind, Request, Response, Secret};
use http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use crate::{error, signer::OciSigner, wire::Scope};

/// Sends signed requests.
#[derive(Clone, Copy, Debug)]
pub struct SigningClient<'a> {
    context: &'a Context,
    signer: &'a OciSigner,
    /// Secrets in the body, which an answer may quote.
    sent: &'a [&'a Secret],
}

impl<'a> SigningClient<'a> {
    /// A client that signs with this signer.
    pub fn new(context: &'a Context, signer: &'a OciSigner) -> Self {
        Self { context, signer, sent: &[] }
    }

    /// The same, for requests whose bodies hold these secrets: what an answer quotes of them is not shown.
    pub(crate) fn sending(self, secrets: &'a [&'a Secret]) -> Self {
        Self { sent: secrets, ..self }
    }

    /// Signs and sends. `what` says what is attempted, for the error: `list the buckets of compartment …`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] without an answer; for an answer that is no success the kind, code and clause that
    /// it means. A 401 whose `Date` is more than five minutes away from this machine's clock is [`ErrorKind::Expired`].
    pub async fn send(&self, request: Request, what: &str) -> Result<Response, Error> {
        self.send_scoped(request, Scope::Full, what).await
    }

    /// As [`Self::send`], with the parts to sign given.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_scoped(&self, mut request: Request, scope: Scope, what: &str) -> Result<Response, Error> {
        request.headers.entry(OPC_REQUEST_ID).or_insert(request_id(self.context));
        self.signer.sign(&mut request, scope, self.context.now())?;
        let response = send(self.context, request, what).await?;
        if response.status.is_success() {
            return Ok(response);
        }
        let secrets = [self.signer.secrets().as_slice(), self.sent].concat();
        let error = error::refusal(what, error::Asked::Signed, &response, self.context.now(), &secrets);
        Err(match self.signer.fingerprint_differs() {
            Some((claimed, actual)) if response.status == 401 => error.hint(format!(
                "the profile names the fingerprint {claimed}, but the key's is {actual}: key file and fingerprint do not \
                 belong together"
            )),
            _ => error,
        })
    }
}

/// The id of a request, as Oracle's SDKs make it: three groups of 32 hexadecimal digits.
pub(crate) const OPC_REQUEST_ID: HeaderName = HeaderName::from_static("opc-request-id");

pub(crate) fn request_id(context: &Context) -> HeaderValue {
    let id = [context.random_hex::<16>(), context.random_hex::<16>(), context.random_hex::<16>()].join("/");
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("carnet"))
}

/// Sends a request and says what it was for when there is no answer.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    context.http.send(request).await.map_err(|error| {
        let cause = Error::from(error);
        Error::new(cause.kind(), what).because(cause)
    })
}

/// One signed call with a credential: the smallest way to show that it works. An empty body of a GET is no body;
/// other bodies are JSON.
///
/// # Errors
/// As [`SigningClient::send`]; [`ErrorKind::Configuration`] when the credential's key cannot be used.
pub async fn call(
    context: &Context,
    credential: &Credential,
    method: Method,
    url: Url,
    body: Option<&serde_json::Value>,
) -> Result<Response, Error> {
    let signer = OciSigner::new(credential)?;
    let what = format!("call {method} {}{}", url.origin().ascii_serialization(), url.path());
    let mut request = Request::new(method, url);
    if let Some(body) = body {
        request =
            request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body.to_string());
    }
    let scope = Scope::of(&request);
    SigningClient::new(context, &signer).send_scoped(request, scope, &what).await.map_err(|error| {
        match (error.kind(), credential.remaining(context.now())) {
            (ErrorKind::Refused, Some(left)) if left.is_zero() => {
                error.hint("the credential has expired: get a new one")
            }
            _ => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{Clock as _, chain, test_context};
    use jiff::SignedDuration;

    use super::*;
    use crate::testing::{self, Script, answer};

    fn url() -> Url {
        Url::parse("https://objectstorage.us-ashburn-1.oraclecloud.com/n/").unwrap()
    }

    #[tokio::test]
    async fn a_call_is_signed_and_carries_a_request_id() {
        let script = Script::of([answer(200, "\"axcarnetsbx\"")]);
        let context = script.context();
        let response = call(&context, &testing::session(), Method::GET, url(), None).await.unwrap();
        assert_eq!(response.text(), Some("\"axcarnetsbx\""));
        let sent = &script.requests()[0];
        assert_eq!(sent.url, url());
        assert_eq!(sent.headers["host"], "objectstorage.us-ashburn-1.oraclecloud.com");
        assert_eq!(sent.headers["date"], "Sat, 21 Nov 2026 12:00:00 GMT");
        let id = sent.headers["opc-request-id"].to_str().unwrap();
        assert_eq!(id.split('/').map(str::len).collect::<Vec<_>>(), [32, 32, 32]);
        assert!(sent.headers["authorization"].to_str().unwrap().starts_with("Signature version=\"1\""));
    }

    #[tokio::test]
    async fn a_json_body_is_hashed() {
        let script = Script::of([answer(200, "{}")]);
        let body = serde_json::json!({"name": "b1"});
        call(&script.context(), &testing::session(), Method::POST, url(), Some(&body)).await.unwrap();
        let sent = &script.requests()[0];
        assert_eq!(sent.headers["x-content-sha256"].to_str().unwrap(), crate::wire::body_hash(br#"{"name":"b1"}"#));
        assert_eq!(sent.headers["content-length"], "13");
    }

    #[tokio::test]
    async fn a_refusal_of_an_api_key_with_the_wrong_fingerprint_says_so() {
        let script = Script::of([answer(401, r#"{"code":"NotAuthenticated","message":"x"}"#)]);
        let mut credential = testing::api_key();
        if let carnet_core::Material::OciApiKey(key) = &mut credential.material {
            key.fingerprint = ["00"; 16].join(":");
        }
        let error = call(&script.context(), &credential, Method::GET, url(), None).await.unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains("do not belong together")), "{:?}", error.hints());
    }

    #[tokio::test]
    async fn no_piece_of_the_token_that_signed_is_shown() {
        let credential = testing::session();
        let carnet_core::Material::OciSession(session) = &credential.material else { panic!("another kind") };
        let piece = &session.token.expose()[60..100];
        let body = serde_json::json!({"code": "NotAuthenticated", "message": format!("bad key {piece}")}).to_string();
        let script = Script::of([answer(401, &body)]);
        let error = call(&script.context(), &credential, Method::GET, url(), None).await.unwrap_err();
        let said = chain(&error).join(" ");
        assert!(said.contains("bad key [redacted]") && !said.contains(piece), "{said}");
    }

    #[tokio::test]
    async fn a_refusal_of_an_expired_session_says_so() {
        let script = Script::of([answer(401, r#"{"code":"NotAuthenticated","message":"x"}"#)]);
        let mut context = script.context();
        let later = Arc::new(carnet_core::FixedClock::at(testing::now()));
        later.advance(SignedDuration::from_hours(2));
        assert!(later.now() > testing::now());
        context.clock = later;
        let error = call(&context, &testing::session(), Method::GET, url(), None).await.unwrap_err();
        assert!(error.hints().contains(&"the credential has expired: get a new one"));
    }

    #[tokio::test]
    async fn no_answer_is_unreachable_and_names_the_attempt() {
        let error = call(&test_context(), &testing::session(), Method::GET, url(), None).await.unwrap_err();
        assert!(chain(&error)[0].starts_with("call GET https://objectstorage."), "{error:?}");
    }
}
