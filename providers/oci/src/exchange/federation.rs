//! What the exchanges of an external JWT have in common: one request, one answer `{"token": …}`.
//!
//! Oracle, "Token Exchange Grant Type: Exchanging a JSON Web Token for a UPST" and "Workload Identity Federation"
//! (docs.oracle.com, Identity/api-getstarted/json_web_token_exchange.htm and
//! token_exchange_grant_type_workload_id-federation.htm).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{
    BoxFuture, Context, Credential, Error, ErrorKind, Exchange, Kind, Kinds, Material, Mistake, Request, Want,
    safe_text,
};
use carnet_jose::SubjectToken;
use futures_util::future::try_join;
use jiff::SignedDuration;

use super::caller::{Caller, CallerFields, Proof};
use crate::{
    client::send,
    domain_url::DomainUrl,
    error::refusal,
    regions::Region,
    session_key::{SessionKeyConfig, SessionKeys},
    source::instance::TokenAnswer,
    token::{SessionToken, issued},
};

/// RFC 8693, 2.1.
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The variable that says where a session is used when the configuration does not.
const REGION_VARIABLE: &str = "OCI_REGION";
/// How much longer than asked a session may live: the time the answer was on its way, and clocks.
const LIFETIME_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// What both exchanges take.
pub(super) const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);
/// What both exchanges give.
pub(super) const GIVES: Kinds = Kinds::of(&[Kind::OciSession]);

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Requested {
    Rpst { resource_type: String, lifetime: Option<SignedDuration> },
    Upst,
}

/// An exchange of an external JWT for an OCI session.
#[derive(Debug)]
pub(crate) struct Federation {
    name: &'static str,
    domain: DomainUrl,
    caller: Caller,
    keys: SessionKeys,
    region: Option<String>,
    audience: Option<String>,
    requested: Requested,
}

/// The fields that every such exchange has.
pub(crate) struct Fields {
    /// The name of the exchange in a configuration.
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) caller: CallerFields,
    pub(crate) region: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) session_key: Option<SessionKeyConfig>,
}

impl Federation {
    pub(crate) fn build(
        fields: Fields,
        requested: Requested,
        mut mistakes: Vec<Mistake>,
    ) -> Result<Self, Vec<Mistake>> {
        let domain = DomainUrl::parse(&fields.url).map_err(|mistake| mistakes.push(mistake)).ok();
        let caller = fields.caller.build(&mut mistakes);
        Region::check("region", fields.region.as_ref(), &mut mistakes);
        let keys = SessionKeys::build(fields.session_key, &mut mistakes);
        match (domain, caller) {
            (Some(domain), Some(caller)) if mistakes.is_empty() => {
                let Fields { name, region, audience, .. } = fields;
                Ok(Self { name, domain, caller, keys, region, audience, requested })
            }
            _ => Err(mistakes),
        }
    }

    async fn session(&self, context: &Context, credential: &Credential) -> Result<Credential, Error> {
        let Material::Jwt(token) = &credential.material else {
            return Err(Error::internal(format!("exchange a credential of kind {} at OCI", credential.kind())));
        };
        let subject = SubjectToken::parse(token.clone()).map_err(|error| Error::from(error).clause("form"))?;
        // Told here in clear words; the domain would answer `invalid_grant`.
        subject.refuse_expired("the subject token", context.now())?;
        let region = self.region(context)?;
        self.keys.prepare();
        let (key, proof) = try_join(self.keys.get(context), self.caller.proof(context, &self.domain)).await?;
        let public_key = STANDARD.encode(key.public_spki());
        let request = self.request(token.expose(), &public_key, &proof);
        let what = format!("exchange the token for {} at {}", self.requested.name(), self.domain);
        let response = send(context, proof.apply(request, context)?, &what).await?;
        if !response.status.is_success() {
            let mut secrets = proof.secrets();
            secrets.push(token);
            return Err(explain(refusal(&what, proof.asked(), &response, context.now(), &secrets), &subject));
        }
        let answer: TokenAnswer = response.json("the session token")?;
        let token = issued(&answer.token, &key, "the session token", context.now())?;
        let warning = self.requested.check_lifetime(&token, context)?;
        let mut credential =
            token.into_credential(key.to_pkcs8()?, region.map(|region| region.identifier().to_owned()), None);
        let warnings: Vec<String> = warning.into_iter().chain(self.keys.warning(context)).collect();
        if !warnings.is_empty() {
            credential = credential.fact("warning", warnings.join("; "));
        }
        Ok(credential)
    }

    fn request(&self, subject_token: &str, public_key: &str, proof: &Proof) -> Request {
        let mut fields = vec![
            ("grant_type", GRANT_TYPE),
            ("requested_token_type", self.requested.token_type()),
            ("subject_token", subject_token),
            // The short word, not the URN of RFC 8693.
            ("subject_token_type", "jwt"),
            ("public_key", public_key),
        ];
        let seconds;
        if let Requested::Rpst { resource_type, lifetime } = &self.requested {
            fields.push(("res_type", resource_type));
            if let Some(lifetime) = lifetime {
                seconds = lifetime.as_secs().to_string();
                fields.push(("rpst_exp", &seconds));
            }
        }
        if let Proof::Form(more) = proof {
            fields.extend(more.iter().map(|(name, value)| (*name, value.expose())));
        }
        Request::post_form(self.domain.token_endpoint(), &fields)
    }

    fn region(&self, context: &Context) -> Result<Option<Region>, Error> {
        match &self.region {
            Some(text) => Region::resolve(context, text).map(Some),
            None => Region::of_variable(context, REGION_VARIABLE),
        }
    }
}

impl Exchange for Federation {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        TAKES
    }

    fn gives(&self) -> Kinds {
        GIVES
    }

    fn audience(&self) -> Option<String> {
        self.audience.clone()
    }

    fn prepare(&self) {
        self.keys.prepare();
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(self.session(context, credential))
    }
}

impl Requested {
    /// The token type, in Oracle's own name space.
    fn token_type(&self) -> &'static str {
        match self {
            Self::Rpst { .. } => "urn:oci:token-type:oci-rpst",
            Self::Upst => "urn:oci:token-type:oci-upst",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Rpst { .. } => "a resource session (RPST)",
            Self::Upst => "a user session (UPST)",
        }
    }

    /// Whether the session lives as long as was asked. Longer is refused: it would mean that the number was read in another
    /// unit. Shorter is only worth a word.
    fn check_lifetime(&self, token: &SessionToken, context: &Context) -> Result<Option<String>, Error> {
        let Self::Rpst { lifetime: Some(asked), .. } = self else { return Ok(None) };
        let from = token.issued_at().unwrap_or_else(|| context.now());
        let given = token.expires_at().duration_since(from);
        if given > asked.saturating_add(LIFETIME_TOLERANCE) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("accept a session of {} s: {} s were asked for", given.as_secs(), asked.as_secs()),
            )
            .clause("lifetime")
            .hint("Oracle's documents disagree whether rpst_exp counts seconds or minutes; leave it out and report what you saw"));
        }
        let shorter = given.saturating_add(LIFETIME_TOLERANCE) < *asked;
        Ok(shorter.then(|| format!("the session lives {} s, {} s were asked for", given.as_secs(), asked.as_secs())))
    }
}

/// Adds what the domain saw, which is the half of the comparison that the user can check here.
fn explain(error: Error, subject: &SubjectToken) -> Error {
    if error.kind() == ErrorKind::Unreachable {
        return error;
    }
    let claims = subject.unverified_claims();
    let text = |name: &str| claims.str(name).map_or_else(|| "none".to_owned(), safe_text);
    let audience = subject.audience_text().unwrap_or_else(|| "none".to_owned());
    error.hint(format!("the token shown has iss {}, sub {}, aud {audience}", text("iss"), text("sub")))
}

#[cfg(test)]
mod tests;
