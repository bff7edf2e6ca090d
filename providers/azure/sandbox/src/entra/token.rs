//! The token endpoint: a client assertion becomes an access token.

use std::sync::Arc;

use carnet_azure::trust::{
    Admitted, Client, Code, Home, Presented as Claimed, Question, TenantPolicy, parse_scope, unknown_application,
    unknown_resource,
};
use carnet_core::Secret;
use carnet_jose::{KeySet, UnverifiedJwt};
use carnet_trust::Refusal;
use jiff::Timestamp;
use serde_json::json;

use super::{Presented, RequestMistake, SERVICE, TokenRequest, Version, parse_token_request, refusal};
use crate::{
    behaviour::Behaviour,
    call::Call,
    reply::{Answer, ApiError, is_guid, ok},
    seed,
    state::State,
    tokens::{self, Order, Resource},
};

/// What subjects of managed identities begin with where Entra writes them out.
const WRITTEN_OUT: &str = "/eid1/";

/// Answers a request. The order of the checks is UNCONFIRMED but yields the codes that users report: tenant, form,
/// client, resource, assertion.
pub(super) async fn answer(state: &Arc<State>, call: &Call, tenant: &str, version: Version) -> Answer {
    if !super::is_post(call) {
        let text = format!("The endpoint only accepts POST requests. Received a {} request.", call.method);
        let mistake = RequestMistake { code: 900_561, error: "invalid_request", text };
        return Err(refusal::mistake(state, call, &mistake));
    }
    super::known_tenant(state, call, tenant)?;
    let request = parse_token_request(call.header("content-type").unwrap_or_default(), &call.body, version)
        .map_err(|mistake| refusal::mistake(state, call, &mistake))?;
    let now = state.world.now(SERVICE);
    let desk = Desk { state, call, now };
    let (client, behaviour) = desk.client(&request.client_id)?;
    let resource = desk.resource(&request.target, version)?;
    let assertion = desk.assertion(&request)?;
    desk.federate(&client, assertion, &behaviour).await?;
    if behaviour.blocked_clients.iter().any(|blocked| blocked.eq_ignore_ascii_case(&client.client_id)) {
        let text =
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
        return Err(refusal::BLOCKED.answer(state, call, &client.client_id, text));
    }
    desk.issue(&client, &resource, &request, version)
}

/// Who asks, and when.
struct Desk<'a> {
    state: &'a State,
    call: &'a Call,
    now: Timestamp,
}

impl Desk<'_> {
    fn trust(&self, refusal: Box<Refusal>) -> ApiError {
        refusal::trust(self.state, self.call, refusal)
    }

    fn own(&self, own: refusal::Own, seen: &str, text: &str) -> ApiError {
        own.answer(self.state, self.call, seen, text)
    }

    /// The client as the token service knows it, found by its id alone.
    fn client(&self, client_id: &str) -> Result<(Arc<Client>, Behaviour), ApiError> {
        let inner = self.state.lock();
        let behaviour = inner.behaviour.clone();
        let principal = inner.directory.client(client_id).filter(|principal| principal.is_usable());
        let client = principal.map(|principal| Arc::clone(principal.known(self.now, behaviour.propagation())));
        drop(inner);
        let unknown = || self.trust(unknown_application(client_id, seed::DOMAIN));
        Ok((client.ok_or_else(unknown)?, behaviour))
    }

    fn resource(&self, target: &str, version: Version) -> Result<Resource, ApiError> {
        let name = if version == Version::First {
            target
        } else {
            let one = !target.contains(char::is_whitespace);
            if one && !target.ends_with("/.default") {
                let shown = carnet_core::safe_text(target);
                let text = format!(
                    "The provided value for scope {shown} is not valid. Client credential flows must have a scope value with \
                     /.default suffixed to the resource identifier (application ID URI)."
                );
                return Err(self.own(refusal::SCOPE, target, &text));
            }
            parse_scope(target).map_err(|refusal| self.trust(refusal))?
        };
        let found = tokens::resource(&self.state.lock(), name);
        found.ok_or_else(|| self.trust(unknown_resource(name, seed::DOMAIN)))
    }

    fn assertion<'r>(&self, request: &'r TokenRequest) -> Result<&'r Secret, ApiError> {
        match &request.presented {
            Presented::Assertion(assertion) => Ok(assertion),
            Presented::ClientSecret => {
                let text = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                     not the client secret ID, for a secret added to app '{}'.",
                    carnet_core::safe_text(&request.client_id)
                );
                Err(self.own(refusal::SECRET, "a client secret", &text))
            }
            Presented::Nothing => {
                let text =
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
                Err(self.own(refusal::NOTHING, "nothing", text))
            }
        }
    }

    /// Whether the assertion makes somebody this client. Notes the grant.
    async fn federate(&self, client: &Client, assertion: &Secret, behaviour: &Behaviour) -> Result<(), ApiError> {
        let unverified = UnverifiedJwt::parse(assertion.expose()).ok();
        self.check_before(client, unverified.as_ref(), behaviour)?;
        let policy = TenantPolicy { github_enterprise: behaviour.github_enterprise.clone() };
        let home = self.home(unverified.as_ref());
        let question = Question { client, token: assertion, policy: &policy, home, now: self.now };
        let admitted = question.admit().map_err(|refusal| self.mismatch(refusal, unverified.as_ref(), behaviour))?;
        let grant = self.decide(admitted, behaviour).await?;
        self.state.world.decisions.allowed(SERVICE, &grant);
        Ok(())
    }

    /// What the directory knows of the token's subject.
    fn home(&self, unverified: Option<&UnverifiedJwt>) -> Home<'static> {
        let subject = unverified.and_then(|token| token.unverified_claims().str("sub"));
        let inner = self.state.lock();
        let principal = subject.and_then(|object_id| inner.directory.principal(object_id));
        Home { tenant: seed::TENANT, subject: principal.map(|principal| principal.client.kind) }
    }

    /// What has nothing to do with the client's credentials: assertions that clients sign themselves, and the
    /// tenant's policy.
    fn check_before(
        &self,
        client: &Client,
        unverified: Option<&UnverifiedJwt>,
        behaviour: &Behaviour,
    ) -> Result<(), ApiError> {
        let issuer = unverified.and_then(UnverifiedJwt::unverified_issuer).unwrap_or_default();
        if is_guid(issuer) {
            if issuer.eq_ignore_ascii_case(&client.client_id) {
                let text = "Client assertion failed signature validation. [Reason - The key was not found.]";
                return Err(self.own(refusal::OWN_KEY, issuer, text));
            }
            let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
            return Err(self.own(refusal::OTHER_CLIENT, issuer, text));
        }
        if behaviour.federation_disabled {
            let text = "Federated identity credentials are disabled in this tenant.";
            return Err(self.own(refusal::FEDERATION, issuer, text));
        }
        if behaviour.refused_issuers.iter().any(|refused| refused == issuer) {
            let shown = carnet_core::safe_text(issuer);
            let text = format!("The tenant's policy does not allow tokens of issuer '{shown}' for federated identity.");
            return Err(self.own(refusal::ISSUER_POLICY, issuer, &text));
        }
        Ok(())
    }

    /// A refusal before keys are looked at, in the words that the tenant uses.
    fn mismatch(&self, refusal: Box<Refusal>, unverified: Option<&UnverifiedJwt>, behaviour: &Behaviour) -> ApiError {
        let claims = unverified.map(UnverifiedJwt::unverified_claims);
        let text = |name: &str| claims.and_then(|claims| claims.str(name)).unwrap_or_default();
        if refusal.clause == "subject" && text("sub").starts_with(WRITTEN_OUT) {
            let shown = carnet_core::safe_text(text("sub"));
            let told =
                format!("The assertion subject '{shown}' of a managed identity matches no federated identity record.");
            return self.own(refusal::IDENTITY_SUBJECT, text("sub"), &told);
        }
        let mismatch =
            [Code::ISSUER, Code::SUBJECT, Code::AUDIENCE].iter().any(|code| code.to_string() == refusal.code);
        if behaviour.old_codes && mismatch {
            let audiences = claims.map(carnet_jose::Claims::audiences).unwrap_or_default();
            let claim = |name: &str| carnet_core::safe_text(text(name));
            let (issuer, subject) = (claim("iss"), claim("sub"));
            let audience = carnet_core::safe_text(audiences.first().copied().unwrap_or_default());
            let presented = Claimed { issuer: &issuer, subject: &subject, audience: &audience };
            return refusal::old(self.state, self.call, refusal, presented);
        }
        self.trust(refusal)
    }

    /// Key, signature, times, policy.
    async fn decide(&self, admitted: Admitted<'_>, behaviour: &Behaviour) -> Result<carnet_trust::Grant, ApiError> {
        let kid = admitted.unverified_kid().unwrap_or_default().to_owned();
        let issuer = admitted.issuer().to_owned();
        let keys = self.state.issuers.keys(&issuer, Some(&kid)).await;
        match &keys {
            Ok(keys) if !is_rsa(keys, &kid) => {
                let shown = carnet_core::safe_text(&kid);
                let text =
                    format!("Invalid JWT token. The key '{shown}' cannot be used with the algorithm of the token.");
                Err(self.own(refusal::KEY_TYPE, &kid, &text))
            }
            Ok(keys) => {
                let decided = admitted.decide(Some(keys)).map_err(|refusal| self.trust(refusal));
                decided.map(|allowed| allowed.grant)
            }
            Err(_) if behaviour.old_codes => {
                Err(self.own(refusal::OLD_FETCH, &issuer, "Request to External OIDC endpoint failed."))
            }
            Err(error) => {
                let decided = admitted.decide(None).map(|allowed| allowed.grant);
                decided.map_err(|mut refusal| {
                    refusal.seen = format!("{}: {}", refusal.seen, carnet_core::chain(error).join(": "));
                    self.trust(refusal)
                })
            }
        }
    }

    fn issue(&self, client: &Client, resource: &Resource, request: &TokenRequest, version: Version) -> Answer {
        let Self { state, call, now } = *self;
        let lifetime = tokens::lifetime(&state.world, SERVICE, &call.raw_path);
        let continuous = request.continuous;
        let order = Order { client, resource, now, lifetime, resource_id: None, continuous };
        let token = order.mint(state).map_err(|error| refusal::internal(state, call, &error))?;
        // One second less than the token lives.
        let left = lifetime.as_secs().saturating_sub(1).max(0);
        let body = match version {
            Version::Second => json!({
                "token_type": "Bearer",
                "expires_in": left,
                "ext_expires_in": left,
                "access_token": token.expose(),
            }),
            // The first endpoint writes its numbers as text.
            Version::First => json!({
                "token_type": "Bearer",
                "expires_in": left.to_string(),
                "ext_expires_in": left.to_string(),
                "expires_on": now.as_second().saturating_add(lifetime.as_secs()).to_string(),
                "not_before": now.as_second().to_string(),
                "resource": request.target,
                "access_token": token.expose(),
            }),
        };
        Ok(refusal::stamped(state, call, ok(&body)))
    }
}

/// Whether no key has this id, or one of them can make RSA signatures.
fn is_rsa(keys: &KeySet, kid: &str) -> bool {
    let mut named = keys.iter().filter(|key| key.kid() == Some(kid)).peekable();
    let rsa = |name: &str| name.starts_with("RS") || name.starts_with("PS");
    named.peek().is_none() || named.any(|key| key.algorithms().any(|algorithm| rsa(algorithm.name())))
}
