//! `AssumeRoleWithWebIdentity`.

use std::sync::Arc;

use carnet_aws::trust::{OidcProvider, Question, Session};
use carnet_core::{ErrorKind, Secret};
use carnet_jose::UnverifiedJwt;
use carnet_trust::{Grant, Refusal};
use jiff::SignedDuration;

use super::{
    SERVICE,
    parameters::{ARN, NAME, Parameters, Rule},
    session_policy, words,
};
use crate::{
    call::Call,
    principal::RoleSession,
    reply::{Answer, ApiError, STS_NAMESPACE, query_ok},
    seed, sessions,
    state::State,
    xml,
};

const TOKEN: Rule = Rule { shortest: 4, longest: 20_000, others: None };
/// The providers that are no OpenID Connect: their tokens are known to them alone.
const OAUTH: [&str; 2] = ["graph.facebook.com", "www.amazon.com"];
/// Tokens of AWS itself, which AWS does not take ("GetWebIdentityToken").
const OWN: &str = ".tokens.sts.global.api.aws";

pub(super) async fn answer(state: &Arc<State>, call: &Call, parameters: &Parameters) -> Answer {
    let arn = parameters.required("RoleArn", ARN)?;
    let session_name = parameters.required("RoleSessionName", NAME)?;
    let token = Secret::new(parameters.required("WebIdentityToken", TOKEN)?);
    let duration = parameters.duration(900, 43_200)?;
    if let Some(provider) = parameters.text("ProviderId") {
        return Err(other_provider(provider));
    }
    let now = state.world.now(SERVICE);
    let read = UnverifiedJwt::parse(token.expose()).ok();
    let issuer = read.as_ref().and_then(UnverifiedJwt::unverified_issuer).unwrap_or_default().to_owned();
    let kid = read.as_ref().and_then(UnverifiedJwt::unverified_kid).map(str::to_owned);
    let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
    let (entry, provider, private) = {
        let inner = state.lock();
        let provider = inner.providers.find(&account, &issuer).filter(|_| !issuer.ends_with(OWN)).cloned();
        let provider = provider.or_else(|| OidcProvider::built_in(&issuer));
        (inner.role(arn).cloned(), provider, inner.private_issuers.get(&issuer).cloned())
    };
    let question = Question {
        token: &token,
        role: entry.as_ref().map(|entry| &entry.role),
        provider: provider.as_ref(),
        session_name,
        duration,
        now,
    };
    let region = super::region(call).unwrap_or_else(|| seed::REGION.to_owned());
    let admitted = question.admit().map_err(|refusal| words::refused(refusal, now))?;
    let admitted = admitted.of_request(&call.facts(&region));
    if let (Some(provider), Some(thumbprint)) = (&provider, &private) {
        check_thumbprint(provider, thumbprint)?;
    }
    let fetched = state.issuers.keys(&issuer, kid.as_deref()).await;
    let decided = match &fetched {
        Ok(keys) => admitted.decide(Some(keys)),
        Err(error) if error.kind() == ErrorKind::Unreachable => return Err(unreachable(&issuer, error)),
        Err(error) => admitted.decide(None).map_err(|mut refusal| {
            refusal.seen = format!("{}: {}", refusal.seen, carnet_core::chain(error).join(": "));
            refusal
        }),
    };
    let grant = decided.map_err(|refusal| words::refused(refusal, now))?;
    // The claims were verified just now.
    let claims = read.as_ref().map(|token| token.unverified_claims().clone());
    let tags = claims.as_ref().map(Session::read).transpose().map_err(|refusal| words::refused(refusal, now))?;
    let tags = tags.unwrap_or_default();
    let policies = session_policy::read(parameters, &tags.tags)?;
    let Some(entry) = entry else { return Err(ApiError::new(403, "AccessDenied", NOT_AUTHORIZED)) };
    state.world.decisions.allowed(SERVICE, &grant);
    let session = RoleSession {
        role_arn: entry.role.arn.clone(),
        role_id: entry.id.clone(),
        arn: entry.role.session_arn(session_name),
        name: session_name.to_owned(),
        transitive: tags.transitive.into_iter().collect(),
        tags: tags.tags,
        source_identity: tags.source_identity,
        policies: policies.policies,
        facts: facts(&grant, provider.as_ref()),
        instance: None,
    };
    let lifetime = grant.lifetime.unwrap_or(SignedDuration::from_hours(1));
    let made = sessions::issue(state, SERVICE, &call.path, session, lifetime);
    let attribute = |name: &str| grant.attributes.get(name).map(String::as_str).unwrap_or_default();
    let result = [
        xml::leaf("SubjectFromWebIdentityToken", attribute("subject")),
        xml::leaf("Audience", attribute("audience")),
        made.user_xml(),
        made.credentials_xml(),
        xml::leaf("Provider", attribute("provider")),
        xml::optional("PackedPolicySize", policies.packed.map(|packed| packed.to_string()).as_deref()),
        xml::optional("SourceIdentity", made.session.source_identity.as_deref()),
    ];
    Ok(query_ok(STS_NAMESPACE, "AssumeRoleWithWebIdentity", Some(&result.concat()), &call.id))
}

const NOT_AUTHORIZED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

/// The claims that stay condition keys for the whole session ("Available keys for AWS OIDC federation").
fn facts(grant: &Grant, provider: Option<&OidcProvider>) -> Vec<(String, String)> {
    let Some(provider) = provider else { return Vec::new() };
    let key = |name: &str, attribute: &str| {
        Some((format!("{}:{name}", provider.name()), grant.attributes.get(attribute)?.clone()))
    };
    let federated = ("aws:FederatedProvider".to_owned(), provider.arn());
    [key("sub", "subject"), key("aud", "audience"), Some(federated)].into_iter().flatten().collect()
}

/// The two OAuth 2.0 providers. Nobody's token is known to them here, so they reject every one.
fn other_provider(provider: &str) -> ApiError {
    let seen = carnet_core::safe_text(provider);
    if OAUTH.contains(&provider) {
        let fix = "leave ProviderId out: it is not for OpenID Connect";
        let refusal = Refusal::new("claims", seen, "a token that its provider knows", "IDPRejectedClaim", fix);
        return ApiError::new(403, "IDPRejectedClaim", "The identity provider rejected the token.").because(refusal);
    }
    super::parameters::invalid("ProviderId", Some(provider), "Member must be graph.facebook.com or www.amazon.com")
}

/// Only asked when the issuer's certificates end in no public root; the sandbox's control API says which do.
fn check_thumbprint(provider: &OidcProvider, thumbprint: &str) -> Result<(), ApiError> {
    if provider.thumbprints.iter().any(|own| own.eq_ignore_ascii_case(thumbprint)) {
        return Ok(());
    }
    let fix = "put the SHA-1 of the top intermediate certificate into the provider's thumbprints";
    let wanted = provider.thumbprints.join(", ");
    let refusal = Refusal::new("keys", thumbprint, wanted, "InvalidIdentityToken", fix);
    let text = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint";
    Err(ApiError::new(400, "InvalidIdentityToken", text).because(refusal))
}

fn unreachable(issuer: &str, error: &carnet_core::Error) -> ApiError {
    let seen = format!("{}: {}", carnet_core::safe_text(issuer), carnet_core::chain(error).join(": "));
    let fix = "make the issuer's documents reachable; the same request may succeed later";
    let refusal = Refusal::new("keys", seen, "an answer of the issuer", "IDPCommunicationError", fix);
    let text = "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the incoming \
                identity token could not be reached.";
    ApiError::new(400, "IDPCommunicationError", text).because(refusal)
}
