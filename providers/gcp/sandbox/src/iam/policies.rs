//! Reading, replacing and testing policies.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_gcp::trust::{Member, Policy};
use serde_json::{Value, json};

use crate::{
    access,
    reply::{self, Answer, ApiError, ok, rpc},
    seed,
    state::State,
    tokens::Session,
};

/// Most members of a policy (IAM, "Quotas and limits": 1,500 principals).
const MAX_MEMBERS: usize = 1500;

/// A call that concerns the policy of one resource.
pub(crate) struct PolicyCall<'a> {
    pub(crate) session: &'a Session,
    pub(crate) body: &'a Value,
    /// The etag of the policy if it is replaced.
    pub(crate) etag: String,
    /// The policies that decide over the resource, its own included.
    pub(crate) held: &'a [&'a Policy],
    /// Whether a service account is there.
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
}

/// An etag that no policy has had.
pub(crate) fn etag(number: u64) -> String {
    STANDARD.encode([&[7_u8, 6, 50][..], number.to_be_bytes().get(3..).unwrap_or_default()].concat())
}

impl PolicyCall<'_> {
    /// Answers `getIamPolicy`, `setIamPolicy` and `testIamPermissions`. `kind` is the start of the permissions, for
    /// instance `iam.serviceAccounts`.
    pub(crate) fn answer(
        &self,
        state: &State,
        service: &'static str,
        kind: &str,
        verb: &str,
        policy: &mut Policy,
    ) -> Answer {
        let permit = |permission: &str| {
            access::permit(state, service, self.session, permission, kind, self.held).map_err(reply::refused)
        };
        match verb {
            "getIamPolicy" => {
                permit(&format!("{kind}.getIamPolicy"))?;
                Ok(ok(&form(policy)))
            }
            "setIamPolicy" => {
                permit(&format!("{kind}.setIamPolicy"))?;
                *policy = self.replacement(policy)?;
                Ok(ok(&form(policy)))
            }
            "testIamPermissions" => Ok(ok(&self.tested())),
            _ => Err(rpc("NOT_FOUND", "The requested URL was not found on this server.")),
        }
    }

    /// Checks the new policy against the old one.
    fn replacement(&self, old: &Policy) -> Result<Policy, ApiError> {
        let wrong = || rpc("INVALID_ARGUMENT", "Invalid JSON payload received. The policy has another form.");
        let policy = self.body.get("policy").filter(|policy| policy.is_object());
        let policy = policy.ok_or_else(|| rpc("INVALID_ARGUMENT", "The policy is required."))?;
        let mut policy: Policy = serde_json::from_value(policy.clone()).map_err(|_form| wrong())?;
        if !policy.etag.is_empty() && policy.etag != tag_of(old) {
            let message = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential \
                           backoff.";
            return Err(rpc("ABORTED", message));
        }
        if policy.bindings.iter().any(|binding| binding.condition.is_some()) && policy.version != 3 {
            return Err(rpc("INVALID_ARGUMENT", "Requested policy version must be 3 to set a conditional binding."));
        }
        if policy.bindings.iter().map(|binding| binding.members.len()).sum::<usize>() > MAX_MEMBERS {
            return Err(rpc("INVALID_ARGUMENT", format!("The policy has more than {MAX_MEMBERS} principals.")));
        }
        for binding in &policy.bindings {
            let is_role = ["roles/", "projects/", "organizations/"].iter().any(|start| binding.role.starts_with(start));
            if !is_role {
                let message = format!("Role {} is not supported for this resource.", binding.role);
                return Err(rpc("INVALID_ARGUMENT", message));
            }
            binding.members.iter().try_for_each(|member| self.check_member(member))?;
        }
        policy.bindings.retain(|binding| !binding.members.is_empty());
        policy.version = policy.version.max(1);
        policy.etag.clone_from(&self.etag);
        Ok(policy)
    }

    fn check_member(&self, member: &str) -> Result<(), ApiError> {
        match Member::parse(member) {
            Ok(Member::ServiceAccount(email))
                if email.ends_with(&format!("@{}.iam.gserviceaccount.com", seed::PROJECT))
                    && !(self.exists)(&email) =>
            {
                Err(rpc("INVALID_ARGUMENT", format!("Service account {email} does not exist.")))
            }
            Ok(_) => Ok(()),
            Err(wrong) => Err(rpc("INVALID_ARGUMENT", format!("Invalid principal: {wrong}."))),
        }
    }

    /// Which of the permissions the caller has.
    fn tested(&self) -> Value {
        let asked = self.body.get("permissions").and_then(Value::as_array);
        let held: Vec<&str> = asked
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|permission| {
                self.held.iter().any(|policy| policy.grants(&self.session.caller, permission).is_some())
            })
            .collect();
        if held.is_empty() { json!({}) } else { json!({ "permissions": held }) }
    }
}

/// The etag of a policy; one that was never set has `ACAB`, as Google's has.
fn tag_of(policy: &Policy) -> &str {
    if policy.etag.is_empty() { "ACAB" } else { &policy.etag }
}

fn form(policy: &Policy) -> Value {
    let mut form = serde_json::to_value(policy).unwrap_or_default();
    if let Some(members) = form.as_object_mut() {
        members.insert("version".to_owned(), policy.version.max(1).into());
        members.insert("etag".to_owned(), tag_of(policy).into());
    }
    form
}
