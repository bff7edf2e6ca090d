//! One request to a token endpoint.

use carnet_core::{Context, Credential, Error, Request, Response, safe_text};
use http::{HeaderValue, header};
use jiff::Timestamp;
use url::Url;

use crate::{
    answer::{TokenAnswer, parse_token_answer},
    client_auth::Proof,
    error::{self, Attempt},
};

/// Largest answer that is read, in bytes: a chain of certificates in PEM, or a token with many groups.
pub(crate) const MAX_ANSWER: usize = 256 * 1024;

/// What a request asks for, beside the grant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) audiences: &'a [String],
    pub(crate) resources: &'a [String],
    pub(crate) scopes: &'a [String],
    /// The type of token, by its identifier.
    pub(crate) token_type: Option<&'a str>,
}

/// A request, ready to be sent.
pub(crate) struct Call<'a> {
    /// What is attempted, for the errors.
    pub(crate) what: &'a str,
    pub(crate) endpoint: Url,
    /// The grant, and what belongs to it.
    pub(crate) grant: Vec<(&'a str, &'a str)>,
    pub(crate) asked: Asked<'a>,
    /// Who asks.
    pub(crate) proof: &'a Proof,
    /// What is shown.
    pub(crate) credential: &'a Credential,
}

/// An answer whose form is right.
pub(crate) struct Answered {
    pub(crate) answer: TokenAnswer,
    /// Read before the request, so that the end is never later than the real one.
    pub(crate) asked_at: Timestamp,
    what: String,
    described: String,
}

impl Call<'_> {
    /// Sends it and reads the answer.
    ///
    /// # Errors
    /// The refusal, explained, or what is wrong with the answer.
    pub(crate) async fn send(self, context: &Context) -> Result<Answered, Error> {
        let Self { what, endpoint, grant, asked, proof, credential } = self;
        let scope = asked.scopes.join(" ");
        let mut fields = grant;
        fields.extend(asked.audiences.iter().map(|audience| ("audience", audience.as_str())));
        fields.extend(asked.resources.iter().map(|resource| ("resource", resource.as_str())));
        fields.extend((!scope.is_empty()).then_some(("scope", scope.as_str())));
        fields.extend(asked.token_type.map(|kind| ("requested_token_type", kind)));
        fields.extend(proof.fields.iter().map(|(name, value)| (*name, value.expose())));
        let host = safe_text(endpoint.host_str().unwrap_or_default());
        let mut request = Request::post_form(endpoint, &fields)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .max_response(MAX_ANSWER);
        if let Some(value) = &proof.header {
            request = request.header(header::AUTHORIZATION, value.clone());
        }
        let asked_at = context.now();
        let response = send(context, request, what).await?;
        let attempt = Attempt { what, asked, credential, proof, now: asked_at };
        if !response.status.is_success() {
            return Err(error::refusal(&response, &attempt));
        }
        let described = format!("HTTP {}, {} bytes", response.status.as_u16(), response.body.len());
        let what = format!("read the answer of {host}");
        match parse_token_answer(response.body.expose()) {
            Ok(answer) => Ok(Answered { answer, asked_at, what, described }),
            // Some servers say no with status 200.
            Err(_) if error::parse_error(response.body.expose()).code.is_some() => {
                Err(error::refusal(&response, &attempt))
            }
            Err(wrong) => Err(malformed(&what, &described, wrong)),
        }
    }
}

impl Answered {
    /// The answer is not what was asked for.
    pub(crate) fn malformed(&self, wrong: impl std::fmt::Display) -> Error {
        malformed(&self.what, &self.described, wrong)
    }

    /// When what was given ends.
    ///
    /// # Errors
    /// When it is over already.
    pub(crate) fn expires_at(&self) -> Result<Option<Timestamp>, Error> {
        if let Some(over) = self.answer.expires_in.filter(|seconds| *seconds <= 0) {
            return Err(Error::expired(format!("{}: the token's life is {over} s", self.what))
                .clause("expired")
                .hint("it has just been issued: the service is out of order; try again"));
        }
        Ok(self.answer.expires_at(self.asked_at))
    }
}

pub(crate) fn malformed(what: &str, described: &str, wrong: impl std::fmt::Display) -> Error {
    Error::unreachable(format!("{what} ({described}): {wrong}"))
        .clause("answer")
        .hint("this is not what was asked for: check the address, and what the other side is configured to give")
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), what).because(error)
    })
}
