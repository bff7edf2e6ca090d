//! Does this subject token become a principal of that pool? What is the same for all kinds of tokens.

use carnet_core::{Request, Secret};
use carnet_jose::KeySet;
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    CheckedProvider, Federated, Pool, ProviderName, State, TOKEN_LIFETIME,
    aws::{self, SignedRequest},
    certificate::Chain,
    jwt::Jwt,
    lint, mapping, refuse,
};

/// What is asked: this token, for that provider, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The `audience` of the exchange.
    pub audience: &'a str,
    /// The subject token. Not kept in any answer.
    pub subject: Subject<'a>,
    /// The pool that the audience names, if there is one.
    pub pool: Option<&'a Pool>,
    /// The provider that the audience names, if there is one.
    pub provider: Option<&'a CheckedProvider>,
    /// The time.
    pub now: Timestamp,
}

/// A subject token, of the kind that `subject_token_type` says.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A JWT.
    Jwt(&'a Secret),
    /// A signed request to AWS, percent-encoded or not.
    Aws(&'a Secret),
    /// A chain of certificates.
    Certificate {
        /// JSON array of certificates, DER in base64, leaf first.
        chain: &'a Secret,
        /// The certificate that the client has shown in TLS, DER.
        shown: Option<&'a [u8]>,
    },
}

/// A token that is good but for what has to be fetched, its mapping and the condition.
#[derive(Debug)]
pub struct Admitted<'a> {
    name: ProviderName,
    provider: &'a CheckedProvider,
    proof: Proof,
    held: Vec<&'static str>,
}

#[derive(Debug)]
enum Proof {
    Jwt(Jwt),
    Aws(SignedRequest),
    Certificate(Chain),
}

/// What has to be fetched before [`Admitted::decide`].
#[derive(Debug)]
pub enum Need<'a> {
    /// Nothing.
    Nothing,
    /// The keys of the provider's issuer.
    Keys {
        /// The provider, which has an issuer.
        provider: &'a CheckedProvider,
        /// The key that the token names, unverified: whether keys that are known already will do.
        kid: Option<&'a str>,
    },
    /// The answer to this request: it goes to AWS STS alone, is as it was signed, and must not be redirected.
    CallerIdentity(Box<Request>),
}

/// What was fetched.
#[derive(Clone, Copy, Debug)]
pub enum Fetched<'a> {
    /// Nothing was needed.
    Nothing,
    /// Keys of the issuer.
    Keys(&'a KeySet),
    /// What AWS STS says of who has signed.
    CallerIdentity(&'a CallerIdentity),
    /// It could not be fetched, for this reason, which the operator is shown.
    Failed(&'a str),
}

/// Who has signed a request, by the answer of AWS STS to `GetCallerIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerIdentity {
    /// `Arn`, for instance `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`.
    pub arn: String,
    /// `UserId`, for instance `AROAEXAMPLE:SESSION`.
    pub user_id: String,
    /// `Account`: 12 digits.
    pub account: String,
}

/// A principal, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Who the token has become.
    pub who: Federated,
    /// The decision's grant.
    pub grant: Grant,
}

/// The whole question at once.
pub fn evaluate(question: &Question<'_>, fetched: Fetched<'_>) -> Decision {
    match question.admit().and_then(|admitted| admitted.decide(fetched)) {
        Ok(allowed) => Decision::Allow(allowed.grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

impl<'a> Question<'a> {
    /// Everything that can be decided before something is fetched: audience, provider, and what stands in the token. The
    /// order is UNCONFIRMED; it is the one that gives a stranger least.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        let mut held = Vec::new();
        match self.admit_noting(&mut held) {
            Ok((name, provider, proof)) => Ok(Admitted { name, provider, proof, held }),
            Err(refusal) => Err(with_held(refusal, held)),
        }
    }

    fn admit_noting(
        &self,
        held: &mut Vec<&'static str>,
    ) -> Result<(ProviderName, &'a CheckedProvider, Proof), Box<Refusal>> {
        let name = ProviderName::from_audience(self.audience)?;
        held.push("request");
        let provider = self.target(&name)?;
        held.push("target");
        let configured = provider.provider();
        let proof = match (self.subject, &configured.oidc, &configured.aws, provider.authorities()) {
            (Subject::Jwt(token), Some(oidc), ..) => Proof::Jwt(Jwt::admit(token, &name, oidc, self.now, held)?),
            (Subject::Aws(token), _, Some(_), _) => {
                Proof::Aws(SignedRequest::admit(token, self.audience, self.now, held)?)
            }
            (Subject::Certificate { chain, shown }, .., Some(authorities)) => {
                Proof::Certificate(Chain::admit(chain, shown, authorities, self.now, held)?)
            }
            (subject, ..) => return Err(wrong_kind(subject)),
        };
        Ok((name, provider, proof))
    }

    fn target(&self, name: &ProviderName) -> Result<&'a CheckedProvider, Box<Refusal>> {
        let no = |seen: &str, fix: &str| Err(refuse("target", seen, "an active provider", "invalid_target", fix));
        if !name.pool.project.bytes().all(|byte| byte.is_ascii_digit()) {
            let seen = format!("project {}", name.pool.project);
            return no(&seen, "put the number of the project into the audience, not its id");
        }
        let Some(pool) = self.pool else {
            return no(&format!("no pool {}", name.pool), "create the pool, or wait some minutes if it is new");
        };
        if pool.state == State::Deleted {
            return no("a deleted pool", "undelete the pool, or use another");
        }
        if pool.disabled {
            return no("a disabled pool", "enable the pool");
        }
        let Some(provider) = self.provider else {
            return no(&format!("no provider {name}"), "create the provider, or wait some minutes if it is new");
        };
        if provider.provider().state == State::Deleted {
            return no("a deleted provider", "undelete the provider, or use another");
        }
        if provider.provider().disabled {
            return no("a disabled provider", "enable the provider");
        }
        Ok(provider)
    }
}

/// UNCONFIRMED: what Google says to a token of another kind than the provider's.
fn wrong_kind(subject: Subject<'_>) -> Box<Refusal> {
    let (seen, wanted) = match subject {
        Subject::Jwt(_) => ("a JWT", "a provider of the kind `oidc`"),
        Subject::Aws(_) => ("a signed request of AWS", "a provider of the kind `aws`"),
        Subject::Certificate { .. } => ("certificates", "a provider of the kind `x509`"),
    };
    let fix = "name the provider that is of the token's kind in the audience of the exchange";
    refuse("token-type", seen, wanted, "invalid_request", fix)
}

impl<'a> Admitted<'a> {
    /// What has to be fetched.
    pub fn need(&'a self) -> Need<'a> {
        match &self.proof {
            Proof::Jwt(_) if self.provider.keys().is_some() => Need::Nothing,
            Proof::Jwt(token) => Need::Keys { provider: self.provider, kid: token.unverified_kid() },
            Proof::Aws(request) => Need::CallerIdentity(Box::new(request.request())),
            Proof::Certificate(_) => Need::Nothing,
        }
    }

    /// Signature or caller identity, mapping, condition. A provider with uploaded keys uses those and not what was fetched.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, fetched: Fetched<'_>) -> Result<Allowed, Box<Refusal>> {
        let mut held = self.held.clone();
        match self.decide_noting(fetched, &mut held) {
            Ok(mut allowed) => {
                allowed.grant.held = held;
                Ok(allowed)
            }
            Err(refusal) => Err(with_held(refusal, held)),
        }
    }

    fn decide_noting(&self, fetched: Fetched<'_>, held: &mut Vec<&'static str>) -> Result<Allowed, Box<Refusal>> {
        let assertion = self.assertion(fetched, held)?;
        let who = mapping::map(&self.name, self.provider, &assertion)?;
        held.push("mapping");
        mapping::check_condition(self.provider, &assertion, &who)?;
        held.push("condition");
        let grant = Grant {
            principal: who.principal(),
            lifetime: Some(TOKEN_LIFETIME),
            attributes: who.shown(),
            held: Vec::new(),
            warnings: lint::lint_provider(self.provider.provider()),
        };
        Ok(Allowed { who, grant })
    }

    /// What mapping and condition see as `assertion`, proved.
    fn assertion(&self, fetched: Fetched<'_>, held: &mut Vec<&'static str>) -> Result<Value, Box<Refusal>> {
        match &self.proof {
            Proof::Jwt(token) => token.verify(self.provider, fetched, held),
            Proof::Aws(_) => aws::assertion(self.provider, fetched, held),
            Proof::Certificate(chain) => Ok(chain.assertion()),
        }
    }
}

fn with_held(mut refusal: Box<Refusal>, held: Vec<&'static str>) -> Box<Refusal> {
    refusal.held = held;
    refusal
}
