//! Who asks for a token.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, sha256, verify_jwt};
use carnet_oci::trust::{Principal, signature::Options};
use carnet_trust::Refusal;
use carnet_x509::Certificate;
use http::request::Parts;
use jiff::SignedDuration;
use serde_json::Value;

use super::{Form, TokenError};
use crate::{
    domain::{Domain, SERVICE, types::APPS, wire},
    scim::{Resource, text},
    seed,
};

/// RFC 7523, 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Audiences that a client assertion may name.
///
/// UNCONFIRMED: the documentation's sample has the domain URL with a slash; the form without is accepted too.
const ASSERTION_AUDIENCES: [&str; 2] =
    [seed::DOMAIN_URL, "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com/"];

/// Longest life of a client assertion. A longer one is a static secret in disguise.
///
/// UNCONFIRMED: the documentation's samples live for minutes and name no bound.
const ASSERTION_MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Who asks, authenticated.
#[derive(Clone, Debug)]
pub(in crate::domain) enum Client {
    /// An active OAuth client.
    App(Box<App>),
    /// An OCI principal of the tenancy that signed the request.
    Principal(Arc<Principal>),
}

/// An OAuth client.
#[derive(Clone, Debug)]
pub(in crate::domain) struct App {
    /// Id of the resource.
    pub(super) id: String,
    /// The client id, which is the resource's `name`.
    pub(super) client_id: String,
    /// The resource.
    pub(super) resource: Resource,
}

impl App {
    /// Whether the app may use this grant.
    pub(super) fn allows(&self, grant: &str) -> bool {
        let grants = self.resource.get("allowedGrants").and_then(Value::as_array);
        grants.is_some_and(|grants| grants.iter().any(|allowed| allowed.as_str() == Some(grant)))
    }
}

impl Domain {
    /// Authenticates the client in one of the ways, and in one only (RFC 6749, 2.3).
    pub(super) fn authenticate_client(&self, parts: &Parts, body: &[u8], form: &Form) -> Result<Client, TokenError> {
        let secret = form.get("client_secret");
        let assertion = form.get("client_assertion");
        match (wire::authorization(&parts.headers), secret, assertion) {
            (Some((scheme, value)), None, None) if scheme == "basic" => self.by_basic(value),
            (Some((scheme, _)), None, None) if scheme == "signature" => self.by_signature(parts, body),
            (None, Some(secret), None) => {
                let client_id = form.required("client_id")?;
                self.by_secret(client_id, secret).ok_or_else(|| refused(client_id))
            }
            (None, None, Some(assertion)) => self.by_assertion(form, assertion),
            (_, None, None) => Err(refused("no client authentication that is known")),
            _ => Err(TokenError::request("The client authenticates in more than one way.")),
        }
    }

    /// The active OAuth client with this client id.
    pub(super) fn active_app(&self, client_id: &str) -> Option<App> {
        let store = self.store();
        let resource = store.find_by(&APPS, "name", client_id)?;
        let is = |name: &str| resource.get(name) == Some(&Value::Bool(true));
        let id = text(resource, "id")?.to_owned();
        (is("active") && is("isOAuthClient")).then(|| App {
            id,
            client_id: client_id.to_owned(),
            resource: resource.clone(),
        })
    }

    fn by_basic(&self, value: &str) -> Result<Client, TokenError> {
        let decoded = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.map(Secret::new).ok_or_else(|| refused("Basic that is not base64"))?;
        let Some((client_id, secret)) = decoded.expose().split_once(':') else {
            return Err(refused("Basic without a colon"));
        };
        if let Some(client) = self.by_secret(client_id, secret) {
            return Ok(client);
        }
        // RFC 6749, 2.3.1 has both halves form-encoded; clients that do so are let in as well.
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
        };
        let pair = decode(client_id).zip(decode(secret).map(Secret::new));
        pair.and_then(|(client_id, secret)| self.by_secret(&client_id, secret.expose()))
            .ok_or_else(|| refused(client_id))
    }

    fn by_secret(&self, client_id: &str, secret: &str) -> Option<Client> {
        let app = self.active_app(client_id)?;
        let known = self.secret(&app.id)?;
        // Hashes are compared, so that the time tells nothing of the secret.
        (sha256(known.expose().as_bytes()) == sha256(secret.as_bytes())).then(|| Client::App(Box::new(app)))
    }

    fn by_signature(&self, parts: &Parts, body: &[u8]) -> Result<Client, TokenError> {
        // UNCONFIRMED: whether a bad signature is answered here in the form of IaaS services ({code, message}). All other
        // answers of this endpoint have the form of OAuth, so this one has it too.
        let principal = self
            .state()
            .authenticate_signed_request(SERVICE, parts, body, &Options::TOKEN_ENDPOINT)
            .map_err(TokenError::client)?;
        if principal.tenancy != seed::TENANCY {
            return Err(TokenError::client(Refusal::new(
                "client",
                &principal.tenancy,
                seed::TENANCY,
                "invalid_client",
                "sign as a principal of the tenancy that the identity domain is in",
            )));
        }
        Ok(Client::Principal(principal))
    }

    /// RFC 7523, 3, with a certificate that was imported for the app.
    fn by_assertion(&self, form: &Form, assertion: &str) -> Result<Client, TokenError> {
        if form.get("client_assertion_type") != Some(JWT_BEARER) {
            return Err(TokenError::request(format!("client_assertion_type must be {JWT_BEARER}.")));
        }
        let (app, expires) =
            self.verify_assertion(form, assertion).ok_or_else(|| refused("a client assertion that does not verify"))?;
        if !self.tokens().is_first_use(assertion, expires, self.now()) {
            return Err(refused("a client assertion that was used before"));
        }
        Ok(Client::App(Box::new(app)))
    }

    fn verify_assertion(&self, form: &Form, assertion: &str) -> Option<(App, jiff::Timestamp)> {
        let token = UnverifiedJwt::parse(assertion).ok()?;
        let client_id = token.unverified_issuer()?.to_owned();
        if form.get("client_id").is_some_and(|named| named != client_id) {
            return None;
        }
        let app = self.active_app(&client_id)?;
        let named = |name: &str| token.unverified_header().get(name).and_then(Value::as_str);
        let certificate = imported_certificate(&app.resource, named("kid"), named("x5t"))?;
        let now = self.now();
        if now < certificate.not_before() || now > certificate.not_after() {
            return None;
        }
        let rules = Rules {
            issuer: Some(&client_id),
            audiences: Some(&ASSERTION_AUDIENCES),
            algorithms: &[Algorithm::Rs256],
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: Some(ASSERTION_MAX_LIFETIME),
            types: &["JWT"],
        };
        let verified = verify_jwt(&token, &KeySet::of(certificate.public_key().ok()?), &rules, now).ok()?;
        let expires = verified.claims().time("exp")?;
        (verified.claims().str("sub") == Some(client_id.as_str())).then_some((app, expires))
    }
}

fn refused(seen: &str) -> TokenError {
    TokenError::client(Refusal::new(
        "client",
        seen,
        "an active confidential application with its secret or certificate, or an OCI signature",
        "invalid_client",
        "use the client id (the App's name) and its secret, and activate the App",
    ))
}

/// The certificate among `certificates` of the app whose alias or key id is `kid`, or whose thumbprint is `x5t`.
fn imported_certificate(app: &Resource, kid: Option<&str>, x5t: Option<&str>) -> Option<Certificate> {
    let certificates = app.get("certificates")?.as_array()?;
    let named = certificates.iter().filter_map(Value::as_object).find(|entry| {
        let says = |name: &str, wanted: Option<&str>| wanted.is_some() && text(entry, name) == wanted;
        says("kid", kid) || says("certAlias", kid) || says("x5t", x5t)
    })?;
    let content = text(named, "x509Base64Certificate")?;
    match Certificate::from_pem(content.as_bytes()) {
        Ok(certificate) => Some(certificate),
        Err(_) => Certificate::from_der(&STANDARD.decode(content.trim()).ok()?).ok(),
    }
}
