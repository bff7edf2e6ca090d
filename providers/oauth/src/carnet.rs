//! The exchange `carnet`: carnet's own authority.
//!
//! Beside the standard, by the documentation of the authority's endpoints: the subject token types
//! `urn:carnet:token-type:jwt-svid`, `urn:carnet:token-type:oci-request` and `urn:carnet:token-type:aws-request`, the requested type `urn:carnet:token-type:x509-svid`, and with it the parameter `csr`, a PKCS#10 request in base64url; the answer to it is a chain
//! in PEM, leaf first, under the name `access_token`.

mod signed;
mod x509;

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Mistake, Secret, Want, safe_text,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::x509::parse_chain;
use crate::{
    call::{Answered, Asked, Call},
    client_auth::{Client, Proof},
    endpoint::{Endpoint, Issuer, check_issuer},
    exchange::{TOKEN_EXCHANGE, access_token, ended, jwt},
    metadata::MetadataForm,
    token_type::{ACCESS_TOKEN, ID_TOKEN, JWT},
};

const JWT_SVID: &str = "urn:carnet:token-type:jwt-svid";
const X509_SVID: &str = "urn:carnet:token-type:x509-svid";
/// What every SPIFFE ID begins with.
const SPIFFE: &str = "spiffe://";

/// Exchanges a token, or the signature of a principal of OCI or AWS, at an authority of carnet for an access token or a SPIFFE identity.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Carnet {
    /// The authority's issuer, exactly as its metadata writes it.
    pub url: String,
    /// The service that the token is wanted for. By default what the next step needs. A certificate needs none.
    #[serde(default)]
    pub audience: Option<String>,
    /// What to ask for: `access-token` (default), `jwt-svid`, or `x509-svid` with a key that is made here.
    #[serde(default)]
    pub issue: Issue,
    /// What the token shown is: `jwt` (default), `id-token`, or `jwt-svid`, the SPIFFE identity of a workload.
    #[serde(default)]
    pub subject_token_type: SubjectType,
    /// The audience that the token shown must name. By default `url`.
    #[serde(default)]
    pub subject_audience: Option<String>,
    /// The one rule that a signature of OCI or AWS is for. By default the first that fits.
    #[serde(default)]
    pub rule: Option<String>,
    /// The region whose service a signature of OCI or AWS is for. By default that of the credential or of the environment.
    #[serde(default)]
    pub region: Option<String>,
    /// The AWS account, twelve digits; needed with keys of AWS.
    #[serde(default)]
    pub account: Option<String>,
}

/// What the authority is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// An access token.
    #[default]
    AccessToken,
    /// A SPIFFE identity as a JWT.
    JwtSvid,
    /// A SPIFFE identity as a certificate.
    X509Svid,
}

/// What the token shown is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectType {
    /// A JWT of an issuer that the authority trusts.
    #[default]
    Jwt,
    /// An ID token of such an issuer.
    IdToken,
    /// A JWT-SVID of the authority's trust domain, or of one that it federates with.
    JwtSvid,
}

impl ExchangeConfig for Carnet {
    const NAME: &'static str = "carnet";
    const ABOUT: &'static str =
        "a JWT, or a signature of OCI or AWS, to an access token or SPIFFE identity of an authority of carnet";
    const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys, Kind::Jwt, Kind::OciApiKey, Kind::OciSession]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::Jwt, Kind::X509]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let url = check_issuer("url", &self.url).map_err(|mistake| mistakes.push(mistake)).ok();
        for (field, value) in [
            ("audience", &self.audience),
            ("subject_audience", &self.subject_audience),
            ("rule", &self.rule),
            ("region", &self.region),
            ("account", &self.account),
        ] {
            if value.as_deref().is_some_and(str::is_empty) {
                mistakes.push(Mistake::new(field, "is empty").hint("leave it out"));
            }
        }
        match url {
            Some(url) if mistakes.is_empty() => {
                let endpoint = Endpoint::Discovered(Issuer {
                    identifier: self.url.clone(),
                    url,
                    form: Some(MetadataForm::OauthAuthorizationServer),
                    token_origin: None,
                });
                Ok(Arc::new(Authority { endpoint, section: self }))
            }
            _ => Err(mistakes),
        }
    }
}

impl Issue {
    const fn identifier(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS_TOKEN,
            // The standard type: only as a subject token is a JWT-SVID told from other JWTs.
            Self::JwtSvid => JWT,
            Self::X509Svid => X509_SVID,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "an access token",
            Self::JwtSvid => "a JWT-SVID",
            Self::X509Svid => "an X509-SVID",
        }
    }
}

impl SubjectType {
    const fn identifier(self) -> &'static str {
        match self {
            Self::Jwt => JWT,
            Self::IdToken => ID_TOKEN,
            Self::JwtSvid => JWT_SVID,
        }
    }
}

/// See [`Carnet`].
#[derive(Debug)]
struct Authority {
    endpoint: Endpoint,
    section: Carnet,
}

impl Exchange for Authority {
    fn name(&self) -> &'static str {
        Carnet::NAME
    }

    fn takes(&self) -> Kinds {
        Carnet::TAKES
    }

    fn gives(&self) -> Kinds {
        match self.section.issue {
            Issue::AccessToken => Kinds::of(&[Kind::AccessToken]),
            Issue::JwtSvid => Kinds::of(&[Kind::Jwt]),
            Issue::X509Svid => Kinds::of(&[Kind::X509]),
        }
    }

    fn audience(&self) -> Option<String> {
        Some(self.section.subject_audience.clone().unwrap_or_else(|| self.section.url.clone()))
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(self.ask(context, credential, want))
    }
}

impl Authority {
    async fn ask(&self, context: &Context, credential: &Credential, want: &Want) -> Result<Credential, Error> {
        let issue = self.section.issue;
        let (token, kind) = self.section.subject(context, credential)?;
        let proof = Client::Public(None).proof(context, &token)?;
        let audience = self.section.audience.clone().or_else(|| want.audience.clone());
        if issue == Issue::JwtSvid && audience.is_none() {
            return Err(Error::configuration("ask the authority for a JWT-SVID: no audience is known")
                .clause("audience")
                .hint("set `audience`, or add a step that needs one"));
        }
        let what = format!("get {} from the authority {}", issue.name(), safe_text(&self.section.url));
        let request = (issue == Issue::X509Svid).then(x509::Request::make).transpose()?;
        let audiences: Vec<String> = audience.into_iter().collect();
        let answered =
            self.send(context, &what, credential, &proof, (&token, kind), (&audiences, request.as_ref())).await?;
        let bearer = issue == Issue::AccessToken;
        let fits = answered.answer.check_types(Some(issue.identifier()), bearer);
        fits.map_err(|wrong| answered.malformed(wrong))?;
        let expires_at = answered.expires_at()?;
        let made = match (issue, request) {
            (_, Some(request)) => request.complete(&answered, context.now())?,
            (Issue::JwtSvid, None) => svid(context, &answered, &audiences)?,
            (_, None) => access_token(&answered)?,
        };
        let mut made = ended(made, expires_at);
        made.facts.entry("issuer").or_insert_with(|| safe_text(&self.section.url));
        if let ([audience], false) = (audiences.as_slice(), issue == Issue::X509Svid) {
            made.facts.entry("audience").or_insert_with(|| safe_text(audience));
        }
        Ok(made)
    }

    async fn send(
        &self,
        context: &Context,
        what: &str,
        credential: &Credential,
        proof: &Proof,
        (token, kind): (&Secret, &'static str),
        (audiences, request): (&[String], Option<&x509::Request>),
    ) -> Result<Answered, Error> {
        let mut grant =
            vec![("grant_type", TOKEN_EXCHANGE), ("subject_token", token.expose()), ("subject_token_type", kind)];
        grant.extend(request.map(|request| ("csr", request.csr())));
        let token_type = Some(self.section.issue.identifier());
        let asked = Asked { audiences, token_type, ..Asked::default() };
        let endpoint = self.endpoint.resolve(context).await?;
        Call { what, endpoint, grant, asked, proof, credential }.send(context).await
    }
}

/// A JWT-SVID: a JWT whose subject is a SPIFFE ID, for the audience that was asked for.
fn svid(context: &Context, answered: &Answered, audiences: &[String]) -> Result<Credential, Error> {
    let token = jwt(context, answered)?;
    if !token.unverified_claims().str("sub").is_some_and(|subject| subject.starts_with(SPIFFE)) {
        return Err(answered.malformed("the subject of the JWT-SVID is not a SPIFFE ID"));
    }
    if let Some(missing) = audiences.iter().find(|audience| !token.names_audience(audience)) {
        return Err(answered.malformed(format!("the JWT-SVID does not name the audience {}", safe_text(missing))));
    }
    Ok(token.into_credential())
}

#[cfg(test)]
mod tests;
