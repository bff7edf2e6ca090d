//! `AssumeRole`: from keys to a role, and on to the next.

use std::{collections::BTreeSet, sync::Arc};

use carnet_aws::trust::{Context, DEFAULT_SESSION};
use carnet_trust::{Grant, Refusal};
use jiff::SignedDuration;

use super::{
    SERVICE, authenticate,
    parameters::{ARN, NAME, Parameters, Rule},
    session_policy,
};
use crate::{
    access,
    call::Call,
    policy::Verdict,
    principal::{Principal, RoleSession},
    reply::{Answer, ApiError, STS_NAMESPACE, query_ok},
    seed, sessions,
    state::{Inner, RoleEntry, State},
    xml,
};

const EXTERNAL_ID: Rule = Rule { shortest: 2, longest: 1224, others: Some("+=,.@:/-") };
/// How long a role behind a role lasts at most ("Roles terms and concepts", role chaining).
const LONGEST_CHAINED: SignedDuration = SignedDuration::from_hours(1);

/// What is asked for, besides the role.
struct Wish<'a> {
    caller: &'a Principal,
    role_arn: &'a str,
    /// Actions that the trust policy must allow.
    actions: Vec<&'static str>,
    context: Context,
}

pub(super) fn answer(state: &Arc<State>, call: &Call, parameters: &Parameters) -> Answer {
    let verified = authenticate(state, call)?;
    let caller = &verified.access.principal;
    let role_arn = parameters.required("RoleArn", ARN)?;
    let session_name = parameters.required("RoleSessionName", NAME)?;
    let external_id = parameters.optional("ExternalId", EXTERNAL_ID)?;
    let source = parameters.optional("SourceIdentity", NAME)?;
    let duration = parameters.duration(900, 43_200)?;
    if parameters.text("SerialNumber").is_some() || parameters.text("TokenCode").is_some() {
        let text = "MultiFactorAuthentication failed, unable to validate MFA code.";
        return Err(ApiError::new(403, "AccessDenied", text));
    }
    if !parameters.list("ProvidedContexts", ".ProviderArn").is_empty() {
        return Err(ApiError::not_emulated("ProvidedContexts"));
    }
    let mut tags = parameters.tags()?;
    let mut transitive: BTreeSet<String> =
        parameters.list("TransitiveTagKeys", "").into_iter().map(str::to_owned).collect();
    if transitive.iter().any(|key| !tags.contains_key(key)) {
        return Err(conflict("The specified transitive tag key must be included in the requested tags."));
    }
    let policies = session_policy::read(parameters, &tags)?;
    let asked: Vec<String> = tags.keys().cloned().collect();
    let mut context = caller.context(state.world.now(SERVICE)).with("sts:RoleSessionName", [session_name]);
    context = context.with_request(&call.facts(&verified.authorization.region));
    context = context.with("sts:ExternalId", external_id).with("aws:TagKeys", asked.clone());
    context = context.with("sts:TransitiveTagKeys", transitive.iter().cloned());
    for (key, value) in &tags {
        context = context.with(&format!("aws:RequestTag/{key}"), [value.clone()]);
    }
    // What is transitive stays, and nobody sets it anew.
    let before = caller.session();
    for key in before.into_iter().flat_map(|session| &session.transitive) {
        let Some(value) = before.and_then(|session| session.tags.get(key)) else { continue };
        if tags.keys().any(|own| own.eq_ignore_ascii_case(key)) {
            return Err(conflict(
                "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling \
                 session.",
            ));
        }
        tags.insert(key.clone(), value.clone());
        transitive.insert(key.clone());
    }
    let kept = before.and_then(|session| session.source_identity.as_deref());
    let changes = matches!((kept, source), (Some(kept), Some(source)) if kept != source);
    let source_identity = source.or(kept);
    context = context.with("sts:SourceIdentity", source_identity);
    let mut actions = vec!["sts:AssumeRole"];
    actions.extend((!tags.is_empty()).then_some("sts:TagSession"));
    actions.extend(source_identity.is_some().then_some("sts:SetSourceIdentity"));
    if changes {
        return Err(denied(caller, "sts:SetSourceIdentity", role_arn, "another source identity than the session has"));
    }
    let wish = Wish { caller, role_arn, actions, context };
    let entry = decide(state, &wish)?;
    let lifetime = lifetime(duration, before.is_some(), &entry)?;
    let arn = entry.role.session_arn(session_name);
    let grant = Grant {
        principal: arn.clone(),
        lifetime: Some(lifetime),
        attributes: tags.iter().map(|(key, value)| (format!("tag/{key}"), carnet_core::safe_text(value))).collect(),
        held: vec!["signature", "parameters", "policy"],
        ..Grant::default()
    };
    state.world.decisions.allowed(SERVICE, &grant);
    let session = RoleSession {
        role_arn: entry.role.arn.clone(),
        role_id: entry.id.clone(),
        arn,
        name: session_name.to_owned(),
        tags,
        transitive,
        source_identity: source_identity.map(str::to_owned),
        policies: policies.policies,
        facts: Vec::new(),
        instance: None,
    };
    let issued = sessions::issue(state, SERVICE, &call.path, session, lifetime);
    let result = [
        issued.user_xml(),
        issued.credentials_xml(),
        xml::optional("PackedPolicySize", policies.packed.map(|packed| packed.to_string()).as_deref()),
        xml::optional("SourceIdentity", issued.session.source_identity.as_deref()),
    ];
    Ok(query_ok(STS_NAMESPACE, "AssumeRole", Some(&result.concat()), &call.id))
}

/// The trust policy must allow each action; where it means the whole account, the caller's own policies must too.
fn decide(state: &State, wish: &Wish<'_>) -> Result<RoleEntry, ApiError> {
    let inner = state.lock();
    let Some(entry) = inner.role(wish.role_arn) else {
        return Err(denied(wish.caller, "sts:AssumeRole", wish.role_arn, "no such role"));
    };
    for action in &wish.actions {
        check_action(state, &inner, wish, entry, action)?;
    }
    Ok(entry.clone())
}

fn check_action(
    state: &State,
    inner: &Inner,
    wish: &Wish<'_>,
    entry: &RoleEntry,
    action: &'static str,
) -> Result<(), ApiError> {
    let allows = |name: &str| entry.role.trust.allows(action, ("AWS", name), &wish.context);
    let own = wish.caller.own_names();
    let account = [format!("arn:aws:iam::{}:root", seed::ACCOUNT), seed::ACCOUNT.to_owned(), "*".to_owned()];
    let outcomes: Vec<_> = own.iter().chain(&account).map(|name| allows(name)).collect();
    if let Some(Err(found)) = outcomes.iter().find(|one| one.as_ref().is_err_and(|denied| denied.clause == "deny")) {
        return Err(denied(wish.caller, action, wish.role_arn, &found.seen));
    }
    let directly = outcomes.iter().take(own.len()).any(Result::is_ok);
    if !directly && !outcomes.iter().any(Result::is_ok) {
        let first = outcomes.into_iter().next().and_then(Result::err);
        let why = first.map(|denied| format!("{} (wanted {})", denied.seen, denied.wanted)).unwrap_or_default();
        return Err(denied(wish.caller, action, wish.role_arn, &why));
    }
    let now = state.world.now(SERVICE);
    let verdict = access::verdict(inner, wish.caller, action, wish.role_arn, now, |_own| wish.context.clone());
    let bounded = wish.caller.session().is_some_and(|session| !session.policies.is_empty());
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Silent if directly && !bounded => Ok(()),
        Verdict::Silent => Err(denied(wish.caller, action, wish.role_arn, "no policy of the caller allows it")),
        Verdict::Denied => Err(denied(wish.caller, action, wish.role_arn, "a policy of the caller denies it")),
    }
}

/// An hour unless asked otherwise, never beyond the role's own bound, and an hour at most behind another role.
fn lifetime(asked: Option<SignedDuration>, chained: bool, entry: &RoleEntry) -> Result<SignedDuration, ApiError> {
    let asked = asked.unwrap_or(DEFAULT_SESSION);
    let (longest, text) = if chained {
        (
            LONGEST_CHAINED,
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    } else {
        (entry.role.longest(), "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    };
    if asked <= longest {
        return Ok(asked);
    }
    let fix = "ask for less";
    let wanted = format!("at most {} seconds", longest.as_secs());
    let refusal = Refusal::new("duration", asked.as_secs().to_string(), wanted, "ValidationError", fix);
    Err(ApiError::new(400, "ValidationError", text).because(refusal))
}

fn denied(caller: &Principal, action: &str, role: &str, why: &str) -> ApiError {
    let (who, role) = (caller.arn(), carnet_core::safe_text(role));
    let text = format!("User: {who} is not authorized to perform: {action} on resource: {role}");
    let fix = "allow it in the role's trust policy, and in the caller's own policies where the trust policy means the account";
    let refusal = Refusal::new("policy", format!("{who}: {why}"), format!("{action} on {role}"), "AccessDenied", fix);
    ApiError::new(403, "AccessDenied", text).because(refusal)
}

/// UNCONFIRMED which code AWS gives here.
fn conflict(text: &str) -> ApiError {
    let refusal = Refusal::new(
        "tags",
        text,
        "other tags",
        "InvalidParameterValue",
        "leave out tags that the session has for good",
    );
    ApiError::new(400, "InvalidParameterValue", text).because(refusal)
}
