//! External JWT to session token: UPST and ephemeral RPST.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::Destination;
use carnet_jose::{CacheLimits, CachedKeySets, Jwk, KeySet, KeySource, PublicKey, UnverifiedJwt};
use carnet_oci::trust::{
    Checked, Principal,
    principal::{CLAIM_DOMAIN_ID, CLAIM_EXTERNAL_PREFIX, PTYPE_FEDERATED, PTYPE_USER},
    propagation::{
        Caller, Domain as Known, ExchangeRequest, PROPAGATED_PREFIX, PropagationTrust, RequestedToken,
        SIGNED_CALLER_PERMISSION, evaluate, find_trust,
    },
};
use carnet_sandbox_kit::World;
use carnet_trust::{Decision, Grant, Refusal};
use carnet_x509::Certificate;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Form, TYPE_RPST, TokenError, client::Client, session_key};
use crate::{
    auth::SessionGrant,
    domain::{Domain, SERVICE, references},
    seed,
};

impl Domain {
    /// `requested_token_type` UPST or RPST.
    pub(super) async fn exchange_for_session(&self, client: &Client, form: &Form) -> Result<Value, TokenError> {
        match form.required("subject_token_type")? {
            "jwt" => {}
            "saml" | "spnego" | "aws-credential" => {
                return Err(TokenError::request("This subject token type has no trust in this identity domain."));
            }
            // The short word; the names of RFC 8693 are not understood.
            _ => return Err(TokenError::request("The subject token type is not supported.")),
        }
        let key = session_key::read(form.required("public_key")?)?;
        let token = UnverifiedJwt::parse(form.required("subject_token")?).map_err(|error| {
            refused(Refusal::new(
                "form",
                error.message,
                "a JWT",
                "invalid_grant",
                "send the JWT as it was issued, without white space around it",
            ))
        })?;
        let requested = if form.get("requested_token_type") == Some(TYPE_RPST) {
            RequestedToken::Rpst
        } else {
            RequestedToken::Upst
        };
        let trust = self.trust_for(&token)?;
        let keys = self.keys_of(&trust, &token).await.map_err(refused)?;
        let (users, upst_max) = {
            let store = self.store();
            (references::users(&store), references::upst_minutes(&store).map(SignedDuration::from_mins))
        };
        let request = ExchangeRequest {
            requested,
            resource_type: form.get("res_type"),
            rpst_exp: form.get("rpst_exp"),
            caller: self.caller_of(client),
        };
        let known = Known { users: &users, upst_max };
        match evaluate(&request, &token, &keys, &trust, &known, self.now()) {
            Decision::Allow(grant) => {
                let minted = self.mint(requested, &grant, &key)?;
                self.state().world().decisions.allowed(SERVICE, &grant);
                Ok(minted)
            }
            Decision::Refuse(refusal) => Err(refused(refusal)),
        }
    }

    fn trust_for(&self, token: &UnverifiedJwt) -> Result<PropagationTrust, TokenError> {
        let trusts = references::trusts(&self.store());
        find_trust(&trusts, token).cloned().map_err(refused)
    }

    fn caller_of<'a>(&self, client: &'a Client) -> Caller<'a> {
        match client {
            Client::App(app) => Caller::Client(&app.client_id),
            Client::Principal(principal) => {
                Caller::Principal { id: &principal.id, permitted: self.may_exchange(principal) }
            }
        }
    }

    fn may_exchange(&self, principal: &Principal) -> bool {
        self.state().authorize(SERVICE, principal, SIGNED_CALLER_PERMISSION, seed::TENANCY).is_ok()
    }

    /// The keys that the trust names.
    async fn keys_of(&self, trust: &PropagationTrust, token: &UnverifiedJwt) -> Checked<Arc<KeySet>> {
        if let Some(certificate) = &trust.public_certificate {
            let key = certificate_key(certificate).ok_or_else(|| no_keys("publicCertificate cannot be read"))?;
            return Ok(Arc::new(KeySet::of(key)));
        }
        let endpoint = trust.public_key_endpoint.as_deref().unwrap_or_default();
        let url = Url::parse(endpoint).map_err(|_not_a_url| no_keys("publicKeyEndpoint is not a URL"))?;
        // The administrator of the domain chose it. The world's client never leaves loopback.
        let source = KeySource::Url(url, Destination::Configured);
        let keys = self.issuer_keys().keys(&trust.issuer, &source, token.unverified_kid()).await;
        keys.map_err(|error| no_keys(carnet_core::chain(&error).join(": ")))
    }

    fn mint(&self, requested: RequestedToken, grant: &Grant, key: &Jwk) -> Result<Value, TokenError> {
        let lifetime = grant.lifetime.unwrap_or_default();
        let claims = match requested {
            RequestedToken::Rpst => resource_claims(grant),
            RequestedToken::Upst => self.user_claims(grant, lifetime),
        };
        let session = SessionGrant { service: SERVICE, claims, key, lifetime };
        let token = self.state().auth().mint_session(session).map_err(|_key| TokenError::server())?;
        // No `access_token`, no `expires_in`: the SDKs read `token` and decode it.
        Ok(json!({"token": token.expose()}))
    }

    /// UNCONFIRMED beyond `sub`, `tenant`, `jwk` and `source_authn_prin`: Oracle publishes no full list.
    fn user_claims(&self, grant: &Grant, lifetime: SignedDuration) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("sub", grant.principal.clone().into());
        set("ptype", PTYPE_USER.into());
        set("ttype", "upst".into());
        set("tenant", seed::TENANCY.into());
        set(CLAIM_DOMAIN_ID, seed::DOMAIN.into());
        for (claim, attribute) in [("userName", "user_name"), ("source_authn_prin", "source_authn_prin")] {
            if let Some(value) = grant.attributes.get(attribute) {
                set(claim, value.clone().into());
            }
        }
        let end = self.now().saturating_add(lifetime).unwrap_or(jiff::Timestamp::MAX);
        set("sess_exp", end.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string().into());
        claims
    }
}

/// Outward little is said; the clause is for the operator.
fn refused(refusal: impl Into<Box<Refusal>>) -> TokenError {
    let refusal = refusal.into();
    let description = match refusal.code.as_str() {
        "unauthorized_client" => "The client is not authorized to exchange this token.",
        "invalid_request" => "The request does not fit the identity propagation trust.",
        _ => "The subject token is invalid, expired or not trusted.",
    };
    TokenError::new(&refusal.code, description).because(refusal)
}

fn no_keys(seen: impl Into<String>) -> Box<Refusal> {
    Box::new(Refusal::new(
        "key",
        seen,
        "a key set at publicKeyEndpoint of the trust",
        "invalid_grant",
        "see that publicKeyEndpoint of the trust answers with the issuer's keys, without signing in",
    ))
}

/// UNCONFIRMED beyond `sub` and `var_ext_…`; the Terraform provider wants `tenant`.
fn resource_claims(grant: &Grant) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("sub", grant.principal.clone().into());
    set("ptype", PTYPE_FEDERATED.into());
    set("ttype", "res".into());
    set("tenant", seed::TENANCY.into());
    set("res_tenant", seed::TENANCY.into());
    set(CLAIM_DOMAIN_ID, seed::DOMAIN.into());
    for (name, value) in &grant.attributes {
        if let Some(name) = name.strip_prefix(PROPAGATED_PREFIX) {
            set(&format!("{CLAIM_EXTERNAL_PREFIX}{name}"), value.clone().into());
        } else if name == "res_type" {
            set(name, value.clone().into());
        }
    }
    claims
}

/// The key sets of external issuers over this world.
///
/// UNCONFIRMED: for how long the domain keeps what it fetched. A `kid` that is not known is looked for at once, so that a key
/// that was rotated a moment ago counts.
pub(in crate::domain) fn issuer_keys(world: &World) -> CachedKeySets {
    let limits =
        CacheLimits { unknown_kid: SignedDuration::ZERO, failure: SignedDuration::ZERO, ..CacheLimits::default() };
    CachedKeySets::new(world.context(), limits)
}

/// The key in a `publicCertificate`, PEM or base64.
pub(in crate::domain) fn certificate_key(text: &str) -> Option<PublicKey> {
    let certificate = match Certificate::from_pem(text.as_bytes()) {
        Ok(certificate) => certificate,
        Err(_) => Certificate::from_der(&STANDARD.decode(text.split_whitespace().collect::<String>()).ok()?).ok()?,
    };
    certificate.public_key().ok()
}
