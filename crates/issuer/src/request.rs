//! A request to the token endpoint.

use carnet_core::Secret;
use url::Url;

use crate::{
    IssueType, OAuthCode, OAuthError, SubjectType, form,
    svid::{MAX_AUDIENCE, MAX_AUDIENCES},
};

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693).
    TokenExchange,
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523, 2.1).
    JwtBearer,
    /// `client_credentials` (RFC 6749, 4.4) with a client assertion (RFC 7523, 2.2) or the certificate of the connection.
    ClientCredentials,
}

/// RFC 7523, 2.2, and draft-ietf-oauth-spiffe-client-auth.
const ASSERTION_TYPES: [(&str, SubjectType); 2] = [
    ("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", SubjectType::Jwt),
    ("urn:ietf:params:oauth:client-assertion-type:jwt-spiffe", SubjectType::JwtSvid),
];
/// Longest scope, in bytes.
const MAX_SCOPE: usize = 4096;
/// Longest `client_id`, in bytes.
const MAX_CLIENT_ID: usize = 2048;

impl Grant {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TokenExchange, Self::JwtBearer, Self::ClientCredentials];

    /// `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// What the audit calls it.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::TokenExchange => "token.exchange",
            Self::JwtBearer => "token.assertion",
            Self::ClientCredentials => "token.client",
        }
    }
}

/// A token that is shown, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownToken {
    /// The token; nothing for a certificate of the connection.
    pub token: Option<Secret>,
    /// Its type.
    pub kind: SubjectType,
}

impl ShownToken {
    /// The certificate of the connection.
    pub(crate) const fn certificate() -> Self {
        Self { token: None, kind: SubjectType::X509Svid }
    }
}

/// A request to the token endpoint whose form is right.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `grant_type`.
    pub grant: Grant,
    /// `subject_token` with its type, or `assertion`. Nothing with [`Grant::ClientCredentials`]: the client is the subject.
    pub subject: Option<ShownToken>,
    /// `actor_token` with its type.
    pub actor: Option<ShownToken>,
    /// `client_assertion` with its type.
    pub client: Option<ShownToken>,
    /// `client_id`, which names and proves nothing.
    pub client_id: Option<String>,
    /// `audience`, in order.
    pub audiences: Vec<String>,
    /// `resource`, in order.
    pub resources: Vec<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `requested_token_type`.
    pub requested: Option<IssueType>,
    /// `csr`: base64url of a PKCS#10 request.
    pub csr: Option<String>,
}

impl TokenRequest {
    /// A token exchange of this token, and nothing else yet.
    pub fn exchange(token: Secret, kind: SubjectType) -> Self {
        Self {
            grant: Grant::TokenExchange,
            subject: Some(ShownToken { token: Some(token), kind }),
            actor: None,
            client: None,
            client_id: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            scope: None,
            requested: None,
            csr: None,
        }
    }

    /// Reads a form. Parameters that are not known are passed over, none but `audience` and `resource` may occur twice (RFC 6749, 3.2).
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn from_form(body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields = Fields::read(body)?;
        let grant = match fields.grant_type.as_deref() {
            None => return Err(missing("grant_type")),
            Some(name) => Grant::ALL.into_iter().find(|grant| grant.as_str() == name),
        };
        let grant = grant.ok_or_else(|| {
            OAuthError::new(OAuthCode::UnsupportedGrantType, "the grant type is none that is served here")
        })?;
        if fields.client_secret {
            return Err(OAuthError::new(
                OAuthCode::InvalidClient,
                "clients prove who they are by assertion or certificate, not by secret",
            ));
        }
        if fields.client_id.as_ref().is_some_and(|id| id.len() > MAX_CLIENT_ID) {
            return Err(OAuthError::request("client_id is too long"));
        }
        let request = Self {
            grant,
            subject: fields.subject(grant)?,
            actor: fields.actor(grant)?,
            client: client_assertion(fields.client_assertion.as_ref(), fields.client_assertion_type.as_deref())?,
            client_id: fields.client_id.take(),
            requested: fields.requested()?,
            audiences: fields.audiences,
            resources: fields.resources,
            scope: fields.scope,
            csr: fields.csr,
        };
        request.check()?;
        match (request.requested, &request.csr) {
            (Some(IssueType::X509Svid), None) => Err(missing("csr")),
            (Some(IssueType::AccessToken | IssueType::JwtSvid), Some(_)) => {
                Err(OAuthError::request("csr goes with requested_token_type urn:carnet:token-type:x509-svid"))
            }
            _ => Ok(request),
        }
    }

    /// Looks at scope and targets.
    pub(crate) fn check(&self) -> Result<(), OAuthError> {
        if self.scope.as_ref().is_some_and(|scope| scope.len() > MAX_SCOPE) {
            return Err(OAuthError::new(OAuthCode::InvalidScope, "the scope is too long"));
        }
        self.check_targets()
    }

    /// RFC 8693, 2.1: a resource is an absolute URI without fragment. What is wrong with a target is `invalid_target` (RFC 8707, 2).
    fn check_targets(&self) -> Result<(), OAuthError> {
        let wrong = |what: &'static str| Err(OAuthError::new(OAuthCode::InvalidTarget, what));
        if self.audiences.len().saturating_add(self.resources.len()) > MAX_AUDIENCES {
            return wrong("there are too many targets");
        }
        if self.audiences.iter().chain(&self.resources).any(|target| target.len() > MAX_AUDIENCE) {
            return wrong("a target is too long");
        }
        let absolute = |resource: &String| Url::parse(resource).is_ok_and(|url| url.fragment().is_none());
        if !self.resources.iter().all(absolute) {
            return wrong("a resource is an absolute URI without fragment");
        }
        Ok(())
    }
}

#[derive(Default)]
struct Fields {
    grant_type: Option<String>,
    subject_token: Option<Secret>,
    subject_token_type: Option<String>,
    actor_token: Option<Secret>,
    actor_token_type: Option<String>,
    assertion: Option<Secret>,
    client_assertion: Option<Secret>,
    client_assertion_type: Option<String>,
    client_id: Option<String>,
    client_secret: bool,
    audiences: Vec<String>,
    resources: Vec<String>,
    scope: Option<String>,
    requested_token_type: Option<String>,
    csr: Option<String>,
}

impl Fields {
    fn read(body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields = Self::default();
        for (name, value) in form::parameters(body)? {
            let value = value.into_owned();
            let repeated = match &*name {
                "grant_type" => fields.grant_type.replace(value).is_some(),
                "subject_token" => fields.subject_token.replace(Secret::new(value)).is_some(),
                "subject_token_type" => fields.subject_token_type.replace(value).is_some(),
                "actor_token" => fields.actor_token.replace(Secret::new(value)).is_some(),
                "actor_token_type" => fields.actor_token_type.replace(value).is_some(),
                "assertion" => fields.assertion.replace(Secret::new(value)).is_some(),
                "client_assertion" => fields.client_assertion.replace(Secret::new(value)).is_some(),
                "client_assertion_type" => fields.client_assertion_type.replace(value).is_some(),
                "client_id" => fields.client_id.replace(value).is_some(),
                "client_secret" => std::mem::replace(&mut fields.client_secret, true),
                "scope" => fields.scope.replace(value).is_some(),
                "requested_token_type" => fields.requested_token_type.replace(value).is_some(),
                "csr" => fields.csr.replace(value).is_some(),
                "audience" => {
                    fields.audiences.push(value);
                    false
                }
                "resource" => {
                    fields.resources.push(value);
                    false
                }
                _ => false,
            };
            if repeated {
                return Err(OAuthError::request("a parameter is there twice"));
            }
        }
        Ok(fields)
    }

    fn subject(&mut self, grant: Grant) -> Result<Option<ShownToken>, OAuthError> {
        let of_exchange = self.subject_token.is_some() || self.subject_token_type.is_some();
        if of_exchange && grant != Grant::TokenExchange {
            return Err(OAuthError::request("subject_token goes with token exchange"));
        }
        if self.assertion.is_some() && grant != Grant::JwtBearer {
            return Err(OAuthError::request("assertion goes with grant type jwt-bearer"));
        }
        match grant {
            Grant::ClientCredentials => Ok(None),
            Grant::JwtBearer => {
                let token = self.assertion.take().ok_or_else(|| missing("assertion"))?;
                Ok(Some(ShownToken { token: Some(token), kind: SubjectType::Jwt }))
            }
            Grant::TokenExchange => {
                shown("subject_token", self.subject_token.take(), self.subject_token_type.as_deref())
            }
        }
    }

    fn actor(&mut self, grant: Grant) -> Result<Option<ShownToken>, OAuthError> {
        if self.actor_token.is_none() && self.actor_token_type.is_none() {
            return Ok(None);
        }
        if grant != Grant::TokenExchange {
            return Err(OAuthError::request("actor_token goes with token exchange"));
        }
        let actor = shown("actor_token", self.actor_token.take(), self.actor_token_type.as_deref())?;
        if actor.as_ref().is_some_and(|actor| actor.kind.is_signed_request()) {
            return Err(OAuthError::request("a signed request is a subject_token and no actor_token"));
        }
        Ok(actor)
    }

    fn requested(&self) -> Result<Option<IssueType>, OAuthError> {
        let Some(name) = &self.requested_token_type else { return Ok(None) };
        let unknown = || OAuthError::request("requested_token_type is none that is issued here");
        IssueType::from_urn(name).ok_or_else(unknown).map(Some)
    }
}

/// The proof of a client (RFC 7521, 4.2).
pub(crate) fn client_assertion(token: Option<&Secret>, name: Option<&str>) -> Result<Option<ShownToken>, OAuthError> {
    let (token, name) = match (token, name) {
        (None, None) => return Ok(None),
        (Some(token), Some(name)) => (token, name),
        (Some(_), None) => return Err(missing("client_assertion_type")),
        (None, Some(_)) => return Err(missing("client_assertion")),
    };
    let found = ASSERTION_TYPES.into_iter().find_map(|(known, kind)| (name == known).then_some(kind));
    let unknown = || OAuthError::new(OAuthCode::InvalidClient, "client_assertion_type is none that is taken here");
    Ok(Some(ShownToken { token: Some(token.clone()), kind: found.ok_or_else(unknown)? }))
}

/// RFC 8693, 2.1: a token goes with its type.
fn shown(name: &'static str, token: Option<Secret>, kind: Option<&str>) -> Result<Option<ShownToken>, OAuthError> {
    let kind = kind.ok_or_else(|| OAuthError::request(format!("{name}_type is missing")))?;
    let kind = SubjectType::from_urn(kind)
        .ok_or_else(|| OAuthError::request(format!("{name}_type is none that is taken here")))?;
    match (&token, kind) {
        (None, SubjectType::X509Svid) => {}
        (None, _) => return Err(missing(name)),
        (Some(_), SubjectType::X509Svid) => {
            return Err(OAuthError::request(format!("{name} is left out: the certificate is that of the connection")));
        }
        (Some(_), _) => {}
    }
    Ok(Some(ShownToken { token, kind }))
}

fn missing(name: &'static str) -> OAuthError {
    OAuthError::request(format!("{name} is missing"))
}
