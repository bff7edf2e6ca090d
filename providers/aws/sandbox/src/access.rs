//! May the caller do this?

use carnet_aws::trust::Context;
use carnet_trust::{Grant, Refusal};
use jiff::Timestamp;

use crate::{
    policy::{PolicyDocument, Verdict, evaluate},
    principal::Principal,
    sessions::Access,
    state::{Inner, State},
};

/// Whether the caller's own policies allow an action on a resource: those of its role or user, and within them those of
/// its session. `more` adds the condition keys of the service. Notes the grant.
///
/// # Errors
/// Clause `permission`, with the code `AccessDenied`.
pub(crate) fn permit(
    state: &State,
    service: &'static str,
    access: &Access,
    action: &str,
    resource: &str,
    more: impl FnOnce(Context) -> Context,
) -> Result<(), Box<Refusal>> {
    let now = state.world.now(service);
    let verdict = verdict(&state.lock(), &access.principal, action, resource, now, more);
    let who = access.principal.arn();
    if verdict == Verdict::Allowed {
        let attributes =
            [("action".to_owned(), action.to_owned()), ("resource".to_owned(), carnet_core::safe_text(resource))];
        let grant = Grant {
            principal: who,
            attributes: attributes.into(),
            held: vec!["signature", "permission"],
            ..Grant::default()
        };
        state.world.decisions.allowed(service, &grant);
        return Ok(());
    }
    let because = if verdict == Verdict::Denied { "a policy denies it" } else { "no policy allows it" };
    let seen = format!("{who}: {because}");
    let wanted = format!("{action} on {}", carnet_core::safe_text(resource));
    let fix = "put a policy into the role (iam PutRolePolicy), or widen the session policy";
    Err(Box::new(Refusal::new("permission", seen, wanted, "AccessDenied", fix)))
}

/// What the caller's own policies say.
pub(crate) fn verdict(
    inner: &Inner,
    principal: &Principal,
    action: &str,
    resource: &str,
    now: Timestamp,
    more: impl FnOnce(Context) -> Context,
) -> Verdict {
    let context = more(principal.context(now));
    let ask = |policies: Vec<&PolicyDocument>| evaluate(policies, action, resource, &context);
    match principal {
        Principal::User { name, .. } => ask(inner.users.get(name).map(|user| &user.policy).into_iter().collect()),
        Principal::Session(session) => {
            // A role that was deleted, or made anew under the same name, grants its old sessions nothing.
            let role = inner.role(&session.role_arn).filter(|entry| entry.id == session.role_id);
            let own = role.map(|entry| entry.policies.values().map(|(_, policy)| policy).collect());
            let verdict = ask(own.unwrap_or_default());
            if verdict != Verdict::Allowed || session.policies.is_empty() {
                return verdict;
            }
            ask(session.policies.iter().collect())
        }
    }
}
