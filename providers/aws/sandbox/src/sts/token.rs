//! `GetWebIdentityToken`: the account as an issuer ("Getting started with outbound identity federation").

use std::sync::Arc;

use carnet_jose::{Algorithm, encode_jwt};
use carnet_sandbox_kit::FaultKind;
use carnet_trust::{Grant, Refusal};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{
    SERVICE, authenticate, is_global,
    parameters::{Parameters, Rule, invalid, unknown_action},
};
use crate::{
    access,
    call::Call,
    principal::Principal,
    reply::{Answer, ApiError, STS_NAMESPACE, query_ok, seconds},
    seed,
    state::State,
    xml,
};

/// Most bytes of the claims. UNCONFIRMED: AWS names no number.
const MAX_PAYLOAD: usize = 8192;

/// An audience (`webIdentityTokenAudienceStringType` of botocore's `data/sts/2011-06-15/service-2.json`).
const AUDIENCE: Rule = Rule { shortest: 1, longest: 1000, others: None };

pub(super) fn answer(state: &Arc<State>, call: &Call, parameters: &Parameters) -> Answer {
    if is_global(call) {
        // UNCONFIRMED which error the global address gives.
        return Err(unknown_action("GetWebIdentityToken", super::VERSION));
    }
    let verified = authenticate(state, call)?;
    let now = state.world.now(SERVICE);
    let audiences = parameters.each("Audience", AUDIENCE)?;
    if audiences.is_empty() {
        return Err(invalid("Audience", None, "Member must not be null"));
    }
    if audiences.len() > 10 {
        return Err(invalid("Audience", None, "Member must have length less than or equal to 10"));
    }
    let algorithm = match parameters.text("SigningAlgorithm") {
        Some("RS256") => Algorithm::Rs256,
        Some("ES384") => Algorithm::Es384,
        other => return Err(invalid("SigningAlgorithm", other, "Member must satisfy enum value set: [RS256, ES384]")),
    };
    let lifetime = parameters.duration(60, 3600)?.unwrap_or(SignedDuration::from_mins(5));
    let tags = parameters.tags()?;
    if !state.lock().outbound {
        let fix = "switch it on: iam EnableOutboundWebIdentityFederation";
        let code = "OutboundWebIdentityFederationDisabledException";
        let refusal = Refusal::new("issuer", "outbound federation is off", "on", code, fix);
        let text = "The outbound web identity federation feature is not enabled for this account.";
        return Err(ApiError::new(403, code, text).because(refusal));
    }
    let caller = &verified.access.principal;
    let mut actions = vec!["sts:GetWebIdentityToken"];
    actions.extend((!tags.is_empty()).then_some("sts:TagGetWebIdentityToken"));
    for action in actions {
        let more = |context: carnet_aws::trust::Context| {
            context
                .with_request(&call.facts(&verified.authorization.region))
                .with("sts:IdentityTokenAudience", audiences.iter().copied())
                .with("sts:SigningAlgorithm", [algorithm.name()])
                .with("sts:DurationSeconds", [lifetime.as_secs().to_string()])
        };
        access::permit(state, SERVICE, &verified.access, action, "*", more).map_err(|refusal| {
            let text = format!("User: {} is not authorized to perform: {action}", caller.arn());
            ApiError::new(403, "AccessDenied", text).because(refusal)
        })?;
    }
    let ends = now.saturating_add(lifetime).unwrap_or(now);
    if let Some(session) = verified.session_end().filter(|session| ends > *session) {
        let fix = "ask for a shorter life, or take new keys";
        let code = "SessionDurationEscalationException";
        let refusal = Refusal::new("duration", ends.to_string(), format!("not after {session}"), code, fix);
        let text = "The requested token duration would extend the session beyond its original expiration time.";
        return Err(ApiError::new(403, code, text).because(refusal));
    }
    let audience = match audiences.as_slice() {
        [one] => json!(one),
        many => json!(many),
    };
    let expired = state.world.faults.hits(FaultKind::Expired, SERVICE, &call.path);
    let ends = if expired { now } else { ends };
    let claims = json!({
        "iss": seed::OUTBOUND_ISSUER,
        "aud": audience,
        "sub": caller.policy_arn(),
        "iat": now.as_second(),
        "exp": ends.as_second(),
        "jti": state.uuid(),
        "https://sts.amazonaws.com/": details(call, caller, &verified.authorization.region, &tags),
    });
    if claims.to_string().len() > MAX_PAYLOAD {
        let code = "JWTPayloadSizeExceededException";
        let refusal = Refusal::new(
            "request",
            format!("{} bytes", claims.to_string().len()),
            format!("{MAX_PAYLOAD}"),
            code,
            "send fewer tags",
        );
        return Err(ApiError::new(400, code, "The requested token payload size exceeds the maximum allowed size.")
            .because(refusal));
    }
    let members = claims.as_object().cloned().unwrap_or_default();
    let key = state.keys.outbound(algorithm).map_err(|error| ApiError::internal(&error))?;
    let token = encode_jwt(&key, &Map::new(), &members).map_err(|error| ApiError::internal(&error))?;
    let grant = Grant {
        principal: caller.policy_arn(),
        lifetime: Some(lifetime),
        attributes: [("audience".to_owned(), carnet_core::safe_text(&audiences.join(", ")))].into(),
        held: vec!["signature", "permission"],
        ..Grant::default()
    };
    state.world.decisions.allowed(SERVICE, &grant);
    let result = [xml::leaf("WebIdentityToken", token.expose()), xml::leaf("Expiration", &seconds(ends))];
    Ok(query_ok(STS_NAMESPACE, "GetWebIdentityToken", Some(&result.concat()), &call.id))
}

/// The claims of AWS's own, as far as they apply ("Understanding token claims").
fn details(
    call: &Call,
    caller: &Principal,
    signed_for: &str,
    tags: &std::collections::BTreeMap<String, String>,
) -> Value {
    let region = super::region(call).unwrap_or_else(|| signed_for.to_owned());
    let mut details = Map::new();
    details.insert("aws_account".to_owned(), json!(seed::ACCOUNT));
    details.insert("source_region".to_owned(), json!(region));
    if let Some(session) = caller.session() {
        if !session.tags.is_empty() {
            details.insert("principal_tags".to_owned(), json!(session.tags));
        }
        if let Some(identity) = &session.source_identity {
            details.insert("source_identity".to_owned(), json!(identity));
        }
        if let Some(instance) = &session.instance {
            details.insert("ec2_source_instance_arn".to_owned(), json!(instance));
        }
    }
    if !tags.is_empty() {
        details.insert("request_tags".to_owned(), json!(tags));
    }
    Value::Object(details)
}
